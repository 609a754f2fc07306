//! An account as it came over the wire, and a page of them.

use std::fmt;

use model::Account;

use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::{Dialect, parse};

/// An account as the target shows it. The JSON is kept beside what was understood of it, because what has several
/// values is sent back whole, with whatever else was in it.
#[derive(Clone, PartialEq)]
pub struct Resource {
    /// What was understood.
    pub account: Account,
    raw: JsonObject,
}

impl Resource {
    /// Reads a resource. Attributes that the dialect doesn't know, or that hold something unexpected, are not
    /// there in the account; only an id must be \[doc\].
    pub fn from_json(dialect: &Dialect, json: &[u8]) -> Result<Self, TargetError> {
        Self::from_body(dialect, ResponseBody::read(None, json))
    }

    pub(crate) fn from_body(dialect: &Dialect, body: ResponseBody) -> Result<Self, TargetError> {
        match body {
            ResponseBody::Json(raw) => Self::from_object(dialect, raw),
            other => Err(TargetError::Malformed { detail: format!("an account was expected, not {other}") }),
        }
    }

    pub(crate) fn from_object(dialect: &Dialect, raw: JsonObject) -> Result<Self, TargetError> {
        match parse::account(dialect, &raw) {
            Some(account) => Ok(Self { account, raw }),
            None => {
                Err(TargetError::Malformed { detail: "an account has no id that can be kept exactly".into() })
            }
        }
    }

    pub(crate) fn raw(&self) -> &JsonObject {
        &self.raw
    }
}

/// Without the attributes, which are somebody's personal data.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("id", &self.account.id).finish_non_exhaustive()
    }
}

/// Some of the accounts that there are.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountPage {
    /// The accounts.
    pub resources: Vec<Resource>,
    /// How many more came that can't be understood; one of them must not hide the others.
    pub unreadable: u64,
    /// Where the next page starts; `None` after the last.
    pub next: Option<u64>,
    /// How many accounts the target says there are.
    pub total: u64,
}
