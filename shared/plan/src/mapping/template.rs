//! Expressions in a mapping, such as `{{ givenName }} {{ sn }}`.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use model::cn_of;

use super::MappingRule;
use super::choice::ChosenValues;
use super::rule::attribute_text;

/// Limit of instructions for one expression and one user. A realistic mapping needs a few hundred.
const FUEL: u64 = 20_000;

/// Name of the only template of an environment.
const NAME: &str = "expression";

/// A compiled expression.
pub struct Template {
    text: String,
    attributes: Vec<String>,
    environment: Environment<'static>,
}

/// A syntax error in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the expression \"{text}\" is invalid: {problem}")]
pub struct TemplateError {
    /// The expression.
    pub text: String,
    /// The problem.
    pub problem: String,
}

impl Template {
    /// Compiles an expression.
    pub fn compile(text: &str) -> Result<Self, TemplateError> {
        if let Some(name) = hyphenated_name(text) {
            let problem = format!(
                "{name} is read as a subtraction; an attribute with a hyphen can't be part of an expression, so use from = \"{name}\""
            );
            return Err(TemplateError { text: text.to_owned(), problem });
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(20);
        environment.add_filter("cn", |dn: String| cn_of(&dn).unwrap_or_default());
        environment.add_filter("user_name", |email: String| {
            email.rsplit_once('@').map(|(user, _)| user.to_owned()).unwrap_or(email)
        });
        let fail =
            |error: minijinja::Error| TemplateError { text: text.to_owned(), problem: explain(&error) };
        environment.add_template_owned(NAME, text.to_owned()).map_err(fail)?;
        let template = environment.get_template(NAME).map_err(fail)?;
        let mut attributes: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        attributes.retain(|name| !environment.globals().any(|(global, _)| global == name));
        attributes.sort();
        let sample = minijinja::Value::from_pairs(attributes.iter().map(|name| (name.as_str(), "sample")));
        // Names of filters are resolved at rendering, so a sample is rendered here.
        match template.render(sample) {
            Err(error) if is_unknown_name(&error) => return Err(fail(error)),
            _ => {}
        }
        Ok(Self { text: text.to_owned(), attributes, environment })
    }

    /// Whether a mapping's text is an expression and not the name of an attribute.
    pub fn is_expression(text: &str) -> bool {
        text.contains("{{") || text.contains("{%")
    }

    /// The expression as configured.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The directory attributes that the expression names.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(String::as_str)
    }

    /// Renders the expression. The outer error is an unreadable attribute, the inner error a failed expression, and
    /// `None` an attribute that the entry lacks.
    pub(super) fn render(&self, values: &ChosenValues<'_>) -> Result<Result<Option<String>, String>, String> {
        let mut context: BTreeMap<&str, String> = BTreeMap::new();
        for name in &self.attributes {
            if let Some(text) = attribute_text(values, name)? {
                context.insert(name, text);
            }
        }
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(minijinja::Value::from_pairs(context)));
        Ok(match rendered {
            Ok(text) if text.len() > MappingRule::MAX_VALUE_BYTES => Err(format!(
                "the result of the expression has {} bytes; at most {} are allowed",
                text.len(),
                MappingRule::MAX_VALUE_BYTES
            )),
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::UndefinedError => Ok(None),
            Err(error) => Err(format!("the expression failed: {}", explain(&error))),
        })
    }
}

/// A name with a hyphen outside of quotes. In an expression it is a subtraction, and text can't be subtracted.
fn hyphenated_name(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let blocks = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(block, _)| block);
    let statements =
        text.split("{%").skip(1).filter_map(|rest| rest.split_once("%}")).map(|(block, _)| block);
    for block in blocks.chain(statements) {
        // The parts with an even index are outside of quotes.
        let unquoted = block.split(['"', '\'']).step_by(2);
        let mut words = unquoted.flat_map(|part| part.split(|c: char| !is_part(c)));
        let is_name = |word: &&str| {
            let (start, end) = word.split_once('-').unwrap_or_default();
            start.starts_with(|c: char| c.is_ascii_alphabetic())
                && end.starts_with(|c: char| c.is_ascii_alphabetic())
        };
        if let Some(name) = words.find(is_name) {
            return Some(name);
        }
    }
    None
}

fn is_unknown_name(error: &minijinja::Error) -> bool {
    use ErrorKind::{UnknownFilter, UnknownFunction, UnknownMethod, UnknownTest};
    matches!(error.kind(), UnknownFilter | UnknownFunction | UnknownMethod | UnknownTest)
}

/// The problem, without values that the engine may quote.
fn explain(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    match error.kind() {
        ErrorKind::SyntaxError => {
            format!("its syntax is wrong{line}; write {{{{ ATTRIBUTE }}}}, or {{{{ ATTRIBUTE | FILTER }}}}")
        }
        ErrorKind::UnknownFilter | ErrorKind::UnknownFunction | ErrorKind::UnknownTest => {
            format!("{}{line}", error.detail().unwrap_or("it names an unknown function"))
        }
        kind => format!("{kind}{line}"),
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}
