//! Account resource as received, and a page of them.

use std::fmt;

use model::Account;

use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::parse;
use dialect::Dialect;

/// Account as the target shows it. The JSON is kept because multi-valued attributes are sent back whole.
#[derive(Clone, PartialEq)]
pub struct Resource {
    /// Attributes that the dialect knows.
    pub account: Account,
    raw: JsonObject,
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
            Some(account) => Ok(Self { account, raw }),
            None => Err(TargetError::Malformed { detail: "an account has no usable id".into() }),
        }
    }

    pub(crate) fn raw(&self) -> &JsonObject {
        &self.raw
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
