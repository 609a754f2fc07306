//! Overview: the status, as `provisioner status`, and the last scans.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use minijinja::context;
use minijinja::value::Serde;
use operate::{MAX_COUNTED, UserSelection, fetch_status};

use super::Console;
use super::chart::ScanChart;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};

/// Number of scans shown.
const SCANS: usize = 40;

/// Shows the overview.
pub async fn show(State(console): State<Arc<Console>>) -> Result<Html<String>, ErrorPage> {
    let session = console.sessions.to_read().await?;
    let status = fetch_status(&session.operator(), UserSelection::None, 0).await?;
    let scans = session.store.fetch_scans(SCANS).await?;
    drop(session);
    let values = context! {
        status => Serde(&status),
        max_counted => MAX_COUNTED,
        chart => Serde(ScanChart::of(&scans, SCANS)),
        scans => Serde(&scans),
        reset => console.sessions.command(&["breaker", "reset"]),
    };
    page(&console, (ConsolePage::Overview, "Overview"), "overview.html", values)
}
