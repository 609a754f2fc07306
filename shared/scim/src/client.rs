//! SCIM client of one target: construction, and the features that the server announces.

pub(crate) mod activation;
pub(crate) mod changing;
pub(crate) mod deleting;
pub(crate) mod finding;
pub(crate) mod locating;
pub(crate) mod verbs;

use std::fmt;
use std::time::Duration;

use model::AccountId;
use reqwest::{Method, Url};
use tokio::sync::OnceCell;

use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::features::ServerFeatures;
use crate::json::JsonObject;
use crate::metrics::CallCounts;
use crate::options::{TargetCredentials, TargetOptions};
use crate::pace::Pacers;
use crate::transport::{CallFailure, TargetCall, Transport};
use dialect::{CallBudget, Dialect, DialectPatch};
use verbs::UnsupportedVerbs;

/// SCIM client of one target, for one of the [dialects](Dialect).
pub struct Target {
    dialect: &'static Dialect,
    transport: Transport,
    /// Fetched with the first call that needs them.
    features: OnceCell<ServerFeatures>,
    /// Read when it is needed first.
    leaves_out_inactive: OnceCell<bool>,
    unsupported: UnsupportedVerbs,
}

impl Target {
    /// Creates a client; no call is made yet. The URL must be https, except for loopback addresses.
    pub fn new(
        dialect: &'static Dialect,
        options: TargetOptions,
        credentials: TargetCredentials,
    ) -> Result<Self, TargetError> {
        let transport = Transport::new(dialect, options, credentials)?;
        Ok(Self {
            dialect,
            transport,
            features: OnceCell::new(),
            leaves_out_inactive: OnceCell::new(),
            unsupported: UnsupportedVerbs::default(),
        })
    }

    /// Sets the source of new credentials for the time after a rotation.
    ///
    /// An [`Unauthorized`](TargetError::Unauthorized) call fetches credentials once, and is repeated once if the access
    /// token or the app secret differs; otherwise its error is returned. Calls that are refused together share one
    /// fetch; later calls fetch again, so `renew` must limit how often. `None` means that there are no new credentials.
    #[must_use]
    pub fn with_renewal<F, R>(mut self, renew: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Option<TargetCredentials>> + Send + 'static,
    {
        self.transport.access.set_renewal(renew);
        self
    }

    /// Limits this client to its share of a call budget that `workers` clients divide. Throttled answers slow it down
    /// further for a while.
    #[must_use]
    pub fn with_call_budget(mut self, budget: CallBudget, workers: usize) -> Self {
        self.transport.pacers = Pacers::new(budget, workers);
        self
    }

    /// The dialect of the target.
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// Numbers of calls made so far.
    pub fn calls(&self) -> CallCounts {
        self.transport.metrics.calls()
    }

    /// Longest time of one call, with its repeats.
    pub fn longest_call(&self) -> Duration {
        self.transport.longest_call()
    }

    /// Latencies of the attempts that ended since the last call of this function, at most the newest 1,000. A latency
    /// ends with the complete response or the failure.
    pub fn take_latencies(&self) -> Vec<Duration> {
        self.transport.metrics.take_latencies()
    }

    /// Attributes of the given ones that the server's schemas lack; the server will probably ignore their values.
    pub async fn missing_from_schemas<'a>(
        &self,
        attributes: impl IntoIterator<Item = &'a str> + Send,
    ) -> Result<Vec<&'a str>, TargetError> {
        let attributes: Vec<&str> = attributes.into_iter().collect();
        let features = self.features().await?;
        let is_missing = |attribute: &&str| {
            let field = self.dialect.field(attribute);
            field.is_some_and(|field| {
                features.lacks(field.extension.unwrap_or(self.dialect.core), field.attribute())
            })
        };
        Ok(attributes.into_iter().filter(is_missing).collect())
    }

    async fn users_url(&self) -> Result<Url, TargetError> {
        Ok(self.transport.url(&self.features().await?.users))
    }

    async fn user_url(&self, id: &AccountId) -> Result<Url, TargetError> {
        with_id(self.users_url().await?, id)
    }

    /// Features of the server, fetched once per client and only where the dialect depends on the server.
    async fn features(&self) -> Result<&ServerFeatures, TargetError> {
        self.features.get_or_try_init(|| self.fetch_features()).await
    }

    async fn fetch_features(&self) -> Result<ServerFeatures, TargetError> {
        let mut features = ServerFeatures::assumed(self.dialect);
        if self.dialect.patch != DialectPatch::Announced {
            return Ok(features);
        }
        let (config, types, schemas) = tokio::join!(
            self.fetch_document("ServiceProviderConfig"),
            self.fetch_document("ResourceTypes"),
            self.fetch_document("Schemas"),
        );
        if let Some(config) = config? {
            features = features.with_config(&config);
        }
        if let Some(types) = types? {
            features = features.with_resource_types(&types, self.transport.base());
        }
        // Schemas only serve warnings, so their failure is ignored.
        if let Ok(Some(schemas)) = schemas {
            features = features.with_schemas(&schemas);
        }
        Ok(features)
    }

    /// A discovery document; `None` if the server has none or does not show it: then the dialect's defaults apply. An
    /// invalid token, throttling, and an outage are errors.
    async fn fetch_document(&self, name: &str) -> Result<Option<JsonObject>, TargetError> {
        let call = TargetCall::new(Method::GET, self.transport.url(&[name]));
        match self.transport.call(&call).await {
            Ok(ResponseBody::Json(document)) => Ok(Some(document)),
            Ok(_) | Err(CallFailure { status: Some(404 | 410), .. }) => Ok(None),
            Err(CallFailure {
                status: Some(status @ (300..=400 | 403..=499 | 500 | 501)), error, ..
            }) if !matches!(error, TargetError::RateLimited { .. }) => {
                tracing::warn!(http.status = status, "{name} is not served by the target; defaults apply");
                Ok(None)
            }
            Err(failure) => Err(failure.error),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("dialect", &self.dialect.name).finish_non_exhaustive()
    }
}

/// URL of one account. All characters but the unreserved ones (RFC 3986, 2.3) are percent-encoded: a tab would be
/// dropped from the path, and some servers read `+` as a space.
fn with_id(mut users: Url, id: &AccountId) -> Result<Url, TargetError> {
    // As path segments these lead to other resources, such as the list of all users.
    if matches!(id.as_str(), "." | ".." | "") {
        let detail = format!("account id {id} can't be part of a URL");
        return Err(TargetError::Malformed { detail });
    }
    let mut path = users.path().trim_end_matches('/').to_owned();
    path.push('/');
    for byte in id.as_str().bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    users.set_path(&path);
    Ok(users)
}

/// Turns a 404 for the list of users into an error of the URL: the list itself always exists.
fn users_not_found(failure: CallFailure) -> CallFailure {
    const NO_USERS: &str = "there is no /Users at this URL";
    let detail = match &failure {
        CallFailure { error: TargetError::NotFound, .. } => NO_USERS.to_owned(),
        CallFailure { status: Some(404), error: TargetError::Unavailable { detail }, .. } => {
            format!("{NO_USERS}: {detail}")
        }
        _ => return failure,
    };
    TargetError::Malformed { detail }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_one_percent_encoded_segment() {
        let url = |id: &str| {
            let users = Url::parse("https://x.test/scim/v2/Users").unwrap();
            with_id(users, &AccountId::new(id).unwrap()).map(|url| url.path().to_owned())
        };
        for (id, expect) in [
            ("100000000000001", "100000000000001"),
            ("a-b_c.d~e", "a-b_c.d~e"),
            ("a/b", "a%2Fb"),
            ("a b+c", "a%20b%2Bc"),
            ("a\tb\nc", "a%09b%0Ac"),
            ("\t..\n", "%09..%0A"),
            ("50%", "50%25"),
            ("ä?#", "%C3%A4%3F%23"),
        ] {
            assert_eq!(url(id).unwrap(), format!("/scim/v2/Users/{expect}"), "{id:?}");
        }
        assert!(url(".").is_err() && url("..").is_err());
    }
}
