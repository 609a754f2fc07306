//! A running `provisioner console`, and requests to it that no browser would make.

use anyhow::{Context as _, ensure};
use reqwest::{
    Client, Method, StatusCode,
    header::{HeaderMap, SET_COOKIE},
    redirect::Policy,
};
use serde_json::Value;

use crate::{ProgramCall, ProgramOutput, RunningProgram, wait};

/// A console that answers. It is killed when this is dropped.
pub struct ConsoleProcess {
    process: RunningProgram,
    client: Client,
    url: String,
}

/// What it answered.
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
    /// Starts `provisioner console --json …`, and waits until it says where it is.
    pub fn start(invocation: ProgramCall) -> anyhow::Result<Self> {
        let (process, line) = invocation.start_and_read_line()?;
        let said: Value =
            serde_json::from_str(&line).with_context(|| format!("the console says {line:?}"))?;
        let url = said["url"].as_str().context("the console does not say where it is")?.to_owned();
        // Each request has a runtime of its own, which no connection outlives.
        let client =
            Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0).build()?;
        Ok(Self { process, client, url })
    }

    /// The address that it printed, which holds the key.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same without the key, and without a path.
    pub fn base(&self) -> &str {
        self.url.split_once("/?").map_or(self.url.as_str(), |(base, _)| base)
    }

    /// The cookie that the printed address is exchanged for.
    pub fn cookie(&self) -> anyhow::Result<String> {
        let answer =
            self.ask(Method::GET, self.url.strip_prefix(self.base()).unwrap_or_default(), &[], None)?;
        ensure!(answer.status == StatusCode::SEE_OTHER, "the printed address does not open: {answer:?}");
        let cookie = answer.headers.get(SET_COOKIE).context("no cookie")?.to_str()?;
        Ok(cookie.split(';').next().unwrap_or_default().to_owned())
    }

    /// A page, as somebody with the cookie sees it.
    pub fn page(&self, path: &str) -> anyhow::Result<ConsoleResponse> {
        self.ask(Method::GET, path, &[("cookie", &self.cookie()?)], None)
    }

    /// Asks with exactly these headers, and follows nothing.
    pub fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        form: Option<&str>,
    ) -> anyhow::Result<ConsoleResponse> {
        wait::block_on(|| async move {
            let mut request = self.client.request(method, format!("{}{path}", self.base()));
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

    /// Presses Ctrl-C, and waits for its end.
    pub fn interrupt(self) -> anyhow::Result<ProgramOutput> {
        self.process.interrupt()?;
        self.process.finish()
    }
}
