//! The Lambda runtime: events in, results out.

use std::sync::Arc;

use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use model::UnixSeconds;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::environment::MissingVariable;
use crate::{ConfigError, metrics};

/// A failure of the runtime itself.
pub type RuntimeError = lambda_runtime::Error;

/// One invocation of the function.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Request id. A retry by Lambda has the same id.
    pub request_id: String,
    /// Time at which Lambda stops the function.
    pub deadline: UnixSeconds,
    /// ARN or name of the function, for its own invocation.
    pub function: String,
    /// X-Ray trace, for logs.
    pub trace: Option<String>,
}

impl Invocation {
    fn of(context: &Context) -> Self {
        Self {
            request_id: context.request_id.clone(),
            trace: context.xray_trace_id.clone(),
            deadline: UnixSeconds(i64::try_from(context.deadline / 1000).unwrap_or(i64::MAX)),
            // The ARN includes the alias. An emulator may send no ARN.
            function: match context.invoked_function_arn.starts_with("arn:") {
                true => context.invoked_function_arn.clone(),
                false => context.env_config.function_name.clone(),
            },
        }
    }
}

/// A failed invocation, as the caller and the alarms see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// Stable word: `BadConfiguration`, `BadEvent`, `ScanFailed` …
    pub kind: &'static str,
    /// The error and its causes, in one line.
    pub message: String,
}

impl FunctionError {
    /// An error of this kind with all its causes.
    pub fn new(kind: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self { kind, message }
    }
}

impl From<FunctionError> for Diagnostic {
    fn from(FunctionError { kind, message }: FunctionError) -> Self {
        Self { error_type: kind.to_owned(), error_message: message }
    }
}

impl From<MissingVariable> for FunctionError {
    fn from(error: MissingVariable) -> Self {
        Self::new("BadEnvironment", &error)
    }
}

impl From<ConfigError> for FunctionError {
    fn from(error: ConfigError) -> Self {
        Self::new("BadConfiguration", &error)
    }
}

/// Parses an event; `shape` is an example for the error message. A member that is null counts as left out.
pub fn parse_event<T: DeserializeOwned>(mut event: Value, shape: &str) -> Result<T, FunctionError> {
    if let Value::Object(members) = &mut event {
        members.retain(|_, value| !value.is_null());
    }
    serde_json::from_value(event).map_err(|error| FunctionError {
        kind: "BadEvent",
        message: format!("the event is invalid: {}; expected {shape}", shortened(&error.to_string())),
    })
}

/// The beginning of a text from an event, for a message. An event may have 256 KB.
pub fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Serves invocations until the process is stopped. A function that could not start returns the reason to each
/// invocation; if it exited, the caller would see an exit code only.
pub async fn serve<Function, Answer, Handler, Answering>(
    started: Result<Function, FunctionError>,
    handler: Handler,
) -> Result<(), RuntimeError>
where
    Answer: Serialize,
    Handler: Fn(Arc<Function>, Value, Invocation) -> Answering,
    Answering: Future<Output = Result<Answer, FunctionError>>,
{
    metrics::start();
    let started = started.map(Arc::new);
    let handle = |event: LambdaEvent<Value>| {
        let invocation = Invocation::of(&event.context);
        // Boxed, because the nested future types exceed a limit of the compiler.
        let answering =
            started.clone().map(|function| Box::pin(handler(function, event.payload, invocation)));
        async move {
            let answer = match answering {
                Ok(answering) => answering.await,
                Err(error) => Err(error),
            };
            metrics::flush();
            answer.map_err(Diagnostic::from)
        }
    };
    lambda_runtime::run(service_fn(handle)).await
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct TestEvent {
        connection: Option<String>,
        dry_run: bool,
    }

    #[test]
    fn null_member_counts_as_left_out() {
        let parsed = parse_event(json!({ "connection": null, "dry_run": null }), "{}");
        assert_eq!(parsed, Ok(TestEvent::default()));
    }

    #[test]
    fn message_about_an_event_is_short() {
        let event = json!({ "x".repeat(250_000): 1 });
        let error = parse_event::<TestEvent>(event, "{}").unwrap_err();
        assert!(error.message.len() < 400 && error.message.contains("unknown field"), "{}", error.message);
        assert_eq!(shortened("corp"), "corp");
    }
}
