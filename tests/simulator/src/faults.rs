//! Injected faults.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::{call::ReceivedRequest, reply::SimulatedReply};

/// Fault for the next matching requests.
///
/// Faults are tried in the order of injection; the first match applies and its count decreases.
#[derive(Clone, Debug, Deserialize)]
pub struct TargetFault {
    /// Requests to which the fault applies.
    #[serde(default)]
    pub matches: FaultMatch,
    /// Number of requests; [`TargetFault::ALWAYS`] for all.
    #[serde(default = "once")]
    pub times: usize,
    /// Effect on these requests.
    pub effect: FaultEffect,
}

fn once() -> usize {
    1
}

impl TargetFault {
    /// Value of `times` that lasts until the faults are cleared.
    pub const ALWAYS: usize = usize::MAX;

    /// Fault for the next request.
    pub fn once(effect: FaultEffect) -> Self {
        Self::times(1, effect)
    }

    /// Fault for the next requests.
    pub fn times(times: usize, effect: FaultEffect) -> Self {
        Self { matches: FaultMatch::default(), times, effect }
    }

    /// Fault for all requests until the faults are cleared.
    pub fn always(effect: FaultEffect) -> Self {
        Self::times(Self::ALWAYS, effect)
    }

    /// Only requests with this method.
    pub fn method(mut self, method: &str) -> Self {
        self.matches.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path starts with this, or is this if it ends with `$`.
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

/// Requests to which a fault applies; an absent condition matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultMatch {
    /// The method, such as `PUT`, in any case.
    #[serde(default)]
    pub method: Option<String>,
    /// Start of the path, such as `/Users/`; the whole path if it ends with `$`, such as `/Users$`.
    #[serde(default)]
    pub path: Option<String>,
    /// The `userName` in the filter, in the body, or of the account in the path.
    #[serde(default)]
    pub user: Option<String>,
}

impl FaultMatch {
    /// `users` are the user names of the request.
    fn covers(&self, call: &ReceivedRequest, users: &[String]) -> bool {
        let Self { method, path, user } = self;
        let method = method.as_ref();
        let path = path.as_ref();
        let user = user.as_ref().map(|user| user.to_lowercase());
        method.is_none_or(|method| method.eq_ignore_ascii_case(&call.method))
            && path.is_none_or(|path| match path.strip_suffix('$') {
                Some(whole) => call.path == whole,
                None => call.path.starts_with(path.as_str()),
            })
            && user.is_none_or(|user| users.contains(&user))
    }
}

/// Effect of a fault on a request.
///
/// Variants that begin with `Effect` execute the request first: a write happens without a response to the client.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultEffect {
    /// Not executed; this is the response.
    Answer(SimulatedReply),
    /// Not executed; success, with the account as it is if the path names one, else with no content.
    Ignore,
    /// Executed; the accounts in the response show their id and their `userName` alone.
    EffectThenPartial,
    /// Not executed; the connection is closed without a response.
    Drop,
    /// Not executed; 429, with `Retry-After` if given.
    TooManyRequests {
        /// Seconds to wait.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Not executed; Graph's throttling, with HTTP 400 or 403 and code 4, 17, 32 or 613 \[doc\].
    GraphThrottle {
        /// The HTTP status.
        status: u16,
        /// Graph's code.
        code: i64,
    },
    /// Not executed; expired token: 401 with Graph code 190.
    TokenExpired,
    /// Delayed, then executed.
    Delay {
        /// Milliseconds to wait.
        ms: u64,
    },
    /// Executed; the connection is closed without a response.
    EffectThenDrop,
    /// Executed; this response replaces the real one.
    EffectThenAnswer(SimulatedReply),
    /// Executed; the response is delayed.
    EffectThenDelay {
        /// Milliseconds to wait.
        ms: u64,
    },
}

impl FaultEffect {
    /// Not executed; a response with this status and an error body of the configured shape.
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

/// Injected faults that are still active.
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
