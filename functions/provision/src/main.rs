//! The provision function.

#![recursion_limit = "256"]

mod batch;
mod direct;
mod function;
mod handle;
mod measure;

use function::ProvisionFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), runtime::function::RuntimeError> {
    runtime::telemetry::start_function();
    runtime::function::serve(ProvisionFunction::start().await, handle::handle).await
}
