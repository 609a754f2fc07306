//! Account resource as received, and a page of them.

use std::fmt;

use model::Account;

use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::parse;
use dialect::Dialect;

/// Account as the target shows it. The JSON is kept because multi-valued attributes are sent back whole.
#[derive(Clone)]
pub struct Resource {
    /// Attributes that the dialect knows.
    pub account: Account,
    raw: JsonObject,
    extent: ResourceExtent,
}

/// How much of the account a resource shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResourceExtent {
    /// The answer to a GET by id: all of it.
    Whole,
    /// The answer to a look-up or to a change, which may leave attributes out.
    Partial,
}

/// Equal content; it does not matter by which request it was read.
impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        let Self { account, raw, extent: _ } = self;
        (account, raw) == (&other.account, &other.raw)
    }
}

impl Resource {
    /// Reads a resource. Attributes that are unknown to the dialect or have an unexpected form are ignored; only the
    /// id is required \[doc\].
    pub fn from_json(dialect: &Dialect, json: &[u8]) -> Result<Self, TargetError> {
        Self::from_body(dialect, ResponseBody::read(None, json))
    }

    pub(crate) fn from_body(dialect: &Dialect, body: ResponseBody) -> Result<Self, TargetError> {
        match body {
            ResponseBody::Json(raw) => Self::from_object(dialect, raw),
            other => Err(TargetError::Malformed { detail: format!("expected an account, received {other}") }),
        }
    }

    pub(crate) fn from_object(dialect: &Dialect, raw: JsonObject) -> Result<Self, TargetError> {
        match parse::account(dialect, &raw) {
            Some(account) => Ok(Self { account, raw, extent: ResourceExtent::Partial }),
            None => Err(TargetError::Malformed { detail: "an account has no usable id".into() }),
        }
    }

    /// The same account with other JSON.
    pub(crate) fn with_raw(&self, dialect: &Dialect, raw: JsonObject) -> Result<Self, TargetError> {
        Ok(Self { extent: self.extent, ..Self::from_object(dialect, raw)? })
    }

    pub(crate) fn raw(&self) -> &JsonObject {
        &self.raw
    }

    /// Whether the user name or the external id is shown. An answer to a change may show less.
    pub(crate) fn has_name(&self) -> bool {
        self.account.user_name.is_some() || self.account.attributes.contains_key(&"externalId".into())
    }

    /// Marks the answer to a GET by id.
    pub(crate) fn whole(self) -> Self {
        Self { extent: ResourceExtent::Whole, ..self }
    }

    /// Whether all attributes of the account are shown, so that it can be sent back.
    pub(crate) fn is_whole(&self) -> bool {
        self.extent == ResourceExtent::Whole
    }
}

/// An account that an answer of the target shows inactive. A deactivation is reported with nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct InactiveResource(Resource);

impl InactiveResource {
    /// The proof; `None` if the account is active, or if the answer does not tell.
    pub fn shown(resource: Resource) -> Option<Self> {
        (resource.account.active == Some(false)).then_some(Self(resource))
    }

    /// The account.
    pub fn resource(&self) -> &Resource {
        &self.0
    }

    /// The account.
    pub fn into_resource(self) -> Resource {
        self.0
    }
}

/// Omits the attributes, which are personal data.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("id", &self.account.id).finish_non_exhaustive()
    }
}

/// One page of the list of accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountPage {
    /// Accounts of the page.
    pub resources: Vec<Resource>,
    /// Resources that can't be read as accounts.
    pub unreadable: u64,
    /// `startIndex` of the next page; `None` after the last.
    pub next: Option<u64>,
    /// `totalResults`: accounts in the whole list.
    pub total: u64,
}
