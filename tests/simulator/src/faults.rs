//! Misbehaviour on demand.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::{call::ReceivedRequest, reply::SimulatedReply};

/// Something that goes wrong for the next requests that match.
///
/// Faults are consulted in the order of their injection; the first that matches is used up by one.
#[derive(Clone, Debug, Deserialize)]
pub struct TargetFault {
    /// Which requests it strikes.
    #[serde(default)]
    pub matches: FaultMatch,
    /// How many of them; [`TargetFault::ALWAYS`] for all.
    #[serde(default = "once")]
    pub times: usize,
    /// What it does to them.
    pub effect: FaultEffect,
}

fn once() -> usize {
    1
}

impl TargetFault {
    /// As `times`: until the faults are cleared.
    pub const ALWAYS: usize = usize::MAX;

    /// Strikes the next request.
    pub fn once(effect: FaultEffect) -> Self {
        Self::times(1, effect)
    }

    /// Strikes the next requests.
    pub fn times(times: usize, effect: FaultEffect) -> Self {
        Self { matches: FaultMatch::default(), times, effect }
    }

    /// Strikes every request until the faults are cleared.
    pub fn always(effect: FaultEffect) -> Self {
        Self::times(Self::ALWAYS, effect)
    }

    /// Only requests with this method.
    pub fn method(mut self, method: &str) -> Self {
        self.matches.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path begins like this.
    pub fn path(mut self, path: &str) -> Self {
        self.matches.path = Some(path.to_owned());
        self
    }

    /// Only requests about this `userName`: in the filter, in the body, or the account in the path.
    pub fn user(mut self, user_name: &str) -> Self {
        self.matches.user = Some(user_name.to_owned());
        self
    }
}

/// Which requests a fault strikes; what is not said matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultMatch {
    /// The method, such as `PUT`, in any case.
    #[serde(default)]
    pub method: Option<String>,
    /// How the path begins, such as `/Users/`.
    #[serde(default)]
    pub path: Option<String>,
    /// The `userName` that it is about: in the filter, in the body, or of the account in the path.
    #[serde(default)]
    pub user: Option<String>,
}

impl FaultMatch {
    /// `users` are the names that the request is about.
    fn covers(&self, call: &ReceivedRequest, users: &[String]) -> bool {
        let Self { method, path, user } = self;
        let method = method.as_ref();
        let path = path.as_ref();
        let user = user.as_ref().map(|user| user.to_lowercase());
        method.is_none_or(|method| method.eq_ignore_ascii_case(&call.method))
            && path.is_none_or(|path| call.path.starts_with(path.as_str()))
            && user.is_none_or(|user| users.contains(&user))
    }
}

/// What happens to a request that a fault strikes.
///
/// The variants that begin with `Effect` let the request do its work first: they are how a client meets
/// a write that happened although it never heard so.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultEffect {
    /// Nothing is done, and this is the answer.
    Answer(SimulatedReply),
    /// Nothing is done, and the connection is closed without an answer.
    Drop,
    /// The answer is 429, with `Retry-After` if given.
    TooManyRequests {
        /// Seconds to wait.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The answer is Graph's throttling, which comes with HTTP 400 or 403 and code 4, 17, 32 or 613 \[doc\].
    GraphThrottle {
        /// The HTTP status.
        status: u16,
        /// Graph's code.
        code: i64,
    },
    /// The token counts as expired: 401 with Graph code 190.
    TokenExpired,
    /// The request waits, then is served.
    Delay {
        /// Milliseconds to wait.
        ms: u64,
    },
    /// The request is served, and the connection closed without an answer.
    EffectThenDrop,
    /// The request is served, but this answer is given instead of its own.
    EffectThenAnswer(SimulatedReply),
    /// The request is served, but the answer is late.
    EffectThenDelay {
        /// Milliseconds to wait.
        ms: u64,
    },
}

impl FaultEffect {
    /// Nothing is done, and the answer has this status and an error body of the configured shape.
    pub fn status(status: u16) -> Self {
        Self::Answer(SimulatedReply::status(status))
    }

    pub(crate) fn delay_before(&self) -> Duration {
        match self {
            Self::Delay { ms } => Duration::from_millis(*ms),
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn delay_after(&self) -> Duration {
        match self {
            Self::EffectThenDelay { ms } => Duration::from_millis(*ms),
            _ => Duration::ZERO,
        }
    }
}

/// The faults that are waiting for their requests.
#[derive(Debug, Default)]
pub(crate) struct ArmedFaults(Vec<ArmedFault>);

#[derive(Debug)]
struct ArmedFault {
    fault: TargetFault,
    until: Option<Instant>,
}

impl ArmedFaults {
    pub(crate) fn arm(&mut self, fault: TargetFault, until: Option<Instant>) {
        self.0.push(ArmedFault { fault, until });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(
        &mut self,
        call: &ReceivedRequest,
        users: &[String],
        now: Instant,
    ) -> Option<FaultEffect> {
        self.0.retain(|armed| armed.fault.times > 0 && armed.until.is_none_or(|until| now < until));
        let fault = self
            .0
            .iter_mut()
            .map(|armed| &mut armed.fault)
            .find(|fault| fault.matches.covers(call, users))?;
        if fault.times != TargetFault::ALWAYS {
            fault.times -= 1;
        }
        Some(fault.effect.clone())
    }
}
