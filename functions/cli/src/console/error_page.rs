//! Pages that say what went wrong.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use minijinja::context;
use scan::ScanError;
use store::StoreError;

use super::page;
use crate::exit;

/// Why a page can't be shown, or something can't be done.
#[derive(Debug)]
pub struct ErrorPage {
    status: StatusCode,
    why: String,
}

impl ErrorPage {
    /// Somebody may not.
    pub fn refused(why: &str) -> Self {
        Self { status: StatusCode::FORBIDDEN, why: why.to_owned() }
    }

    /// What was asked for does not fit how things stand.
    pub fn conflict(why: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, why: why.into() }
    }

    /// It was asked for in a way that is not understood.
    pub fn nonsense(why: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: why.to_owned() }
    }
}

/// Where there is no page.
pub async fn no_such_page() -> ErrorPage {
    ErrorPage { status: StatusCode::NOT_FOUND, why: "There is no such page.".to_owned() }
}

impl<E: Into<anyhow::Error>> From<E> for ErrorPage {
    fn from(error: E) -> Self {
        let error = error.into();
        // While a sync has the state file, or a scan the connection, nobody else does.
        let is_busy = matches!(error.downcast_ref(), Some(StoreError::Locked { .. }))
            || matches!(error.downcast_ref(), Some(ScanError::Busy { .. }));
        let status =
            if is_busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self { status, why: exit::explain(&error) }
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        let Self { status, why } = self;
        let title = match status {
            StatusCode::SERVICE_UNAVAILABLE => "Busy",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::CONFLICT => "Not as it was",
            StatusCode::BAD_REQUEST => "Not understood",
            _ => "Something went wrong",
        };
        match page::render("error.html", context! { title, why => why.as_str() }) {
            Ok(html) => (status, axum::response::Html(html)).into_response(),
            Err(_) => (status, why).into_response(),
        }
    }
}
