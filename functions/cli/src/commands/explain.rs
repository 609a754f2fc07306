//! `provisioner explain`: all facts about one user, and what would be done. A template makes the text.

use ::explain::Explanation;
use anyhow::Result;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};

use crate::args::ConnectionArgs;
use crate::clean::plain;
use crate::exit::Exit;
use crate::explained::{add_filters, next_step};
use crate::next::next_command;
use crate::output::{BAD, FAINT, GOOD, HEADING, Output, moment, paint};
use crate::session::Session;

/// Template of the text.
const TEXT: &str = include_str!("explain.txt");

/// Explains one user.
pub async fn run(connection: &ConnectionArgs, user: &str) -> Result<Exit> {
    let session = &Session::open_to_read(connection).await?;
    let output = &mut Output::of(connection);
    let explanation = session.explain(user).await?;
    let text = if output.is_json() { String::new() } else { render(connection, user, &explanation)? };
    output.show(&explanation, |_| text)?;
    Ok(if explanation.is_known() { Exit::Done } else { Exit::CouldNotRun })
}

fn render(connection: &ConnectionArgs, user: &str, explanation: &Explanation) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|out, _, value| {
        let text = if value.is_none() { "(empty)".to_owned() } else { value.to_string() };
        // A safe string has styles, and its values are plain already.
        out.write_str(&if value.is_safe() { text } else { plain(&text) }).map_err(Error::from)
    });
    for (name, style) in [("bad", BAD), ("good", GOOD), ("heading", HEADING), ("faint", FAINT)] {
        environment.add_filter(name, move |text: &str| Value::from_safe_string(paint(style, plain(text))));
    }
    add_filters(&mut environment);
    let approving = connection.clone();
    environment.add_filter("approval", move |hash: &str| next_command(&approving, &["approve", hash]));
    environment.add_filter("moment", moment);
    environment.add_filter("hex", |number: u64| format!("{number:#x}"));
    environment.add_filter("column", |text: &str| format!("{text:<24}"));
    environment.add_filter("quoted", |values: Vec<String>| match &*values {
        [] => "(empty)".to_owned(),
        values => values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", "),
    });
    let step = next_step(connection, user, explanation);
    let values = minijinja::context! { step => Serde(step), ..Value::from(Serde(explanation)) };
    Ok(environment.render_str(TEXT, values)?.trim_end().to_owned())
}
