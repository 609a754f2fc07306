//! How fast the provisioner is and what it consumes, beside what it can be compared with. `tests/bench` builds a release
//! and runs this.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "it is a program for a developer's terminal, and its numbers are small"
)]

mod company;
mod figure;
mod first_load;
mod group;
mod growth;
mod look;
mod million;
mod planner;
mod report;
mod scan;
mod start;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::figure::Figures;
use crate::report::BenchmarkReport;

/// Measures the release build beside this program.
#[derive(Parser)]
struct BenchmarkArguments {
    #[command(subcommand)]
    part: Option<BenchmarkProcess>,
    /// What to measure; everything if nothing is named.
    #[arg(long, value_delimiter = ',', default_values = ["scan", "group", "load", "look", "planner", "growth", "start"])]
    only: Vec<String>,
    /// How many users the directories have that are scanned.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    users: Vec<usize>,
    /// Measurements of each figure.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the result is written: result.json, table.md and growth.svg.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// What the result is compared with.
    #[arg(long, default_value = "tests/benchmark/baseline.json")]
    baseline: PathBuf,
}

/// What runs in a process of its own, so that its memory can be told.
#[derive(Subcommand)]
enum BenchmarkProcess {
    /// Saves a snapshot of generated users.
    #[command(hide = true)]
    Prepare { users: u32, state: PathBuf },
    /// Scans generated users without a change.
    #[command(hide = true)]
    Unchanged { users: u32, state: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let BenchmarkArguments { part, only, users, rounds, out, baseline } = BenchmarkArguments::parse();
    match part {
        Some(BenchmarkProcess::Prepare { users, state }) => return million::prepare(users, &state),
        Some(BenchmarkProcess::Unchanged { users, state }) => return million::unchanged(users, &state),
        None => {}
    }
    let mut figures = Figures::default();
    for what in &only {
        match what.as_str() {
            "scan" => users.iter().try_for_each(|users| scan::measure(*users, rounds, &mut figures))?,
            "group" => group::measure(rounds, &mut figures)?,
            "load" => first_load::measure(rounds, &mut figures)?,
            "look" => look::measure(rounds, &mut figures)?,
            "planner" => planner::measure(&mut figures)?,
            "growth" => growth::measure(rounds, &mut figures)?,
            "start" => start::measure(&mut figures)?,
            other => {
                anyhow::bail!("there is no part '{other}': scan, group, load, look, planner, growth, start")
            }
        }
    }
    BenchmarkReport::of(figures).finish(&out, &baseline)
}
