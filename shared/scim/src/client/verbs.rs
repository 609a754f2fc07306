//! Verbs of a change: PUT and PATCH, and which of them the target has refused to support.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;

use super::Target;
use crate::errors::TargetError;
use dialect::{DialectPatch, DialectPut};

/// Verb of a change of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeVerb {
    Put,
    Patch,
}

impl ChangeVerb {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Put => Self::Patch,
            Self::Patch => Self::Put,
        }
    }
}

impl fmt::Display for ChangeVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        })
    }
}

/// Verbs that the target does not support, contrary to the dialect or to its announcement. Known once per client.
#[derive(Debug, Default)]
pub(crate) struct UnsupportedVerbs {
    put: AtomicBool,
    patch: AtomicBool,
}

impl UnsupportedVerbs {
    fn flag(&self, verb: ChangeVerb) -> &AtomicBool {
        match verb {
            ChangeVerb::Put => &self.put,
            ChangeVerb::Patch => &self.patch,
        }
    }

    /// Whether this verb is not supported, and the other one may be.
    fn excludes(&self, verb: ChangeVerb) -> bool {
        let is_refused = |verb| self.flag(verb).load(Ordering::Relaxed);
        is_refused(verb) && !is_refused(verb.other())
    }

    fn note(&self, verb: ChangeVerb) {
        if !self.flag(verb).swap(true, Ordering::Relaxed) {
            tracing::warn!("target does not support {verb}; using {} from now on", verb.other());
        }
    }
}

impl Target {
    /// Whether a change is sent as PATCH where the dialect allows either verb.
    pub(super) async fn has_patch(&self) -> Result<bool, TargetError> {
        let is_announced = match self.dialect.patch {
            DialectPatch::Always => true,
            DialectPatch::Never => false,
            DialectPatch::Announced => self.features().await?.patch,
        };
        Ok(is_announced && !self.unsupported.excludes(ChangeVerb::Patch))
    }

    /// The verbs of a change that either one can make, in the order in which they are tried. A verb that is not
    /// announced is tried after a refusal of the other one.
    pub(super) async fn verbs(&self) -> Result<Vec<ChangeVerb>, TargetError> {
        let first = match self.dialect.put {
            DialectPut::Replaces if self.has_patch().await? => ChangeVerb::Patch,
            DialectPut::Merges | DialectPut::Replaces => ChangeVerb::Put,
        };
        let has_verb = |verb: &ChangeVerb| {
            let is_missing = *verb == ChangeVerb::Patch && self.dialect.patch == DialectPatch::Never;
            !is_missing && !self.unsupported.excludes(*verb)
        };
        Ok([first, first.other()].into_iter().filter(has_verb).collect())
    }

    /// Refuses a change by a verb that the target is known not to support. No request is sent then.
    pub(super) fn check_verb(&self, verb: ChangeVerb) -> Result<(), TargetError> {
        match self.unsupported.excludes(verb) {
            true => Err(TargetError::Unsupported { detail: format!("{verb} was refused earlier") }),
            false => Ok(()),
        }
    }

    /// Notes that the target does not support a verb.
    pub(super) fn note_unsupported(&self, verb: ChangeVerb) {
        self.unsupported.note(verb);
    }
}
