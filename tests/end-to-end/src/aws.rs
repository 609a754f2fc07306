//! Queues and secrets in moto, an implementation of AWS's services that is not ours.

use std::{
    collections::HashMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, bail};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{
    config::{Credentials, SharedCredentialsProvider},
    types::QueueAttributeName,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    background::BackgroundRuntime,
    owned_process::OwnedProcess,
    ports,
    queue_depth::{QueueDepth, queue_depth},
    tools::python_tool,
    wait,
};

/// Only a failure takes this long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Attempts with another port, when another process takes the first one.
const ATTEMPTS: u32 = 5;
const REGION: &str = "eu-west-1";
/// moto accepts every access key.
const KEY: &str = "test";

/// A moto server on a free loopback port, with everything in memory. It ends on drop.
pub struct Aws {
    background: BackgroundRuntime,
    /// Before the directory: fields drop in order.
    _process: OwnedProcess,
    _dir: TempDir,
    endpoint: String,
}

/// A queue and its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrls {
    /// The queue.
    pub url: String,
    /// URL of the dead-letter queue.
    pub dead_letters: String,
}

/// The server that all tests of a run share: each test uses queues and secrets of its own.
pub fn aws() -> &'static Aws {
    static AWS: OnceLock<Aws> = OnceLock::new();
    AWS.get_or_init(|| Aws::start().unwrap())
}

impl Aws {
    /// Starts the server and waits until it answers.
    pub fn start() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("moto-").tempdir().context("no directory for moto")?;
        let background = BackgroundRuntime::start("moto-client")?;
        for attempt in 1.. {
            let port = ports::free()?;
            match launch(&dir, port) {
                Ok(process) => {
                    let endpoint = format!("http://{}", SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
                    return Ok(Self { background, _process: process, _dir: dir, endpoint });
                }
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(_) => {}
            }
        }
        bail!("no attempt was made to start moto")
    }

    /// `http://127.0.0.1:PORT`, for all services.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Configuration of an SDK client for this server; nothing is read from the environment or from files.
    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(without_proxy())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                KEY, KEY, None, None, "moto",
            )))
            .retry_config(RetryConfig::standard())
            .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build())
            .build()
    }

    /// Variables that direct a program's AWS clients to this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", KEY),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Creates a queue with this visibility timeout. A message that was received `max_receives` times goes to the
    /// dead-letter queue `NAME-dead`.
    pub fn create_queue(
        &self,
        name: &str,
        visibility_timeout_seconds: u32,
        max_receives: u32,
    ) -> anyhow::Result<QueueUrls> {
        let client = self.sqs();
        let name = name.to_owned();
        self.background.wait_for(async move {
            let create = async |name: &str, attributes| {
                let created =
                    client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
                let url = created.with_context(|| format!("the queue {name} can't be created"))?.queue_url;
                url.context("a queue without a URL")
            };
            let dead_letters = create(&format!("{name}-dead"), HashMap::new()).await?;
            let described = client
                .get_queue_attributes()
                .queue_url(&dead_letters)
                .attribute_names(QueueAttributeName::QueueArn)
                .send()
                .await
                .context("the dead-letter queue can't be described")?;
            let arn = described.attributes.unwrap_or_default().remove(&QueueAttributeName::QueueArn);
            let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receives });
            let attributes = HashMap::from([
                (QueueAttributeName::VisibilityTimeout, visibility_timeout_seconds.to_string()),
                (QueueAttributeName::RedrivePolicy, redrive.to_string()),
            ]);
            Ok(QueueUrls { url: create(&name, attributes).await?, dead_letters })
        })
    }

    /// Number of messages in a queue.
    pub fn queue_depth(&self, url: &str) -> anyhow::Result<QueueDepth> {
        let (client, url) = (self.sqs(), url.to_owned());
        self.background.wait_for(async move { queue_depth(&client, &url).await })
    }

    /// Deletes up to ten messages, and returns their bodies.
    pub fn take_messages(&self, url: &str) -> anyhow::Result<Vec<String>> {
        let (client, url) = (self.sqs(), url.to_owned());
        self.background.wait_for(async move {
            let received = client.receive_message().queue_url(&url).max_number_of_messages(10).send().await?;
            let mut bodies = Vec::new();
            for message in received.messages.unwrap_or_default() {
                client
                    .delete_message()
                    .queue_url(&url)
                    .set_receipt_handle(message.receipt_handle)
                    .send()
                    .await?;
                bodies.extend(message.body);
            }
            Ok(bodies)
        })
    }

    /// Creates a secret with this JSON.
    pub fn create_secret(&self, name: &str, content: &Value) -> anyhow::Result<()> {
        let request = self.secrets().create_secret().name(name).secret_string(content.to_string());
        self.background.wait_for(async move { Ok(request.send().await.map(|_| ())?) })
    }

    /// Stores a new current version of a secret.
    pub fn rotate_secret(&self, name: &str, content: &Value) -> anyhow::Result<()> {
        let request = self.secrets().put_secret_value().secret_id(name).secret_string(content.to_string());
        self.background.wait_for(async move { Ok(request.send().await.map(|_| ())?) })
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk_config())
    }

    fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.sdk_config())
    }
}

fn launch(dir: &TempDir, port: u16) -> anyhow::Result<OwnedProcess> {
    let log = dir.path().join("moto.log");
    let output = File::create(&log)?;
    let mut process = OwnedProcess::start_in(
        dir.path(),
        Command::new(python_tool("python")?)
            .args(["-c", include_str!("moto.py"), "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(output.try_clone()?)
            .stderr(output),
    )
    .context("cannot start moto")?;
    // moto listens only when it is ready.
    let ready = wait::until(TIMEOUT, || match process.ended() {
        Some(status) => Some(Err(anyhow::anyhow!("moto ended with {status}"))),
        None => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(Ok(())),
    });
    let ready = ready.unwrap_or_else(|| Err(anyhow::anyhow!("moto doesn't answer after {TIMEOUT:?}")));
    ready.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    Ok(process)
}

/// A proxy from the environment must not be used for loopback.
#[expect(deprecated, reason = "the versions that replace it take a proxy from the environment")]
fn without_proxy() -> BehaviorVersion {
    BehaviorVersion::v2025_01_17()
}
