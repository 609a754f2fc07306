//! Templates, and the frame of every page.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use jiff::Timestamp;
use minijinja::{Environment, Error, UndefinedBehavior, Value, context};

use super::Console;
use super::error_page::ErrorPage;
use crate::clean::clean_html;
use crate::explained::add_filters;

/// Path of the style sheet.
pub const STYLE: &str = "style.css";

/// Templates.
const TEMPLATES: [(&str, &str); 7] = [
    ("frame.html", include_str!("templates/frame.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("users.html", include_str!("templates/users.html")),
    ("user.html", include_str!("templates/user.html")),
    ("held.html", include_str!("templates/held.html")),
    ("failed.html", include_str!("templates/failed.html")),
    ("error.html", include_str!("templates/error.html")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    clean_html(&mut environment);
    add_filters(&mut environment);
    environment.add_filter("moment", moment);
    environment.add_filter("parameter", parameter);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
});

/// A page of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsolePage {
    /// Status and last scans.
    Overview,
    /// Users.
    Users,
    /// Held removals and changes.
    Held,
    /// Failed users.
    Failed,
}

const NAVIGATION: [(ConsolePage, &str, &str); 4] = [
    (ConsolePage::Overview, ".", "Overview"),
    (ConsolePage::Users, "users", "Users"),
    (ConsolePage::Held, "held", "Approvals"),
    (ConsolePage::Failed, "failed", "Failed"),
];

/// Renders a template within the frame.
pub fn page(
    console: &Console,
    (current, title): (ConsolePage, &str),
    template: &str,
    values: Value,
) -> Result<Html<String>, ErrorPage> {
    let body = Value::from_safe_string(render(template, values)?);
    let links = NAVIGATION.map(|(page, path, name)| context! { path, name, is_current => page == current });
    let frame = context! {
        title, body,
        links => links.to_vec(),
        connection => console.connection.as_str(),
        may_act => console.rights.may_act(),
        now => runtime::now().0,
    };
    Ok(Html(render("frame.html", frame)?))
}

/// Renders a template.
pub fn render(template: &str, values: Value) -> Result<String, Error> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| Error::new(error.kind(), error.to_string()))?;
    environment.get_template(template)?.render(values)
}

/// The style sheet.
pub async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// A time in seconds since 1970, in UTC.
fn moment(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => seconds.to_string(),
    }
}

/// A value as a query parameter.
pub fn parameter(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let why = "<script>alert(\"1\")</script> & 'so on'";
        let shown = render("error.html", context! { title => "x", why }).unwrap();
        assert!(!shown.contains("<script") && shown.contains("&lt;script&gt;"), "{shown}");
        let shown = render("error.html", context! { title => "x", why => "a\u{202e}b" }).unwrap();
        assert!(!shown.contains('\u{202e}'), "{shown}");
    }

    #[test]
    fn parameter_is_encoded() {
        assert_eq!(parameter("cn=a&b#c d"), "cn%3Da%26b%23c+d");
    }

    #[test]
    fn time_out_of_range_is_a_number() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(i64::MAX), i64::MAX.to_string());
    }
}
