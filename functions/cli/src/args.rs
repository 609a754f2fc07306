//! The command line.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

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
    },
    /// Show what was done for one user.
    History {
        /// Where things are.
        #[command(flatten)]
        place: Place,
        /// The user name, anchor or DN.
        user: String,
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
    /// Print the JSON Schema of the configuration file.
    Schema,
}

/// Where things are.
#[derive(Debug, Args)]
pub struct Place {
    /// The connection's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where the connection's state is: a file (by default beside the configuration, ending in .state), or
    /// dynamodb:TABLE for the deployed state, which is only read.
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
