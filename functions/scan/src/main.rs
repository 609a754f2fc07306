//! The scan function.

#![recursion_limit = "256"]

mod event;
mod failure;
mod function;
mod measure;
mod user;

use function::ScanFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::function::RuntimeError> {
    runtime::telemetry::start_function();
    runtime::function::serve(ScanFunction::start().await, ScanFunction::handle).await
}
