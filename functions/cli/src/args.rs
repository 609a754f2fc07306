//! The command line.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use directory::ServerKind;
use model::Status;
use store::PageKey;

/// The configuration file that is read if neither the option nor the variable names one.
pub const DEFAULT_CONFIG: &str = "provisioner.toml";

/// Version and commit, for `--version`; `-V` prints the version alone.
const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("PROVISIONER_COMMIT"), ")");

/// Keeps the accounts of Workplace, or another SCIM target, in line with an LDAP directory.
#[derive(Debug, Parser)]
#[command(
    name = "provisioner",
    version,
    long_version = LONG_VERSION,
    after_help = "Exit codes: 0 done, 1 could not run or not to the end, \
2 bad usage or configuration, 3 done but some users failed, 4 no user failed, but something is held and waits for approval."
)]
pub struct Arguments {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
    /// Print the summary and errors alone: no progress, and no line for each user.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log each LDAP and SCIM operation in one line on standard error; -vv logs more. No value of a user is logged.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// One command of the terminal.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole flow on an embedded directory and target; nothing else is contacted.
    #[cfg(feature = "demo")]
    Demo,
    /// Write a configuration with comments. On a terminal, or with options, the directory is asked what it is.
    Init {
        /// The file to write. An existing file is not overwritten.
        #[arg(value_name = "FILE", default_value = DEFAULT_CONFIG)]
        file: PathBuf,
        #[command(flatten)]
        answers: Box<InitAnswers>,
    },
    /// Test the configuration: sign in to the directory and the target, read the scope, map the users.
    Check {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The configuration, as with --config.
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
        /// Check the file only; contact no server.
        #[arg(long)]
        offline: bool,
    },
    /// Show what `sync` would do; write nothing to the target.
    Plan {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The configuration, as with --config.
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
        /// Also write the plan to this file, for `apply`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Also write the plan as an HTML page.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Do exactly what a plan file says, or nothing if anything has changed since it was made.
    Apply {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The file that `plan --out` wrote.
        #[arg(value_name = "PLAN")]
        plan: PathBuf,
    },
    /// Scan the directory and update the target. A first load of many users is held, or asked about in a terminal.
    Sync {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The configuration, as with --config.
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
        /// Approve a first load without a question.
        #[arg(long)]
        yes: bool,
        /// Run a full scan even where an incremental scan is possible.
        #[arg(long)]
        full: bool,
    },
    /// Show all facts about one user, and what would be done.
    Explain {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The user name, e-mail address, login name, anchor, DN or account id.
        user: String,
    },
    /// Show the last scan, and the users that wait or failed.
    Status {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The configuration, as with --config.
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
        /// List only users of this status.
        #[arg(long, value_name = "STATUS", value_parser = Status::WAITING_WORDS)]
        only: Option<String>,
        /// Maximum number of users listed per status.
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = page_length)]
        limit: u16,
        /// Continue after the page that ended with this key.
        #[arg(long, value_name = "KEY", requires = "only", value_parser = page_key)]
        after: Option<PageKey>,
    },
    /// Show the status of one user, and the actions so far.
    History {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The user name, anchor, DN or account id.
        user: String,
        /// Maximum number of events.
        #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = page_length)]
        limit: u16,
        /// Only events before this time, in seconds since 1970.
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        before: Option<i64>,
    },
    /// Approve held removals or a held configuration change. Without a hash, list what is held.
    Approve {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The hash that `status` shows. Users that are held later are not included.
        hash: Option<String>,
        /// The approver's name; by default the name of the signed-in user.
        #[arg(long, value_name = "NAME", default_value_t = operator_name())]
        by: String,
    },
    /// Make failed users pending, for the next `sync` or scan.
    Retry {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The user name, anchor, DN or account id.
        #[arg(required_unless_present = "failed")]
        user: Option<String>,
        /// All users with status failed, retrying or account_gone.
        #[arg(long, conflicts_with = "user")]
        failed: bool,
    },
    /// Compare all accounts at the target with the state last applied.
    Drift {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// Restore linked accounts that were changed or deleted. Accounts that were never linked are not changed.
        #[arg(long)]
        repair: bool,
    },
    /// Show or close the circuit breaker. While it is open, no requests are sent to the target.
    Breaker {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[arg(value_enum, default_value_t = BreakerAction::Show)]
        action: BreakerAction,
    },
    /// Bind the state to the configured target, after the target's address changed. Without --yes, show both targets.
    ResetTarget {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// Forget all account ids, so that users are matched by user name again.
        #[arg(long)]
        yes: bool,
    },
    /// Serve a local web page with status, users, held removals and failures.
    Console {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The port on 127.0.0.1; 0 takes a free one.
        #[arg(long, value_name = "PORT", default_value_t = 0, value_parser = port)]
        port: u16,
        /// Allow approve and retry on the page.
        #[arg(long)]
        write: bool,
    },
    /// Print the JSON Schema of the configuration file.
    Schema {
        /// Print the schema of the plan file instead.
        #[arg(long)]
        plan: bool,
    },
    /// Print the manual page, in the format of man.
    Man,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Arguments {
    /// Parses the arguments of the process. Wrong ones end it.
    pub fn read() -> Self {
        let mut arguments = Self::parse();
        arguments.command.take_file();
        if let Some(connection) = arguments.command.connection_mut() {
            connection.quiet = arguments.quiet;
        }
        arguments
    }
}

impl Command {
    /// The connection, if the command works on one.
    fn connection_mut(&mut self) -> Option<&mut ConnectionArgs> {
        match self {
            Self::Check { connection, .. }
            | Self::Plan { connection, .. }
            | Self::Apply { connection, .. }
            | Self::Sync { connection, .. }
            | Self::Explain { connection, .. }
            | Self::Status { connection, .. }
            | Self::History { connection, .. }
            | Self::Approve { connection, .. }
            | Self::Retry { connection, .. }
            | Self::Drift { connection, .. }
            | Self::Breaker { connection, .. }
            | Self::ResetTarget { connection, .. }
            | Self::Console { connection, .. } => Some(connection),
            #[cfg(feature = "demo")]
            Self::Demo => None,
            Self::Init { .. } | Self::Schema { .. } | Self::Man | Self::Completions { .. } => None,
        }
    }

    /// Makes a configuration without an option that of the option.
    fn take_file(&mut self) {
        if let Self::Check { connection, file, .. }
        | Self::Plan { connection, file, .. }
        | Self::Sync { connection, file, .. }
        | Self::Status { connection, file, .. } = self
            && let Some(file) = file.take()
        {
            connection.config = file;
        }
    }
}

/// An action on the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BreakerAction {
    /// Show the breaker.
    Show,
    /// Close the breaker. It opens again if the target still fails.
    Reset,
}

/// Whether the operator confirmed what a command asks about: to forget links, or to begin a first load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// With `--yes`.
    Given,
    /// Without `--yes`.
    Missing,
}

/// Answers for a first configuration. On a terminal the others are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct InitAnswers {
    /// The name of the connection; by default the name of the file.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The address of the directory, ldaps://HOST or ldap://HOST.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The kind of directory; by default the server is asked.
    #[arg(long, value_name = "KIND", value_parser = ServerKind::NAMES)]
    pub kind: Option<String>,
    /// The DN of the account that reads the directory. The password is asked for.
    #[arg(long, value_name = "DN")]
    pub bind_dn: Option<String>,
    /// The place of DN and password: file:PATH, env:NAME or secretsmanager:ID.
    #[arg(long, value_name = "PLACE", conflicts_with = "bind_dn")]
    pub secret: Option<String>,
    /// The certificate authority of the directory, file:PATH.
    #[arg(long, value_name = "PLACE")]
    pub ca: Option<String>,
    /// The DN of the entry under which users are; by default the server is asked.
    #[arg(long, value_name = "DN")]
    pub base_dn: Option<String>,
    /// The DN of the group of the users.
    #[arg(long, value_name = "DN", conflicts_with = "filter")]
    pub group: Option<String>,
    /// An LDAP filter for the users.
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// The kind of target; by default workplace.
    #[arg(long, value_name = "KIND")]
    pub target: Option<String>,
    /// The base URL of the target.
    #[arg(long, value_name = "URL")]
    pub target_url: Option<String>,
    /// The place of the access token: file:PATH, env:NAME or secretsmanager:ID.
    #[arg(long, value_name = "PLACE")]
    pub target_secret: Option<String>,
}

impl InitAnswers {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Options that name the connection.
#[derive(Clone, Debug, Args)]
pub struct ConnectionArgs {
    /// The configuration of the connection; by default $PROVISIONER_CONFIG or ./provisioner.toml.
    #[arg(short, long, value_name = "FILE", default_value_os_t = default_config())]
    pub config: PathBuf,
    /// The state of the connection: a file (by default the configuration's name with .state), or dynamodb:TABLE for the
    /// deployed state. `sync` does not run on the deployed state.
    #[arg(long, value_name = "PATH|dynamodb:TABLE")]
    pub state: Option<StateLocation>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The option `--quiet` of the program.
    #[arg(skip)]
    pub quiet: bool,
}

fn page_length(text: &str) -> Result<u16, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or("must be a number from 1 to 1000")
}

fn seconds(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "must be a number of seconds since 1970, such as 1767225600")
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "must be a number from 0 to 65535")
}

fn page_key(text: &str) -> Result<PageKey, &'static str> {
    PageKey::parse(text).ok_or("not the end of a page; copy the key that status prints")
}

/// Name of the signed-in user, for approvals.
pub fn operator_name() -> String {
    let name = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(runtime::environment::variable);
    name.unwrap_or_else(|| "an unnamed user of this machine".to_owned())
}

fn default_config() -> PathBuf {
    runtime::environment::variable(runtime::environment::CONFIG)
        .unwrap_or_else(|| DEFAULT_CONFIG.into())
        .into()
}

/// Where the state of a connection is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateLocation {
    /// A file on this machine.
    File(PathBuf),
    /// A DynamoDB table, with the caller's credentials.
    DynamoDb(String),
}

impl FromStr for StateLocation {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix("dynamodb:") {
            Some(table) => Self::DynamoDb(table.to_owned()),
            None => Self::File(text.into()),
        })
    }
}

impl ConnectionArgs {
    /// Where the configuration was searched, if its file does not exist and no option names it.
    pub fn missing_config(&self) -> Option<String> {
        if self.config.exists() || self.config != default_config() {
            return None;
        }
        Some(match runtime::environment::variable(runtime::environment::CONFIG) {
            Some(file) => format!(
                "the environment variable {} names the configuration {file}, which does not exist; correct it, or use --config FILE",
                runtime::environment::CONFIG
            ),
            None => format!(
                "there is no configuration: {DEFAULT_CONFIG} does not exist in this folder, and neither --config FILE nor the \
                 environment variable {} names another file; to write one: provisioner init",
                runtime::environment::CONFIG
            ),
        })
    }

    /// The named location, or the default file beside the configuration.
    pub fn state_location(&self) -> StateLocation {
        self.state.clone().unwrap_or_else(|| StateLocation::File(self.config.with_extension("state")))
    }
}
