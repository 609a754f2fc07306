//! Forms that change something.

use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Console;
use super::error_page::ErrorPage;

/// A form of this console, sent to a console that was started with `--write`. Only a checked request makes one, so a handler
/// that takes it needs no check of its own.
pub struct AuthorizedForm<T>(pub T);

/// A form before the check.
#[derive(Deserialize)]
struct SubmittedForm<T> {
    form_key: String,
    #[serde(flatten)]
    fields: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for AuthorizedForm<T> {
    type Rejection = ErrorPage;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, ErrorPage> {
        if !console.rights.may_act() {
            let why = "This console only shows. To approve or to retry, start it with --write.";
            return Err(ErrorPage::refused(why));
        }
        let headers = request.headers().clone();
        let foreign = || ErrorPage::refused("This form did not come from a page of this console.");
        let Form(SubmittedForm { form_key, fields }) =
            Form::<SubmittedForm<T>>::from_request(request, console).await.map_err(|_| foreign())?;
        if console.keys.is_own_form(&headers, &form_key) { Ok(Self(fields)) } else { Err(foreign()) }
    }
}
