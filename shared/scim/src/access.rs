//! Access tokens in use, and their renewal when the target refuses one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::UnixSeconds;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use crate::errors::TargetError;
use crate::options::TargetCredentials;
use crate::proof::AppSecretProof;

/// Replaced tokens that are still redacted from error texts. No token rotates more often within one call.
const REMEMBERED_TOKENS: usize = 4;

/// Fetches the credentials that are valid now; `None` if there are no new ones.
type RenewCredentials =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Option<TargetCredentials>> + Send>> + Send + Sync>;

/// Access token that can be sent, and the app secret for its proof.
pub(crate) struct AccessToken {
    secret: SecretString,
    header: HeaderValue,
    app_secret: Option<SecretString>,
}

impl AccessToken {
    /// Refuses a value that can't be sent as a token.
    fn new(credentials: &TargetCredentials) -> Result<Self, TargetError> {
        let TargetCredentials { access_token, app_secret } = credentials;
        // A secret in a file often ends with a line break.
        let secret = access_token.expose_secret().trim();
        let unusable = |detail: &str| TargetError::Unauthorized { detail: detail.to_owned() };
        if secret.is_empty() {
            return Err(unusable("it is empty"));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {secret}"))
            .map_err(|_| unusable("it has characters that can't be sent in a header"))?;
        header.set_sensitive(true);
        // A secret's template may contain a blank app secret where the integration needs none.
        let app_secret = app_secret.as_ref().map(|secret| secret.expose_secret().trim());
        let app_secret = app_secret.filter(|secret| !secret.is_empty()).map(SecretString::from);
        Ok(Self { secret: SecretString::from(secret), header, app_secret })
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// Proof for a call that is made now; `None` without an app secret.
    pub(crate) fn proof(&self, now: UnixSeconds) -> Option<AppSecretProof> {
        self.app_secret.as_ref().map(|app_secret| AppSecretProof::new(app_secret, &self.secret, now))
    }

    /// Values that must not appear in a text.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.expose()).chain(self.expose_app_secret())
    }

    fn expose_app_secret(&self) -> Option<&str> {
        self.app_secret.as_ref().map(|secret| secret.expose_secret())
    }

    /// A new app secret with the old token counts as different: proofs made with the old secret are refused.
    fn is_same(&self, other: &Self) -> bool {
        let Self { secret, header: _, app_secret: _ } = self;
        secret.expose_secret() == other.expose() && self.expose_app_secret() == other.expose_app_secret()
    }
}

/// Token in use and its predecessors, newest first.
struct TokenHistory {
    current: Arc<AccessToken>,
    replaced: VecDeque<Arc<AccessToken>>,
}

/// Access token of one target, with renewal.
pub(crate) struct AccessTokens {
    tokens: Mutex<TokenHistory>,
    renew: Option<RenewCredentials>,
    /// Held by the call that fetches new credentials; other refused calls wait for its result.
    renewing: tokio::sync::Mutex<()>,
    /// Completed renewals.
    renewals: AtomicU64,
}

impl AccessTokens {
    pub(crate) fn new(credentials: &TargetCredentials) -> Result<Self, TargetError> {
        let current = Arc::new(AccessToken::new(credentials)?);
        Ok(Self {
            tokens: Mutex::new(TokenHistory { current, replaced: VecDeque::new() }),
            renew: None,
            renewing: tokio::sync::Mutex::default(),
            renewals: AtomicU64::new(0),
        })
    }

    pub(crate) fn set_renewal<F, R>(&mut self, renew: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Option<TargetCredentials>> + Send + 'static,
    {
        self.renew = Some(Box::new(move || Box::pin(renew())));
    }

    pub(crate) fn current(&self) -> Arc<AccessToken> {
        self.lock().current.clone()
    }

    /// The current and the remembered tokens.
    pub(crate) fn known(&self) -> Vec<Arc<AccessToken>> {
        let tokens = self.lock();
        std::iter::once(&tokens.current).chain(&tokens.replaced).cloned().collect()
    }

    /// A token other than the refused one; `None` if there is none.
    ///
    /// Of several calls that are refused together, one fetches new credentials and all use its result, even if it is
    /// unchanged.
    pub(crate) async fn replacement_for(&self, refused: &AccessToken) -> Option<Arc<AccessToken>> {
        let renew = self.renew.as_ref()?;
        let before = self.renewals.load(Ordering::Acquire);
        let _renewing = self.renewing.lock().await;
        if self.current().is_same(refused) && self.renewals.load(Ordering::Acquire) == before {
            let credentials = renew().await;
            self.renewals.fetch_add(1, Ordering::Release);
            if let Some(token) = credentials.as_ref().and_then(renewed_token) {
                self.adopt(token);
            }
        }
        let current = self.current();
        (!current.is_same(refused)).then_some(current)
    }

    fn adopt(&self, token: AccessToken) {
        let token = Arc::new(token);
        let mut tokens = self.lock();
        if tokens.current.is_same(&token) {
            return;
        }
        info!("target: access token or app secret proof refused; using renewed credentials");
        let replaced = std::mem::replace(&mut tokens.current, token);
        tokens.replaced.push_front(replaced);
        tokens.replaced.truncate(REMEMBERED_TOKENS);
    }

    /// No code panics while it holds this lock, so the value is always complete.
    fn lock(&self) -> MutexGuard<'_, TokenHistory> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of renewed credentials, if it can be sent.
fn renewed_token(credentials: &TargetCredentials) -> Option<AccessToken> {
    let unusable = |error: &TargetError| warn!("target: the renewed access token can't be used: {error}");
    AccessToken::new(credentials).inspect_err(unusable).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(token: &str) -> TargetCredentials {
        TargetCredentials { access_token: token.into(), app_secret: None }
    }

    #[test]
    fn unusable_tokens_are_refused_before_the_first_call() {
        let token = AccessToken::new(&credentials(" abc\n")).unwrap();
        assert!(token.header().is_sensitive());
        assert_eq!((token.header().to_str().unwrap(), token.expose()), ("Bearer abc", "abc"));
        for unusable in ["", " ", "a\nb"] {
            let error = AccessToken::new(&credentials(unusable)).err().unwrap();
            assert!(matches!(error, TargetError::Unauthorized { .. }));
        }
    }

    #[test]
    fn newest_replaced_tokens_are_remembered() {
        let access = AccessTokens::new(&credentials("0")).unwrap();
        for number in 1..10 {
            let renewed = [number.to_string(), format!("{number}\n"), String::new()];
            let tokens = renewed.iter().filter_map(|token| renewed_token(&credentials(token)));
            tokens.for_each(|token| access.adopt(token));
        }
        let known: Vec<String> = access.known().iter().map(|token| token.expose().to_owned()).collect();
        assert_eq!(known, ["9", "8", "7", "6", "5"]);
        assert_eq!(access.current().expose(), "9");
    }
}
