//! State of the simulator, and the handling of one request.
//!
//! A request takes effect and is logged in one step, so the log has the order of the effects.

use std::time::{Duration, Instant};

use crate::{
    accounts::AccountTable,
    call::ReceivedRequest,
    discovery,
    faults::{ArmedFaults, FaultEffect},
    filter::Comparison,
    options::SimulatorOptions,
    proof,
    reply::{Refusal, ReplyBody, SimulatedReply},
    requests::RecordedRequest,
    schema,
    users::{self, ServedRequest},
};

#[derive(Debug, Default)]
pub(crate) struct SimulatorState {
    pub(crate) options: SimulatorOptions,
    pub(crate) accounts: AccountTable,
    pub(crate) requests: Vec<RecordedRequest>,
    pub(crate) faults: ArmedFaults,
    pub(crate) latency: Duration,
    /// Recent delay of the timer.
    pub(crate) late: Duration,
}

impl SimulatorState {
    /// Fault that applies to this request.
    pub(crate) fn take_fault(&mut self, call: &ReceivedRequest, now: Instant) -> Option<FaultEffect> {
        if self.faults.is_empty() {
            return None;
        }
        let users = self.users_of(call);
        self.faults.take(call, &users, now)
    }

    /// Serves the request as the fault allows; `None` means that the connection is cut.
    pub(crate) fn serve(
        &mut self,
        call: &ReceivedRequest,
        fault: Option<FaultEffect>,
    ) -> Option<SimulatedReply> {
        let (reply, changed) = match fault {
            Some(FaultEffect::Answer(reply)) => (Some(self.dress(reply)), false),
            Some(FaultEffect::Ignore) => (Some(self.unchanged(call)), false),
            Some(FaultEffect::EffectThenPartial) => {
                let ServedRequest { reply, changed } = self.perform(call);
                (Some(reply.partial()), changed)
            }
            Some(FaultEffect::Drop) => (None, false),
            Some(FaultEffect::TooManyRequests { retry_after }) => {
                let reply = Refusal::new(429, "too many requests").reply(self.options.error_shape);
                let reply = SimulatedReply { retry_after, ..reply };
                (Some(reply), false)
            }
            Some(FaultEffect::GraphThrottle { status, code }) => {
                let refusal = Refusal::graph_throttle(status, code);
                (Some(refusal.reply(self.options.error_shape)), false)
            }
            Some(FaultEffect::TokenExpired) => {
                let refusal = Refusal::token();
                (Some(refusal.reply(self.options.error_shape)), false)
            }
            Some(FaultEffect::EffectThenDrop) => (None, self.perform(call).changed),
            Some(FaultEffect::EffectThenAnswer(reply)) => {
                (Some(self.dress(reply)), self.perform(call).changed)
            }
            None | Some(FaultEffect::Delay { .. } | FaultEffect::EffectThenDelay { .. }) => {
                let outcome = self.perform(call);
                (Some(outcome.reply), outcome.changed)
            }
        };
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        self.record(call, status, changed);
        reply
    }

    fn perform(&mut self, call: &ReceivedRequest) -> ServedRequest {
        let shape = self.options.error_shape;
        self.route(call)
            .unwrap_or_else(|refusal| ServedRequest { reply: refusal.reply(shape), changed: false })
    }

    fn route(&mut self, call: &ReceivedRequest) -> Result<ServedRequest, Refusal> {
        let Self { options, accounts, requests, .. } = self;
        if !call.has_user_agent {
            return Err(Refusal::new(options.no_user_agent_status, "the header User-Agent is missing"));
        }
        if call.bearer.as_ref() != Some(&options.token) {
            return Err(Refusal::token());
        }
        proof::check(call, options)?;
        if call.is_write() {
            check_write_limit(requests, options, call.at)?;
        }
        match (call.method.as_str(), call.segments(options.product).as_slice()) {
            ("GET", ["Users"]) => users::list(call, accounts, options),
            ("POST", ["Users"]) => users::create(call, accounts, options),
            ("GET", ["Users", id]) => users::read(id, accounts, options),
            ("PUT", ["Users", id]) => users::put(id, call, accounts, options),
            ("PATCH", ["Users", id]) => users::patch(id, call, accounts, options),
            ("DELETE", ["Users", id]) => users::delete(id, accounts, options),
            ("GET", ["ServiceProviderConfigs"]) if !options.product.is_plain() => {
                Ok(ServedRequest::read(discovery::service_provider_config(options)))
            }
            // RFC 7644, section 4.
            ("GET", ["ServiceProviderConfig"]) if options.product.is_plain() => {
                Ok(ServedRequest::read(discovery::service_provider_config(options)))
            }
            ("GET", ["Schemas", "Users"]) => Ok(ServedRequest::read(schema::describe(options.product))),
            (method, ["Users"] | ["Users", _]) => {
                Err(Refusal::new(405, format!("{method} is not supported here")))
            }
            _ => Err(Refusal::new(404, format!("there is no {}", call.path))),
        }
    }

    /// Success for a request that is not executed.
    fn unchanged(&self, call: &ReceivedRequest) -> SimulatedReply {
        let account = match call.segments(self.options.product).as_slice() {
            ["Users", id] if call.method != "DELETE" => users::read(id, &self.accounts, &self.options).ok(),
            _ => None,
        };
        let empty = || SimulatedReply::status(204).content(ReplyBody::Empty);
        account.map_or_else(empty, |read| read.reply)
    }

    fn dress(&self, reply: SimulatedReply) -> SimulatedReply {
        let ReplyBody::Error = reply.content else {
            return reply;
        };
        let error = Refusal::new(reply.status, "an injected fault").reply(self.options.error_shape);
        SimulatedReply { content: error.content, ..reply }
    }

    fn record(&mut self, call: &ReceivedRequest, status: u16, changed: bool) {
        self.requests.push(RecordedRequest {
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            status,
            write: call.is_write(),
            changed,
            body: call.json().cloned(),
            at: call.at,
        });
    }

    /// Lower-case user names in the filter, the body and the path of a request.
    fn users_of(&self, call: &ReceivedRequest) -> Vec<String> {
        let filter = call.query.get("filter").and_then(|f| Comparison::parse(f));
        let filtered = filter.as_ref().and_then(|filter| filter.value.as_str());
        let sent = call.json().and_then(|body| body.get("userName")?.as_str());
        let holder = match call.segments(self.options.product).as_slice() {
            ["Users", id] => id.parse().ok().and_then(|id| self.accounts.get(id)),
            _ => None,
        };
        [filtered, sent, holder.and_then(|account| account.user_name())]
            .into_iter()
            .flatten()
            .map(str::to_lowercase)
            .collect()
    }
}

/// Refuses writes beyond the limit per minute.
fn check_write_limit(
    requests: &[RecordedRequest],
    options: &SimulatorOptions,
    now: Duration,
) -> Result<(), Refusal> {
    const MINUTE: Duration = Duration::from_secs(60);
    let Some(most) = options.writes_per_minute else { return Ok(()) };
    let lately = requests.iter().rev().take_while(|request| now.saturating_sub(request.at) < MINUTE);
    let mut written = lately.filter(|request| request.write && request.status != 429);
    match written.nth(most.saturating_sub(1)) {
        Some(first) => {
            let wait = MINUTE.saturating_sub(now.saturating_sub(first.at));
            Err(Refusal::too_many(wait.as_secs() + 1))
        }
        None => Ok(()),
    }
}
