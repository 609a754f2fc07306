//! A running `provisioner console`, and requests that no browser would send.

use anyhow::Context as _;
use reqwest::{Client, Method, StatusCode, header::HeaderMap, redirect::Policy};
use serde_json::Value;

use crate::{ProgramCall, ProgramOutput, RunningProgram, wait};

/// A running console. It is killed on drop.
pub struct ConsoleProcess {
    process: RunningProgram,
    client: Client,
    url: String,
}

/// An answer of the console.
#[derive(Debug)]
pub struct ConsoleResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl ConsoleProcess {
    /// Starts `provisioner console --json …`, and waits for its address.
    pub fn start(invocation: ProgramCall) -> anyhow::Result<Self> {
        let (process, line) = invocation.start_and_read_line()?;
        let said: Value =
            serde_json::from_str(&line).with_context(|| format!("the console says {line:?}"))?;
        let url = said["url"].as_str().context("the console does not say where it is")?.to_owned();
        // Each request has its own runtime, so no connection is reused.
        let client =
            Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).build()?;
        Ok(Self { process, client, url })
    }

    /// The printed address, which contains the key.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The printed address without the path: scheme, host and port.
    pub fn origin(&self) -> &str {
        self.url.trim_end_matches('/').rsplit_once('/').map_or(self.url.as_str(), |(origin, _)| origin)
    }

    /// The path of a page, with the key: the page `users` is at `/KEY/users`.
    pub fn path(&self, page: &str) -> String {
        format!("{}{page}", self.url.strip_prefix(self.origin()).unwrap_or_default())
    }

    /// The address of a page.
    pub fn address(&self, page: &str) -> String {
        format!("{}{page}", self.url)
    }

    /// A page, requested with the key.
    pub fn page(&self, page: &str) -> anyhow::Result<ConsoleResponse> {
        self.ask((Method::GET, &self.path(page)), &[], None)
    }

    /// Sends a request with exactly these headers, without following redirects.
    pub fn ask(
        &self,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        form: Option<&str>,
    ) -> anyhow::Result<ConsoleResponse> {
        wait::block_on(|| async move {
            let mut request = self.client.request(method, format!("{}{path}", self.origin()));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(form) = form {
                let kind = ("content-type", "application/x-www-form-urlencoded");
                request = request.header(kind.0, kind.1).body(form.to_owned());
            }
            let answer = request.send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok(ConsoleResponse { status, headers, text: answer.text().await? })
        })
    }

    /// Sends SIGINT, and waits for the console's end.
    pub fn interrupt(self) -> anyhow::Result<ProgramOutput> {
        self.process.interrupt()?;
        self.process.finish()
    }
}
