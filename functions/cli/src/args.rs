//! The command line.

use std::path::PathBuf;

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
    /// The file that holds the connection's state; by default beside the configuration, ending in .state.
    #[arg(long, value_name = "PATH")]
    pub state: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

impl Place {
    /// The file that holds the state.
    pub fn state_file(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.config.with_extension("state"))
    }
}
