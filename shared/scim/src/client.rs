//! The client: what it is made of, and what the server says of itself.

mod changing;
mod finding;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::AccountId;
use reqwest::{Method, Url};
use tokio::sync::OnceCell;

pub use self::changing::DeleteOutcome;
pub(crate) use self::finding::ListResponse;
use crate::Dialect;
use crate::announced::ServerFeatures;
use crate::body::ResponseBody;
use crate::dialect::DialectPatch;
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::options::{TargetCredentials, TargetOptions};
use crate::pace::Pacer;
use crate::tally::CallCounts;
use crate::transport::{CallFailure, TargetCall, Transport};

/// A store of accounts, by one of the [dialects](Dialect).
pub struct Target {
    dialect: &'static Dialect,
    transport: Transport,
    /// What the server says of itself, once somebody had to know.
    announced: OnceCell<ServerFeatures>,
}

impl Target {
    /// Prepares a client; nothing is called yet. The address must be https, but for loopback.
    pub fn new(
        dialect: &'static Dialect,
        options: TargetOptions,
        credentials: TargetCredentials,
    ) -> Result<Self, TargetError> {
        let transport = Transport::new(dialect, options, credentials)?;
        Ok(Self { dialect, transport, announced: OnceCell::new() })
    }

    /// Says where new credentials come from when those in use are refused, as they are after a rotation.
    ///
    /// A call that is [`Unauthorized`](TargetError::Unauthorized) then waits for this once, and is made once more if
    /// the access token or the app secret is another one; else its error stands at once. Many calls that are refused together ask
    /// together. One after the other they ask again each, so how often the credentials are really fetched is for
    /// `renew` to limit. `None` says that there is nothing new to be had.
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
    /// further for a while. Without a budget, calls go out as they come.
    #[must_use]
    pub fn with_call_budget(mut self, calls_per_second: Option<u32>, workers: usize) -> Self {
        self.transport.pacer = calls_per_second.map(|calls| Arc::new(Pacer::new(calls, workers)));
        self
    }

    /// The dialect it speaks.
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// How many calls were made so far.
    pub fn calls(&self) -> CallCounts {
        self.transport.tally.calls()
    }

    /// How long each attempt took that ended since this was last asked, up to the newest 1,000: until the answer was
    /// read whole, or there was none.
    pub fn take_latencies(&self) -> Vec<Duration> {
        self.transport.tally.take_latencies()
    }

    /// Whether the target has PATCH.
    async fn has_patch(&self) -> Result<bool, TargetError> {
        match self.dialect.patch {
            DialectPatch::Always => Ok(true),
            DialectPatch::Never => Ok(false),
            DialectPatch::Announced => Ok(self.announced().await?.patch),
        }
    }

    /// Those of these attributes that the server's own schemas don't have: what is sent of them will hardly be kept.
    pub async fn missing_from_schemas<'a>(
        &self,
        attributes: impl IntoIterator<Item = &'a str> + Send,
    ) -> Result<Vec<&'a str>, TargetError> {
        let attributes: Vec<&str> = attributes.into_iter().collect();
        let announced = self.announced().await?;
        let lacking = |attribute: &&str| {
            let field = self.dialect.field(attribute);
            field.is_some_and(|field| {
                announced.lacks(field.extension.unwrap_or(self.dialect.core), field.top())
            })
        };
        Ok(attributes.into_iter().filter(lacking).collect())
    }

    /// The address of the accounts.
    async fn users(&self) -> Result<Url, TargetError> {
        Ok(self.transport.under(&self.announced().await?.users))
    }

    /// The address of one account.
    async fn user(&self, id: &AccountId) -> Result<Url, TargetError> {
        one_of(self.users().await?, id)
    }

    /// What the server says of itself, asked once for the life of this client and only where the dialect leaves it to
    /// the server.
    async fn announced(&self) -> Result<&ServerFeatures, TargetError> {
        self.announced.get_or_try_init(|| self.fetch_announced()).await
    }

    async fn fetch_announced(&self) -> Result<ServerFeatures, TargetError> {
        let nothing = ServerFeatures::nothing(self.dialect);
        if self.dialect.patch != DialectPatch::Announced {
            return Ok(nothing);
        }
        let (config, types, schemas) = tokio::join!(
            self.fetch_document("ServiceProviderConfig"),
            self.fetch_document("ResourceTypes"),
            self.fetch_document("Schemas"),
        );
        let base = self.transport.under::<&str>(&[]);
        let mut announced = nothing;
        if let Some(config) = config? {
            announced = announced.with_config(&config);
        }
        if let Some(types) = types? {
            announced = announced.with_resource_types(&types, base.as_str());
        }
        // Nothing that is done depends on these.
        if let Ok(Some(schemas)) = schemas {
            announced = announced.with_schemas(&schemas);
        }
        Ok(announced)
    }

    /// What the server says under this name; `None` where it says nothing, or not to us. That the token is no good
    /// shows in the first call that needs it.
    async fn fetch_document(&self, name: &str) -> Result<Option<JsonObject>, TargetError> {
        let call = TargetCall {
            method: Method::GET,
            url: self.transport.under(&[name]),
            body: None,
            sent: Vec::new(),
        };
        match self.transport.call(&call).await {
            Ok(ResponseBody::Json(document)) => Ok(Some(document)),
            Ok(_) | Err(CallFailure { status: Some(403), error: TargetError::Unauthorized { .. } }) => {
                Ok(None)
            }
            Err(CallFailure {
                error: TargetError::NotFound | TargetError::Rejected { .. } | TargetError::Malformed { .. },
                ..
            }) => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("dialect", &self.dialect.name()).finish_non_exhaustive()
    }
}

/// The address of one account under that of all.
fn one_of(mut users: Url, id: &AccountId) -> Result<Url, TargetError> {
    let refused =
        || TargetError::Malformed { detail: "an account's id can't stand in an address".to_owned() };
    match id.as_str() {
        // As a path these would lead elsewhere, the collection itself included.
        "." | ".." | "" => return Err(refused()),
        id => users.path_segments_mut().map_err(|()| refused())?.push(id),
    };
    Ok(users)
}

/// The collection itself can't be missing from the right address; only an account can.
fn of_collection(failure: CallFailure) -> CallFailure {
    match failure.error {
        TargetError::NotFound => {
            TargetError::Malformed { detail: "there is no /Users at this address".to_owned() }.into()
        }
        _ => failure,
    }
}
