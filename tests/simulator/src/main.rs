//! Runs the simulator: `cargo run -p simulator -- --port 8080`.

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Parser;
use serde_json::Value;
use simulator::{
    EmptyListForm, EmptyValueRule, ErrorShape, IdForm, Product, PutRule, Simulator, SimulatorOptions,
};

/// Simulated SCIM target that keeps its accounts in memory.
#[derive(Parser)]
struct SimulatorArguments {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Access token that clients must send.
    #[arg(long, default_value = "simulator-token")]
    token: String,
    /// App secret that clients must prove to know. Without it, proofs are not checked.
    #[arg(long, value_name = "SECRET")]
    app_secret: Option<String>,
    /// JSON file with the accounts to start with: a list of resources.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Simulated product.
    #[arg(long, value_enum, default_value = "workplace")]
    product: Product,
    /// Effect of PUT on attributes that the body lacks.
    #[arg(long, value_enum, default_value = "merge")]
    put: PutRule,
    /// Effect of an attribute sent as "".
    #[arg(long, value_enum, default_value = "clear")]
    empty_string: EmptyValueRule,
    /// Shape of error bodies.
    #[arg(long, value_enum, default_value = "errors")]
    errors: ErrorShape,
    /// Status of the response to a duplicate.
    #[arg(long, default_value_t = 409)]
    duplicate_status: u16,
    /// Form of ids.
    #[arg(long, value_enum, default_value = "number")]
    ids: IdForm,
    /// Form of an empty list.
    #[arg(long, value_enum, default_value = "empty")]
    no_match: EmptyListForm,
    /// Most resources on a page.
    #[arg(long, default_value_t = 100)]
    page_max: usize,
    /// Verified domain for userName; may be repeated. Without it, all domains are accepted.
    #[arg(long = "verified-domain", value_name = "DOMAIN")]
    verified_domains: Vec<String>,
    /// Delay of each request, in milliseconds.
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
