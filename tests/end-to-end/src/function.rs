//! A function: JSON in, JSON or an error out.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::Value;

type Invoke = dyn Fn(Value) -> BoxFuture<'static, anyhow::Result<Value>> + Send + Sync;

/// A function that a test invokes.
#[derive(Clone)]
pub struct LambdaFunction(Arc<Invoke>);

impl LambdaFunction {
    /// A handler in the test's process.
    pub fn in_process<F, Answer>(handler: F) -> Self
    where
        F: Fn(Value) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = anyhow::Result<Value>> + Send + 'static,
    {
        Self(Arc::new(move |event| handler(event).boxed()))
    }

    /// The function with this name behind Lambda's invoke API at `endpoint` (`http://127.0.0.1:PORT`). A later answer
    /// counts as lost.
    pub fn at(endpoint: &str, name: &str, timeout: Duration) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(timeout).build()?;
        let url = format!("{endpoint}/2015-03-31/functions/{name}/invocations");
        Ok(Self::in_process(move |event| invoke(client.clone(), url.clone(), event)))
    }

    /// Invokes the function. An error is the function's own, or a missing answer.
    pub async fn invoke(&self, event: Value) -> anyhow::Result<Value> {
        (self.0)(event).await
    }
}

async fn invoke(client: reqwest::Client, url: String, event: Value) -> anyhow::Result<Value> {
    let answer = client.post(&url).json(&event).send().await?;
    let status = answer.status();
    // Lambda marks a failed function with a header, the emulator with a status.
    let failed = !status.is_success() || answer.headers().contains_key("x-amz-function-error");
    let body = answer.text().await?;
    if failed {
        bail!("{url} failed with {status}: {body}");
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&body)
        .with_context(|| format!("{url} answered with something else than JSON: {body}"))
}
