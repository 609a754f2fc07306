//! The simulator by hand: `cargo run -p simulator -- --port 8080`.

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Parser;
use serde_json::Value;
use simulator::{
    EmptyListForm, EmptyValueRule, ErrorShape, IdForm, Product, PutRule, Simulator, SimulatorOptions,
};

/// A Workplace account server that keeps its accounts in memory.
#[derive(Parser)]
struct SimulatorArguments {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The token that callers must bring.
    #[arg(long, default_value = "simulator-token")]
    token: String,
    /// The app secret that callers must prove to know. Without, a proof is not looked at.
    #[arg(long, value_name = "SECRET")]
    app_secret: Option<String>,
    /// JSON file with the accounts to start with: a list of resources.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Which product answers.
    #[arg(long, value_enum, default_value = "workplace")]
    product: Product,
    /// What PUT does with attributes that it doesn't mention.
    #[arg(long, value_enum, default_value = "merge")]
    put: PutRule,
    /// What an attribute sent as "" does.
    #[arg(long, value_enum, default_value = "clear")]
    empty_string: EmptyValueRule,
    /// The body of a refusal.
    #[arg(long, value_enum, default_value = "errors")]
    errors: ErrorShape,
    /// The status that answers a duplicate.
    #[arg(long, default_value_t = 409)]
    duplicate_status: u16,
    /// How ids are written.
    #[arg(long, value_enum, default_value = "number")]
    ids: IdForm,
    /// What a list without resources looks like.
    #[arg(long, value_enum, default_value = "empty")]
    no_match: EmptyListForm,
    /// The most resources on a page.
    #[arg(long, default_value_t = 100)]
    page_max: usize,
    /// A domain that a userName may have; may be repeated. Without, all are good.
    #[arg(long = "verified-domain", value_name = "DOMAIN")]
    verified_domains: Vec<String>,
    /// How long every request waits, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = SimulatorArguments::parse();
    let simulator = Simulator::start(SimulatorOptions {
        port: arguments.port,
        token: arguments.token,
        app_secret: arguments.app_secret,
        product: arguments.product,
        put: arguments.put,
        empty_string: arguments.empty_string,
        error_shape: arguments.errors,
        duplicate_status: arguments.duplicate_status,
        ids: arguments.ids,
        no_match: arguments.no_match,
        page_max: arguments.page_max,
        verified_domains: arguments.verified_domains,
        ..SimulatorOptions::default()
    })
    .await?;
    simulator.set_latency(Duration::from_millis(arguments.latency_ms));
    if let Some(file) = arguments.accounts {
        seed(&simulator, &file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    let (url, token) = (simulator.url(), simulator.token());
    writeln!(std::io::stdout(), "url    {url}\ntoken  {token}")?;
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}

fn seed(simulator: &Simulator, file: &std::path::Path) -> anyhow::Result<()> {
    let Value::Array(accounts) = serde_json::from_slice(&std::fs::read(file)?)? else {
        bail!("it does not hold a list");
    };
    for account in accounts {
        simulator.seed(account);
    }
    Ok(())
}
