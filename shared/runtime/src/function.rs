//! What a Lambda function is to the rest of the program: something that is handed events until it is stopped.

use std::sync::Arc;

use lambda_runtime::{Context, Diagnostic, LambdaEvent, service_fn};
use model::UnixSeconds;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::environment::MissingVariable;
use crate::{ConfigError, metrics};

/// Why the runtime itself ended.
pub type RuntimeError = lambda_runtime::Error;

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its id. An event that Lambda tries again has the same.
    pub request_id: String,
    /// When the function is stopped, whatever it is doing.
    pub deadline: UnixSeconds,
    /// The function itself, as somebody names it who invokes it.
    pub function: String,
    /// The X-Ray trace that it belongs to, to be logged.
    pub trace: Option<String>,
}

impl Invocation {
    fn of(context: &Context) -> Self {
        Self {
            request_id: context.request_id.clone(),
            trace: context.xray_trace_id.clone(),
            deadline: UnixSeconds(i64::try_from(context.deadline / 1000).unwrap_or(i64::MAX)),
            // With its alias, where it has one. An emulator may know no ARNs.
            function: match context.invoked_function_arn.starts_with("arn:") {
                true => context.invoked_function_arn.clone(),
                false => context.env_config.function_name.clone(),
            },
        }
    }
}

/// Why an invocation failed, as its caller and the alarms see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// A word that stays the same: `BadConfiguration`, `BadEvent`, `ScanFailed` …
    pub kind: &'static str,
    /// The whole story in one line.
    pub message: String,
}

impl FunctionError {
    /// An error of this kind, with all its causes.
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

/// Reads an event; `shape` shows what it should look like.
pub fn parse_event<T: DeserializeOwned>(event: Value, shape: &str) -> Result<T, FunctionError> {
    serde_json::from_value(event).map_err(|error| FunctionError {
        kind: "BadEvent",
        message: format!("the event should look like {shape}: {error}"),
    })
}

/// Serves invocations until the process is stopped. A function that could not start answers each of them with the
/// reason; were it to end instead, its caller would hear of an exit code.
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
        // In a box, because the types of a whole program's futures are more than the compiler will nest.
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
