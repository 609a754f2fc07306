//! What all pages have in common: the templates, and the frame around them.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use jiff::Timestamp;
use minijinja::{Environment, Error, UndefinedBehavior, Value, context};

use super::Console;
use super::error_page::ErrorPage;

/// Where the style sheet is.
pub const STYLE: &str = "/style.css";

/// A template's name ends in `.html`, and so whatever it shows is escaped.
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
    environment.add_filter("moment", moment);
    environment.add_filter("parameter", parameter);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
});

/// The pages that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsolePage {
    /// How things stand.
    Overview,
    /// Everybody.
    Users,
    /// What waits for a person.
    Held,
    /// Who failed.
    Failed,
}

const PLACES: [(ConsolePage, &str, &str); 4] = [
    (ConsolePage::Overview, "/", "Overview"),
    (ConsolePage::Users, "/users", "Users"),
    (ConsolePage::Held, "/held", "Held"),
    (ConsolePage::Failed, "/failed", "Failed"),
];

/// A whole page of the console.
pub fn page(
    console: &Console,
    place: ConsolePage,
    title: &str,
    template: &str,
    values: Value,
) -> Result<Html<String>, ErrorPage> {
    let body = Value::from_safe_string(render(template, values)?);
    let places = PLACES.map(|(other, path, name)| context! { path, name, here => other == place });
    let frame = context! {
        title, body,
        places => places.to_vec(),
        connection => console.connection.as_str(),
        may_act => console.rights.may_act(),
        now => runtime::now().0,
    };
    Ok(Html(render("frame.html", frame)?))
}

/// A template alone.
pub fn render(template: &str, values: Value) -> Result<String, Error> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| Error::new(error.kind(), error.to_string()))?;
    environment.get_template(template)?.render(values)
}

/// The style sheet.
pub async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// A moment as people read it.
fn moment(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => seconds.to_string(),
    }
}

/// A value as a part of an address.
pub fn parameter(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_escaped() {
        let why = "<script>alert(\"1\")</script> & 'so on'";
        let shown = render("error.html", context! { title => "x", why }).unwrap();
        assert!(!shown.contains("<script") && shown.contains("&lt;script&gt;"), "{shown}");
    }

    #[test]
    fn a_value_stays_one_parameter() {
        assert_eq!(parameter("cn=a&b#c d"), "cn%3Da%26b%23c+d");
    }

    #[test]
    fn a_moment_can_be_any_number() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(i64::MAX), i64::MAX.to_string());
    }
}
