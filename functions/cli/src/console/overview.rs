//! How things stand: what `provisioner status` says, and the last scans.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use minijinja::context;
use minijinja::value::Serde;

use super::Console;
use super::chart::ScanChart;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};
use crate::commands::status::{self, UserListing};

/// How many scans are shown.
const SCANS: usize = 40;

/// Shows how things stand.
pub async fn show(State(console): State<Arc<Console>>) -> Result<Html<String>, ErrorPage> {
    let session = console.sessions.to_read().await?;
    let status = status::fetch(&session, &UserListing::nobody()).await?;
    let scans = session.store.fetch_scans(SCANS).await?;
    drop(session);
    let values = context! {
        status => Serde(&status),
        most_counted => status::MOST_COUNTED,
        chart => Serde(ScanChart::of(&scans, SCANS)),
        scans => Serde(&scans),
    };
    page(&console, ConsolePage::Overview, "Overview", "overview.html", values)
}
