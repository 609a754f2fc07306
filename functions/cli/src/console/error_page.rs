//! Error pages.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use minijinja::context;
use scan::ScanError;
use store::StoreError;

use super::page;
use crate::exit;

/// Why a page can't be shown, or a form is refused.
#[derive(Debug)]
pub struct ErrorPage {
    status: StatusCode,
    why: String,
}

impl ErrorPage {
    /// The request is not allowed.
    pub fn refused(why: &str) -> Self {
        Self { status: StatusCode::FORBIDDEN, why: why.to_owned() }
    }

    /// The request does not fit the current state.
    pub fn conflict(why: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, why: why.into() }
    }

    /// The request has invalid parameters.
    pub fn bad_request(why: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: why.to_owned() }
    }
}

/// Answer to an unknown path.
pub async fn no_such_page() -> ErrorPage {
    ErrorPage { status: StatusCode::NOT_FOUND, why: "There is no such page.".to_owned() }
}

impl<E: Into<anyhow::Error>> From<E> for ErrorPage {
    fn from(error: E) -> Self {
        let error = error.into();
        // A sync holds the state file, or a scan holds the connection.
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
            StatusCode::CONFLICT => "Changed meanwhile",
            StatusCode::BAD_REQUEST => "Bad request",
            _ => "Something went wrong",
        };
        match page::render("error.html", context! { title, why => why.as_str() }) {
            Ok(html) => (status, axum::response::Html(html)).into_response(),
            Err(_) => (status, why).into_response(),
        }
    }
}
