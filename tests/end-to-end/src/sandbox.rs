//! One copy of a function: what Lambda does around the process.
//!
//! The copy reaches the emulator's Runtime API through this proxy, which corrects two differences from Lambda. The
//! deadline is a time in the future (the emulator always answers "600000", in 1970), and a process that is still busy
//! then is killed. An invocation of a process that died is answered with an error at once, and a new process is
//! started; the emulator would never answer.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, request::Parts},
    response::Response,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::owned_process::OwnedProcess;

const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
const DEADLINE: &str = "lambda-runtime-deadline-ms";
const NEXT: &str = "/2018-06-01/runtime/invocation/next";
/// The largest answer that Lambda takes is 6 MB.
const LARGEST_ANSWER: usize = 6 << 20;
/// Interval between two checks of the process.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// Program, environment and limits of a copy.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// The function's name.
    pub name: String,
    /// Its program.
    pub binary: PathBuf,
    /// Environment, without Lambda's own variables.
    pub environment: Vec<(String, String)>,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Log file.
    pub log: PathBuf,
    /// The emulator's Runtime API for this function.
    pub runtime_api: String,
}

/// One copy, restarted whenever its process ends.
pub struct Sandbox {
    setup: SandboxOptions,
    client: reqwest::Client,
    state: Mutex<SandboxState>,
}

/// State of the current process.
#[derive(Default)]
struct SandboxState {
    process_id: Option<u32>,
    launched: Option<Instant>,
    /// Time from launch to the first request for an invocation.
    init: Option<Duration>,
    at_work: Option<BusyWith>,
}

#[derive(Clone)]
struct BusyWith {
    request_id: String,
    deadline: Instant,
}

/// End of a process.
enum ProcessEnd {
    Exited(ExitStatus),
    TimedOut,
}

impl Sandbox {
    pub fn new(setup: SandboxOptions) -> anyhow::Result<Self> {
        // Without a timeout: an idle copy waits for an invocation without limit.
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { setup, client, state: Mutex::default() })
    }

    /// Id of the running process.
    pub fn process_id(&self) -> Option<u32> {
        self.state().process_id
    }

    /// Start time of the running process, once it is ready.
    pub fn init(&self) -> Option<Duration> {
        self.state().init
    }

    /// Whether the process handles an invocation.
    pub fn is_busy(&self) -> bool {
        self.state().at_work.is_some()
    }

    /// Runs the copy until it can't be started.
    pub async fn run(self: Arc<Self>) -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&self));
        let serve = async { axum::serve(listener, router).await.context("the Runtime API failed") };
        let keep_running = async {
            loop {
                let mut process = self.launch(address)?;
                let end = self.watch(&mut process).await;
                drop(process);
                self.report(end).await;
            }
        };
        futures::future::try_join(serve, keep_running).await.map(|((), ())| ())
    }

    fn launch(&self, runtime_api: SocketAddr) -> anyhow::Result<OwnedProcess> {
        let SandboxOptions { name, binary, environment, log, .. } = &self.setup;
        let output = File::options().create(true).append(true).open(log)?;
        let launched = Instant::now();
        let process = OwnedProcess::start(
            Command::new(binary)
                .env_clear()
                .envs(environment.iter().map(|(name, value)| (name, value)))
                .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
                .env("AWS_LAMBDA_FUNCTION_NAME", name)
                .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
                .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
                .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
                .stdout(output.try_clone()?)
                .stderr(output),
        )
        .with_context(|| format!("cannot start {}", binary.display()))?;
        *self.state() = SandboxState {
            process_id: Some(process.id()),
            launched: Some(launched),
            ..SandboxState::default()
        };
        Ok(process)
    }

    async fn watch(&self, process: &mut OwnedProcess) -> ProcessEnd {
        loop {
            if let Some(status) = process.ended() {
                return ProcessEnd::Exited(status);
            }
            if self.state().at_work.as_ref().is_some_and(|work| Instant::now() > work.deadline) {
                return ProcessEnd::TimedOut;
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }

    /// Answers the invocation of a process that ended. A process that never became ready fails the next invocation,
    /// as on Lambda; only then a new one is started.
    async fn report(&self, end: ProcessEnd) {
        let SandboxState { init, at_work, .. } = std::mem::take(&mut *self.state());
        let request_id = match at_work {
            Some(work) => Some(work.request_id),
            None if init.is_some() => None,
            None => self.next_request_id().await,
        };
        let Some(request_id) = request_id else { return };
        let (kind, message) = match end {
            ProcessEnd::Exited(status) => {
                ("Runtime.ExitError", format!("Runtime exited with error: {status}"))
            }
            ProcessEnd::TimedOut => (
                "Sandbox.Timedout",
                format!("Task timed out after {:.2} seconds", self.setup.timeout.as_secs_f64()),
            ),
        };
        let body =
            json!({ "errorType": kind, "errorMessage": format!("RequestId: {request_id} Error: {message}") });
        let url = format!("{}/2018-06-01/runtime/invocation/{request_id}/error", self.setup.runtime_api);
        // The caller may have given up already.
        let _ = self.client.post(url).json(&body).send().await;
    }

    async fn next_request_id(&self) -> Option<String> {
        let next = self.client.get(format!("{}{NEXT}", self.setup.runtime_api)).send().await.ok()?;
        Some(next.headers().get(REQUEST_ID)?.to_str().ok()?.to_owned())
    }

    /// The process requests an invocation.
    async fn next(&self) -> reqwest::Result<Response> {
        {
            let mut state = self.state();
            state.at_work = None;
            state.init = state.init.or(state.launched.map(|launched| launched.elapsed()));
        }
        let answer = self.client.get(format!("{}{NEXT}", self.setup.runtime_api)).send().await?;
        let status = answer.status();
        let mut headers = answer.headers().clone();
        let body = answer.bytes().await?;
        if let Some(request_id) = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok())
            && status == StatusCode::OK
        {
            let deadline = Instant::now() + self.setup.timeout;
            self.state().at_work = Some(BusyWith { request_id: request_id.to_owned(), deadline });
            headers.insert(DEADLINE, HeaderValue::from(milliseconds_since_1970(self.setup.timeout)));
        }
        Ok(response(status, headers, body))
    }

    /// The process answers an invocation, or sends another request.
    async fn forward(&self, parts: Parts, body: Bytes) -> reqwest::Result<Response> {
        if parts.method == Method::POST {
            self.state().at_work = None;
        }
        let url = format!("{}{}", self.setup.runtime_api, parts.uri.path());
        let answer = self.client.request(parts.method, url).headers(parts.headers).body(body).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(response(status, headers, answer.bytes().await?))
    }

    fn state(&self) -> MutexGuard<'_, SandboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass_on(State(sandbox): State<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = if parts.uri.path() == NEXT {
        sandbox.next().await
    } else {
        match to_bytes(body, LARGEST_ANSWER).await {
            Ok(body) => sandbox.forward(parts, body).await,
            Err(_) => return failed(StatusCode::PAYLOAD_TOO_LARGE),
        }
    };
    answer.unwrap_or_else(|_| failed(StatusCode::BAD_GATEWAY))
}

fn response(status: StatusCode, headers: reqwest::header::HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    // These headers describe the other connection.
    for name in ["connection", "transfer-encoding", "content-length"] {
        response.headers_mut().remove(name);
    }
    response
}

fn failed(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[expect(
    clippy::disallowed_methods,
    reason = "a deadline is a moment of the real clock, which the function reads too"
)]
fn milliseconds_since_1970(from_now: Duration) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from((now + from_now).as_millis()).unwrap_or(u64::MAX)
}
