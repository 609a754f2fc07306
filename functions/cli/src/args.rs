//! The command line.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Keeps the accounts of Workplace, or another SCIM target, in step with an LDAP directory.
#[derive(Debug, Parser)]
#[command(
    name = "provisioner",
    version,
    after_help = "Exit codes: 0 done, 1 could not run or not to the end, \
2 bad usage or configuration, 3 done but some users failed, 4 removals are held."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the main job on an embedded company: nothing is installed, nobody is contacted.
    Demo,
    /// Prove that the configuration works, by using each part of it.
    Check {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// Check the file alone and contact nobody.
        #[arg(long)]
        offline: bool,
    },
    /// Show what `sync` would do, and do nothing.
    Plan {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// Write the plan into this file as well, for `apply`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Write it as a page for a browser as well.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Do what a plan says and nothing else, or nothing if anything in it has moved since.
    Apply {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// What `plan --out` wrote.
        #[arg(value_name = "PLAN")]
        plan: PathBuf,
    },
    /// Bring the target in step with the directory.
    Sync {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// Read everybody, rather than what has changed.
        #[arg(long)]
        full: bool,
    },
    /// Show how things stand: the last scan, and who waits for what.
    Status {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// List only users who stand there: pending, retrying, failed, conflict, held, skipped, invalid or leaving.
        #[arg(long, value_name = "STATUS", value_parser = LISTED)]
        only: Option<String>,
        /// How many are listed of each kind.
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Go on where the last page ended.
        #[arg(long, value_name = "KEY", requires = "only")]
        after: Option<String>,
    },
    /// Show where one user stands, and what was done.
    History {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// The user name, anchor or DN.
        user: String,
        /// How many events are shown.
        #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only what was done before this moment, in seconds since 1970.
        #[arg(long, value_name = "SECONDS")]
        before: Option<i64>,
    },
    /// Let held removals, or a held change of the configuration, through; without a hash, show what waits.
    Approve {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// What `status` shows for that which waits. Whoever is held later is not meant by it.
        hash: Option<String>,
    },
    /// Try users again now who failed.
    Retry {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// The user name, anchor or DN.
        #[arg(required_unless_present = "failed")]
        user: Option<String>,
        /// Everybody who was refused, or waits for another try.
        #[arg(long, conflicts_with = "user")]
        failed: bool,
    },
    /// Show the breaker, which is open while the target serves nobody; or close it.
    Breaker {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// What to do with it.
        #[arg(value_enum, default_value_t = BreakerAction::Show)]
        action: BreakerAction,
    },
    /// Show everything that is known about one user, and what would be done.
    Explain {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// The user name, e-mail address, anchor or DN.
        user: String,
    },
    /// Compare the target's accounts with what they were left as, one by one.
    Sweep {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// Put right what is ours and was changed or is gone. Accounts that were never linked are left alone.
        #[arg(long)]
        repair: bool,
    },
    /// Show the same as a small web page, to one person on this machine.
    Console {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// The port on 127.0.0.1; 0 takes a free one.
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
        /// Let the page approve and retry too.
        #[arg(long)]
        write: bool,
    },
    /// Print the JSON Schema of the configuration file.
    Schema {
        /// That of a plan's file instead.
        #[arg(long)]
        plan: bool,
    },
}

/// The statuses that are listed.
pub const LISTED: [&str; 8] =
    ["pending", "retrying", "failed", "conflict", "held", "skipped", "invalid", "pending_deletion"];

/// What to do with the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BreakerAction {
    /// Show it.
    Show,
    /// Close it, so that users are tried at once. Should the target still fail, it opens again.
    Reset,
}

/// Where things are.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The connection's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where the connection's state is: a file (by default beside the configuration, ending in .state), or
    /// dynamodb:TABLE for the deployed state, which `sync` leaves to the functions.
    #[arg(long, value_name = "PATH|dynamodb:TABLE")]
    pub state: Option<StatePlace>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where a connection's state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// In a file of this machine.
    File(PathBuf),
    /// In a DynamoDB table, by the caller's own credentials.
    DynamoDb(String),
}

impl FromStr for StatePlace {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix("dynamodb:") {
            Some(table) => Self::DynamoDb(table.to_owned()),
            None => Self::File(text.into()),
        })
    }
}

impl Place {
    /// Where the state is.
    pub fn state_place(&self) -> StatePlace {
        self.state.clone().unwrap_or_else(|| StatePlace::File(self.config.with_extension("state")))
    }
}
