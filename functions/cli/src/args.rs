//! The command line.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::Status;
use store::PageKey;

/// The configuration file that is read if neither the option nor the variable names one.
pub const DEFAULT_CONFIG: &str = "provisioner.toml";

/// Keeps the accounts of Workplace, or another SCIM target, in line with an LDAP directory.
#[derive(Debug, Parser)]
#[command(
    name = "provisioner",
    version,
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
}

/// One command of the terminal.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole flow on an embedded directory and target; nothing else is contacted.
    #[cfg(feature = "demo")]
    Demo,
    /// Write an example configuration with comments.
    Init {
        /// The file to write. An existing file is not overwritten.
        #[arg(value_name = "FILE", default_value = DEFAULT_CONFIG)]
        file: PathBuf,
    },
    /// Test the configuration: sign in to the directory and the target, read the scope, map the users.
    Check {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// Check the file only; contact no server.
        #[arg(long)]
        offline: bool,
    },
    /// Show what `sync` would do; write nothing to the target.
    Plan {
        #[command(flatten)]
        connection: ConnectionArgs,
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
        /// List only users of this status.
        #[arg(long, value_name = "STATUS", value_parser = Status::WAITING_WORDS)]
        only: Option<String>,
        /// Maximum number of users listed per status.
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
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
        #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only events before this time, in seconds since 1970.
        #[arg(long, value_name = "SECONDS")]
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
        #[arg(long, value_name = "PORT", default_value_t = 0)]
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
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
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
    /// The named location, or the default file beside the configuration.
    pub fn state_location(&self) -> StateLocation {
        self.state.clone().unwrap_or_else(|| StateLocation::File(self.config.with_extension("state")))
    }
}
