//! The credentials in use, and the way to another one when it is refused.

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

/// How many tokens that were replaced are still taken out of complaints. Nobody rotates one so often within a call.
const REMEMBERED: usize = 4;

/// Asks whoever keeps the credentials which ones are good now.
type RenewCredentials =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Option<TargetCredentials>> + Send>> + Send + Sync>;

/// A token that can be sent, and the app secret that it is proven with.
pub(crate) struct AccessToken {
    secret: SecretString,
    header: HeaderValue,
    app_secret: Option<SecretString>,
}

impl AccessToken {
    /// Refuses what can't be a token before it is sent.
    fn new(credentials: &TargetCredentials) -> Result<Self, TargetError> {
        let TargetCredentials { access_token, app_secret } = credentials;
        // A file ends with a line break, and the token goes without: sent, compared and taken out of complaints.
        let secret = access_token.expose_secret().trim();
        let unusable = |detail: &str| TargetError::Unauthorized { detail: detail.to_owned() };
        if secret.is_empty() {
            return Err(unusable("it is empty"));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {secret}"))
            .map_err(|_| unusable("it has characters that no token has"))?;
        header.set_sensitive(true);
        // A template for secrets may leave an empty place for what an integration doesn't ask for.
        let app_secret = app_secret.as_ref().map(|secret| secret.expose_secret().trim());
        let app_secret = app_secret.filter(|secret| !secret.is_empty()).map(SecretString::from);
        Ok(Self { secret: SecretString::from(secret), header, app_secret })
    }

    /// What is sent.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// What proves, in a call that is made now, that whoever holds the token knows the app secret too.
    pub(crate) fn proof(&self, now: UnixSeconds) -> Option<AppSecretProof> {
        self.app_secret.as_ref().map(|app_secret| AppSecretProof::new(app_secret, &self.secret, now))
    }

    /// All of it that is secret.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.expose()).chain(self.expose_app_secret())
    }

    fn expose_app_secret(&self) -> Option<&str> {
        self.app_secret.as_ref().map(|secret| secret.expose_secret())
    }

    /// A new app secret under the old token is something new too: the old one's proofs are refused.
    fn is_same(&self, other: &Self) -> bool {
        let Self { secret, header: _, app_secret: _ } = self;
        secret.expose_secret() == other.expose() && self.expose_app_secret() == other.expose_app_secret()
    }
}

/// The token in use, and those before it.
struct TokenHistory {
    current: Arc<AccessToken>,
    replaced: VecDeque<Arc<AccessToken>>,
}

/// What proves to the target that we may.
pub(crate) struct AccessTokens {
    tokens: Mutex<TokenHistory>,
    renew: Option<RenewCredentials>,
    /// Held by the one call that asks for new credentials; the others wait for what it hears.
    asking: tokio::sync::Mutex<()>,
    /// How often somebody asked and was answered.
    answers: AtomicU64,
}

impl AccessTokens {
    pub(crate) fn new(credentials: &TargetCredentials) -> Result<Self, TargetError> {
        let current = Arc::new(AccessToken::new(credentials)?);
        Ok(Self {
            tokens: Mutex::new(TokenHistory { current, replaced: VecDeque::new() }),
            renew: None,
            asking: tokio::sync::Mutex::default(),
            answers: AtomicU64::new(0),
        })
    }

    pub(crate) fn set_renewal<F, R>(&mut self, renew: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Option<TargetCredentials>> + Send + 'static,
    {
        self.renew = Some(Box::new(move || Box::pin(renew())));
    }

    /// The token to send.
    pub(crate) fn current(&self) -> Arc<AccessToken> {
        self.lock().current.clone()
    }

    /// All tokens that an answer could be about.
    pub(crate) fn known(&self) -> Vec<Arc<AccessToken>> {
        let tokens = self.lock();
        std::iter::once(&tokens.current).chain(&tokens.replaced).cloned().collect()
    }

    /// Another token than the one that was refused; `None` when there is none to be had.
    ///
    /// Many calls may be refused at once. One of them asks, and all of them go by what it hears, even if that is
    /// nothing new: asking again in the same moment would bring the same.
    pub(crate) async fn instead_of(&self, refused: &AccessToken) -> Option<Arc<AccessToken>> {
        let renew = self.renew.as_ref()?;
        let before = self.answers.load(Ordering::Acquire);
        let _asking = self.asking.lock().await;
        if self.current().is_same(refused) && self.answers.load(Ordering::Acquire) == before {
            let credentials = renew().await;
            self.answers.fetch_add(1, Ordering::Release);
            if let Some(credentials) = credentials {
                self.adopt(&credentials);
            }
        }
        let current = self.current();
        (!current.is_same(refused)).then_some(current)
    }

    fn adopt(&self, credentials: &TargetCredentials) {
        let token = match AccessToken::new(credentials) {
            Ok(token) => Arc::new(token),
            Err(error) => {
                warn!("the access token was fetched again and can't be used: {error}");
                return;
            }
        };
        let mut tokens = self.lock();
        if tokens.current.is_same(&token) {
            return;
        }
        info!("the access token or its proof was refused, and another one is in use now");
        let replaced = std::mem::replace(&mut tokens.current, token);
        tokens.replaced.push_front(replaced);
        tokens.replaced.truncate(REMEMBERED);
    }

    /// Nothing can panic while it holds this lock, so there is always a whole value behind it.
    fn lock(&self) -> MutexGuard<'_, TokenHistory> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(token: &str) -> TargetCredentials {
        TargetCredentials { access_token: token.into(), app_secret: None }
    }

    #[test]
    fn tokens_are_checked_before_the_first_call() {
        let token = AccessToken::new(&credentials(" abc\n")).unwrap();
        assert!(token.header().is_sensitive());
        assert_eq!((token.header().to_str().unwrap(), token.expose()), ("Bearer abc", "abc"));
        for unusable in ["", " ", "a\nb"] {
            let error = AccessToken::new(&credentials(unusable)).err().unwrap();
            assert!(matches!(error, TargetError::Unauthorized { .. }));
        }
    }

    #[test]
    fn the_newest_tokens_are_remembered() {
        let access = AccessTokens::new(&credentials("0")).unwrap();
        for number in 1..10 {
            access.adopt(&credentials(&number.to_string()));
            access.adopt(&credentials(&format!("{number}\n")));
            access.adopt(&credentials(""));
        }
        let known: Vec<String> = access.known().iter().map(|token| token.expose().to_owned()).collect();
        assert_eq!(known, ["9", "8", "7", "6", "5"]);
        assert_eq!(access.current().expose(), "9");
    }
}
