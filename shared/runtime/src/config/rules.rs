//! The `[mapping]` table: from text and tables to rules.

use std::collections::BTreeMap;

use model::{TargetAttribute, ValueKind};
use plan::Mapping;
use plan::mapping::{Case, Extract, Nameless, Rule, Source, Template};
use scim::Dialect;

use super::Problem;
use super::file::{CaseWord, ExtractWord, OneOrMore, RuleTable};

/// Checks a mapping against what the dialect knows.
pub(super) fn mapping(table: BTreeMap<String, toml::Value>, dialect: &Dialect) -> Result<Mapping, Problem> {
    let mut user_name = None;
    let mut rules = BTreeMap::new();
    for (attribute, value) in table {
        let key = format!("mapping.{attribute:?}");
        let kind = kind_of(&attribute, dialect).map_err(|problem| Problem::at(&key, problem))?;
        let rule = rule(value, kind, &key)?;
        if attribute == "userName" {
            if rule.create_only {
                return Err(Problem::at(key, "userName can't be create-only: accounts are matched by it"));
            }
            user_name = Some(rule);
        } else {
            rules.insert(TargetAttribute(attribute), rule);
        }
    }
    let user_name = user_name.ok_or_else(|| {
        Problem::at(
            "mapping",
            "userName is not mapped: accounts are matched by it, for example userName = \"mail\"",
        )
    })?;
    let mapped: Vec<&str> = rules.keys().map(TargetAttribute::as_str).collect();
    dialect.check_mapping(&mapped).map_err(|problem| Problem::at("mapping", problem))?;
    let nameless =
        if dialect.allows_missing_user_name() { Nameless::ByExternalId } else { Nameless::Refused };
    Ok(Mapping::new(user_name, rules).with_nameless(nameless))
}

fn kind_of(attribute: &str, dialect: &Dialect) -> Result<ValueKind, String> {
    match attribute {
        "userName" => return Ok(ValueKind::Text),
        "active" => {
            return Err("active can't be mapped: it follows from the scope and the account status".into());
        }
        _ => {}
    }
    dialect.kind_of(attribute).ok_or_else(|| {
        let nearest = dialect.nearest(attribute).join(", ");
        let hint = if nearest.is_empty() {
            String::new()
        } else {
            format!("; the nearest that it knows: {nearest}")
        };
        format!("the {} target has no attribute of this name{hint}", dialect.name())
    })
}

fn rule(value: toml::Value, kind: ValueKind, key: &str) -> Result<Rule, Problem> {
    let rule = match value {
        toml::Value::String(text) => Rule::of(text_source(text, key)?, kind),
        toml::Value::Table(table) => {
            let table: RuleTable =
                table.try_into().map_err(|error: toml::de::Error| Problem::at(key, error.message()))?;
            written_out(table, kind, key)?
        }
        other => {
            let found = other.type_str();
            return Err(Problem::at(
                key,
                format!("expected an attribute's name, an expression or a table, found {found}"),
            ));
        }
    };
    if let (Some(default), ValueKind::Reference) = (&rule.default, kind) {
        return Err(Problem::at(key, format!("a reference can't have a default ({default:?})")));
    }
    Ok(rule)
}

fn text_source(text: String, key: &str) -> Result<Source, Problem> {
    if Template::is_expression(&text) {
        return expression(&text, key);
    }
    attribute_name(&text, key)?;
    Ok(Source::Attributes(vec![text]))
}

fn written_out(table: RuleTable, kind: ValueKind, key: &str) -> Result<Rule, Problem> {
    let RuleTable {
        from,
        expression: text,
        value,
        reference,
        default,
        create_only,
        trim,
        case,
        extract,
        masked,
    } = table;
    let source = match (from, text, value, reference) {
        (Some(OneOrMore::One(name)), None, None, None) => text_source(name, key)?,
        (Some(OneOrMore::More(names)), None, None, None) => {
            if names.is_empty() {
                return Err(Problem::at(key, "from is an empty list"));
            }
            names.iter().try_for_each(|name| attribute_name(name, key))?;
            Source::Attributes(names)
        }
        (None, Some(text), None, None) => expression(&text, key)?,
        (None, None, Some(value), None) => Source::Constant(value),
        (None, None, None, Some(name)) => {
            if kind != ValueKind::Reference {
                return Err(Problem::at(
                    key,
                    "this attribute takes a value and not a reference to another user",
                ));
            }
            attribute_name(&name, key)?;
            Source::Attributes(vec![name])
        }
        _ => {
            return Err(Problem::at(
                key,
                "exactly one of from, expression, value and reference must be there",
            ));
        }
    };
    Ok(Rule {
        source,
        kind,
        default,
        create_only,
        trim,
        case: case.map(|case| match case {
            CaseWord::Lower => Case::Lower,
            CaseWord::Upper => Case::Upper,
        }),
        extract: extract.map(|extract| match extract {
            ExtractWord::Cn => Extract::CnFromDn,
            ExtractWord::UserName => Extract::UserNameFromEmail,
        }),
        masked,
    })
}

fn expression(text: &str, key: &str) -> Result<Source, Problem> {
    Template::compile(text)
        .map(Box::new)
        .map(Source::Template)
        .map_err(|error| Problem::at(key, error.to_string()))
}

/// An attribute's name goes into searches, so it must be one (RFC 4512: letters, digits, hyphens, or an OID).
pub(super) fn attribute_name(name: &str, key: &str) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_');
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(());
    }
    Err(Problem::at(key, format!("{name:?} is not the name of a directory attribute")))
}
