//! A deployment: both functions and everything that they use.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::Client;
use end_to_end::{
    GroupEntry, LambdaEmulator, LambdaOptions, PersonEntry, QueueFaults, QueueUrls, ServiceProxy, Slapd,
    SlapdOptions, SqsDelivery, SqsDeliveryOptions, TestConfiguration, TestDir, aws, people,
};
use serde_json::{Value, json};
use simulator::{Simulator, SimulatorOptions};
use store::{Embedded, Store, Table};
use tokio::runtime::{Builder, Runtime};

/// Longest wait for an event; only a failure takes this long.
pub const TIMEOUT: Duration = Duration::from_secs(120);

const ENDPOINT: &str = "DYNAMODB_TEST_ENDPOINT";

/// Backend of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateBackend {
    /// The embedded engine, or the endpoint in the environment.
    Engine,
    /// moto's DynamoDB.
    Moto,
}

/// Size, limits and environment of a deployment.
pub struct DeploymentOptions {
    /// People in the directory.
    pub people: usize,
    /// Members of the group, from the first person on.
    pub members: usize,
    /// Copies of `provision`.
    pub workers: usize,
    /// Copies of `scan`.
    pub scanners: usize,
    /// Visibility timeout of the queue.
    pub visibility_seconds: u32,
    /// Receives before a message becomes a dead letter.
    pub max_receives: u32,
    /// Timeout of `scan`.
    pub scan_timeout: Duration,
    /// Timeout of `provision`.
    pub provision_timeout: Duration,
    /// Where the state is.
    pub state: StateBackend,
    /// Changes the configuration.
    pub configure: fn(&mut TestConfiguration),
    /// Puts a proxy with faults between the functions and the state.
    pub state_proxy: bool,
    /// Adds the connection `berlin` with the same scope, and a target and a queue of its own.
    pub second_connection: bool,
    /// Further lines of `slapd.conf` for the database.
    pub database_lines: Vec<String>,
    /// Further variables of the functions; an empty value removes one.
    pub environment: Vec<(&'static str, String)>,
}

impl Default for DeploymentOptions {
    fn default() -> Self {
        Self {
            people: 30,
            members: 20,
            workers: 2,
            scanners: 1,
            visibility_seconds: 30,
            max_receives: 100,
            scan_timeout: Duration::from_secs(60),
            provision_timeout: Duration::from_secs(30),
            state: StateBackend::Engine,
            configure: |_| {},
            state_proxy: false,
            second_connection: false,
            database_lines: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// Target and queue of the connection `berlin`.
pub struct SecondConnection {
    pub workplace: Simulator,
    pub queue: QueueUrls,
}

/// A deployment. It ends on drop, the functions first.
pub struct DeploymentFixture {
    pub functions: LambdaEmulator,
    pub slapd: Slapd,
    pub people: Vec<PersonEntry>,
    pub workplace: Simulator,
    pub queue: QueueUrls,
    pub second: Option<SecondConnection>,
    pub table: Table,
    /// Folder of the configuration.
    pub dir: TestDir,
    pub state_endpoint: String,
    /// Proxy before the state.
    pub state_proxy: Option<ServiceProxy>,
    /// Suffix of this deployment's secrets, queues and table.
    pub number: u32,
    _engine: Option<Embedded>,
    _elsewhere: Option<RemoteTable>,
    /// Last, because the simulated Workplace runs on it.
    pub runtime: Runtime,
}

fn next_number() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// The ARN of a queue at `http://HOST/ACCOUNT/NAME`, as the mapping names it.
pub fn arn(url: &str) -> String {
    let name = url.rsplit('/').next().unwrap();
    format!("arn:aws:sqs:eu-west-1:123456789012:{name}")
}

/// A table in another service, deleted at the end of the test.
struct RemoteTable {
    client: Client,
    table: String,
    runtime: tokio::runtime::Handle,
}

impl Drop for RemoteTable {
    fn drop(&mut self) {
        let deleting = self.client.delete_table().table_name(&self.table).send();
        let runtime = self.runtime.clone();
        // Also runs while a failed test unwinds, when the runtime still exists.
        let _ = std::thread::spawn(move || drop(runtime.block_on(deleting))).join();
    }
}

impl SecondConnection {
    fn start(runtime: &Runtime, setup: &DeploymentOptions, number: u32) -> Self {
        let options = SimulatorOptions { unknown_fields: false, ..SimulatorOptions::default() };
        let workplace = runtime.block_on(Simulator::start(options)).unwrap();
        let name = format!("requests-{number}-berlin");
        let queue = aws().create_queue(&name, setup.visibility_seconds, setup.max_receives).unwrap();
        let token = json!({ "access_token": workplace.token() });
        aws().create_secret(&format!("workplace-{number}-berlin"), &token).unwrap();
        Self { workplace, queue }
    }
}

impl DeploymentFixture {
    #[expect(clippy::too_many_lines, reason = "one deployment, resource by resource")]
    pub fn start(setup: DeploymentOptions) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let number = next_number();
        let people = people::generate(setup.people, 7);
        let slapd = Slapd::start(SlapdOptions {
            groups: vec![GroupEntry::of("workplace", &people[..setup.members])],
            people: people.clone(),
            database_lines: setup.database_lines.clone(),
            ..SlapdOptions::default()
        })
        .unwrap();
        let options = SimulatorOptions { unknown_fields: false, ..SimulatorOptions::default() };
        let workplace = runtime.block_on(Simulator::start(options)).unwrap();

        let queue = aws()
            .create_queue(&format!("requests-{number}-corp"), setup.visibility_seconds, setup.max_receives)
            .unwrap();
        aws().create_secret(&format!("directory-{number}"), &slapd.reader_secret()).unwrap();
        let token = json!({ "access_token": workplace.token() });
        aws().create_secret(&format!("workplace-{number}"), &token).unwrap();

        let (engine, elsewhere, table, state_endpoint) = runtime.block_on(open_state(setup.state, number));
        let dir = TestDir::new().unwrap();
        let mut configuration = TestConfiguration::openldap(&slapd, &workplace.url());
        let from_secrets_manager = |section: &str, secret: &str| {
            let kept = section.lines().filter(|line| !line.starts_with("secret = "));
            kept.chain([format!("secret = \"secretsmanager:{secret}-{number}\"").as_str()])
                .collect::<Vec<_>>()
                .join("\n")
        };
        configuration.directory = from_secrets_manager(&configuration.directory, "directory");
        configuration.target = from_secrets_manager(&configuration.target, "workplace");
        (setup.configure)(&mut configuration);
        dir.configure(&configuration).unwrap();
        let second = setup.second_connection.then(|| {
            let second = SecondConnection::start(&runtime, &setup, number);
            let other = configuration.with_target_url(&second.workplace.url());
            let other = TestConfiguration { name: "berlin".to_owned(), ..other };
            let secret = format!("workplace-{number}");
            let target = other.target.replace(&secret, &format!("{secret}-berlin"));
            dir.configure(&TestConfiguration { target, ..other }).unwrap();
            second
        });

        let state_proxy = setup.state_proxy.then(|| ServiceProxy::start(&state_endpoint).unwrap());
        let functions_endpoint = state_proxy.as_ref().map_or(state_endpoint.as_str(), ServiceProxy::endpoint);
        let environment = function_environment(
            &setup.environment,
            functions_endpoint,
            [
                ("PROVISIONER_CONFIG", dir.path().display().to_string()),
                ("PROVISIONER_TABLE", table.name().to_owned()),
                ("PROVISIONER_QUEUE_URL_PREFIX", queue.url.trim_end_matches("corp").to_owned()),
                ("PROVISIONER_DEAD_LETTER_ARN_PREFIX", arn(&queue.dead_letters)),
                ("PROVISIONER_PROVISION_FUNCTION", "provision".to_owned()),
            ],
        );
        let function = |name: &str, copies, timeout| LambdaOptions {
            copies,
            timeout,
            ..LambdaOptions::new(name, environment.clone())
        };
        let functions = LambdaEmulator::start(vec![
            function("scan", setup.scanners, setup.scan_timeout),
            function("provision", setup.workers, setup.provision_timeout),
        ])
        .unwrap();
        Self {
            functions,
            slapd,
            people,
            workplace,
            queue,
            second,
            table,
            dir,
            state_endpoint,
            state_proxy,
            number,
            _engine: engine,
            _elsewhere: elsewhere,
            runtime,
        }
    }

    /// Invokes `scan` and returns its answer.
    #[track_caller]
    pub fn scan(&self, event: Value) -> Value {
        let answer = self.functions.invoke("scan", &event);
        answer.unwrap_or_else(|error| panic!("{error:#}\n{}", self.functions.log("scan")))
    }

    /// Error of a scan that fails.
    #[track_caller]
    pub fn failed_scan(&self, event: Value) -> String {
        self.functions.invoke("scan", &event).unwrap_err().to_string()
    }

    /// Starts the delivery to `provision`.
    pub fn delivery(&self, change: impl FnOnce(&mut SqsDeliveryOptions)) -> SqsDelivery {
        self.deliver_from(&self.queue.url, change)
    }

    /// Starts the delivery from another queue.
    pub fn deliver_from(&self, url: &str, change: impl FnOnce(&mut SqsDeliveryOptions)) -> SqsDelivery {
        let function = self.functions.function("provision").unwrap();
        let mut options = SqsDeliveryOptions {
            faults: QueueFaults::default(),
            ..SqsDeliveryOptions::new(url, aws().sdk_config(), function)
        };
        change(&mut options);
        SqsDelivery::start(options).unwrap()
    }

    /// Delivers until the queue is empty.
    #[track_caller]
    pub fn drain(&self) {
        let delivery = self.delivery(|_| {});
        if let Err(error) = delivery.drain(TIMEOUT) {
            panic!("{error:#}\n{}", self.functions.log("provision"));
        }
        delivery.stop().unwrap();
    }

    /// The connection's state.
    pub fn store(&self) -> Store {
        self.table.connection("corp")
    }

    /// Users by status, without those in sync.
    pub fn statuses(&self) -> BTreeMap<String, u64> {
        self.runtime.block_on(self.store().count_by_status()).unwrap()
    }

    /// The anchor of a pending user.
    pub fn pending_anchor(&self) -> String {
        let pending = self.store();
        let page = self.runtime.block_on(pending.fetch_by_status("pending", None, 1)).unwrap();
        page.items[0].anchor.to_string()
    }

    /// The names of the active accounts.
    pub fn active(&self) -> Vec<String> {
        let accounts = self.workplace.accounts();
        let active = accounts.iter().filter(|account| account["active"] == json!(true));
        let mut names: Vec<String> =
            active.map(|account| account["userName"].as_str().unwrap().to_lowercase()).collect();
        names.sort_unstable();
        names
    }

    /// Creations that the target received.
    pub fn creates(&self) -> usize {
        self.workplace.writes().iter().filter(|request| request.method == "POST").count()
    }

    /// A call of the terminal program with the variables of its AWS clients.
    pub fn terminal(&self, arguments: &[&str]) -> end_to_end::ProgramCall {
        let mut invocation = self.dir.provisioner(arguments);
        for (name, value) in aws_environment(&self.state_endpoint) {
            invocation = invocation.env(&name, &value);
        }
        invocation
    }
}

/// The user names of these people, in order.
pub fn names<'a>(people: impl IntoIterator<Item = &'a PersonEntry>) -> Vec<String> {
    let mut names: Vec<String> = people.into_iter().map(|person| person.mail.to_lowercase()).collect();
    names.sort_unstable();
    names
}

async fn open_state(
    state: StateBackend,
    number: u32,
) -> (Option<Embedded>, Option<RemoteTable>, Table, String) {
    let elsewhere = match state {
        StateBackend::Engine => named_endpoint(),
        StateBackend::Moto => Some(aws().endpoint().to_owned()),
    };
    match elsewhere {
        None => {
            let (engine, table) = Embedded::in_memory().await.unwrap();
            let endpoint = engine.endpoint();
            (Some(engine), None, table, endpoint)
        }
        Some(endpoint) => {
            let config =
                aws_sdk_dynamodb::config::Builder::from(&aws().sdk_config()).endpoint_url(&endpoint).build();
            let name = format!("provisioner-test-{}-{number}", std::process::id());
            let client = Client::from_conf(config);
            let table = Table::new(client.clone(), &name);
            table.create_if_missing().await.unwrap();
            let runtime = tokio::runtime::Handle::current();
            (None, Some(RemoteTable { client, table: name, runtime }), table, endpoint)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment chooses the backend of the state")]
fn named_endpoint() -> Option<String> {
    std::env::var(ENDPOINT).ok()
}

fn aws_environment(state_endpoint: &str) -> Vec<(String, String)> {
    let mut environment = aws().environment();
    environment.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), state_endpoint.to_owned()));
    environment
}

/// Environment of the functions. An empty value in `changes` removes a variable.
fn function_environment(
    changes: &[(&str, String)],
    state_endpoint: &str,
    deployed: [(&str, String); 5],
) -> Vec<(String, String)> {
    let mut environment: BTreeMap<String, String> = aws_environment(state_endpoint).into_iter().collect();
    environment.extend(deployed.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in changes {
        match value.is_empty() {
            true => drop(environment.remove(*name)),
            false => drop(environment.insert((*name).to_owned(), value.clone())),
        }
    }
    environment.into_iter().collect()
}
