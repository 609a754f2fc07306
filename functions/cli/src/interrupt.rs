//! Ctrl-C.

use std::future::pending;

/// Ends at the next Ctrl-C. Once this was awaited, Ctrl-C no longer ends the process by itself.
pub async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!("can't wait for Ctrl-C: {error}");
        pending::<()>().await;
    }
}
