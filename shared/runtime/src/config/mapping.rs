//! Checks of the `[mapping]` table.

use std::collections::BTreeMap;

use dialect::Dialect;
use model::{TargetAttribute, ValueKind};
use plan::Mapping;
use plan::mapping::{
    MappingRule, MissingUserName, Template, TextCase, TextExtract, ValuePattern, ValueSource,
};

use super::KeyProblem;
use super::document::written_key;
use super::file::{CaseWord, ExtractWord, MappingValue, OneOrMore, RuleTable};

/// Checks a mapping against the attributes of the dialect.
pub(super) fn check(table: BTreeMap<String, MappingValue>, dialect: &Dialect) -> Result<Mapping, KeyProblem> {
    let mut user_name = None;
    let mut rules = BTreeMap::new();
    for (attribute, value) in table {
        let key = format!("mapping.{}", written_key(&attribute));
        let kind = kind_of(&attribute, dialect).map_err(|problem| KeyProblem::at(&key, problem))?;
        let rule = rule(value, kind, &key)?;
        if attribute == "userName" {
            if rule.create_only {
                return Err(KeyProblem::at(
                    key,
                    "userName can't be create-only, because accounts are matched by it",
                ));
            }
            user_name = Some(rule);
        } else {
            rules.insert(TargetAttribute(attribute), rule);
        }
    }
    let user_name = user_name.ok_or_else(|| {
        KeyProblem::at(
            "mapping",
            "userName is not mapped; map it, because accounts are matched by it, for example userName = \"mail\"",
        )
    })?;
    let mapped: Vec<&str> = rules.keys().map(TargetAttribute::as_str).collect();
    dialect.check_mapping(&mapped).map_err(|problem| KeyProblem::at("mapping", problem))?;
    let missing_user_name =
        if dialect.nameless { MissingUserName::ByExternalId } else { MissingUserName::Refused };
    Ok(Mapping::new(user_name, rules).with_missing_user_name(missing_user_name))
}

fn kind_of(attribute: &str, dialect: &Dialect) -> Result<ValueKind, String> {
    match attribute {
        "userName" => return Ok(ValueKind::Text),
        "active" => {
            return Err(
                "active can't be mapped, because it follows from scope and account status; remove it".into(),
            );
        }
        _ => {}
    }
    dialect.kind_of(attribute).ok_or_else(|| {
        let nearest = dialect.nearest(attribute).join(", ");
        let hint = if nearest.is_empty() { String::new() } else { format!("; nearest names: {nearest}") };
        format!("the {} target has no attribute of this name{hint}", dialect.name)
    })
}

fn rule(value: MappingValue, kind: ValueKind, key: &str) -> Result<MappingRule, KeyProblem> {
    let rule = match value {
        MappingValue::Text(text) => MappingRule::of(text_source(text, key)?, kind),
        MappingValue::Rule(table) => table_rule(*table, kind, key)?,
    };
    if let (Some(default), ValueKind::Reference) = (&rule.default, kind) {
        return Err(KeyProblem::at(
            key,
            format!("a reference can't have a default ({default:?}); remove it"),
        ));
    }
    Ok(rule)
}

fn text_source(text: String, key: &str) -> Result<ValueSource, KeyProblem> {
    if Template::is_expression(&text) {
        return expression(&text, key);
    }
    attribute_name(&text, key)?;
    Ok(ValueSource::Attributes(vec![text]))
}

fn table_rule(table: RuleTable, kind: ValueKind, key: &str) -> Result<MappingRule, KeyProblem> {
    let RuleTable {
        from,
        expression: text,
        value,
        reference,
        prefer,
        default,
        create_only,
        trim,
        case,
        extract,
        masked,
    } = table;
    let source = table_source((from, text, value, reference), kind, key)?;
    if prefer.is_some() && matches!(source, ValueSource::Constant(_)) {
        return Err(KeyProblem::at(
            key,
            "prefer chooses among the values of a directory attribute, and value names none; remove prefer",
        ));
    }
    Ok(MappingRule {
        source,
        kind,
        prefer: prefer.as_deref().map(ValuePattern::of),
        default,
        create_only,
        trim,
        case: case.map(|case| match case {
            CaseWord::Lower => TextCase::Lower,
            CaseWord::Upper => TextCase::Upper,
        }),
        extract: extract.map(|extract| match extract {
            ExtractWord::Cn => TextExtract::CnFromDn,
            ExtractWord::UserName => TextExtract::UserNameFromEmail,
        }),
        masked,
    })
}

/// Source of a rule: exactly one of `from`, `expression`, `value` and `reference`.
fn table_source(
    (from, text, value, reference): (Option<OneOrMore>, Option<String>, Option<String>, Option<String>),
    kind: ValueKind,
    key: &str,
) -> Result<ValueSource, KeyProblem> {
    Ok(match (from, text, value, reference) {
        (Some(OneOrMore::One(name)), None, None, None) => text_source(name, key)?,
        (Some(OneOrMore::More(names)), None, None, None) => {
            if names.is_empty() {
                return Err(KeyProblem::at(
                    key,
                    "from is an empty list; name at least one directory attribute",
                ));
            }
            names.iter().try_for_each(|name| attribute_name(name, key))?;
            ValueSource::Attributes(names)
        }
        (None, Some(text), None, None) => expression(&text, key)?,
        (None, None, Some(value), None) => ValueSource::Constant(value),
        (None, None, None, Some(name)) => {
            if kind != ValueKind::Reference {
                return Err(KeyProblem::at(
                    key,
                    "this attribute takes a value, not a reference to another user; use from, expression or value",
                ));
            }
            attribute_name(&name, key)?;
            ValueSource::Attributes(vec![name])
        }
        _ => {
            return Err(KeyProblem::at(key, "set exactly one of from, expression, value and reference"));
        }
    })
}

fn expression(text: &str, key: &str) -> Result<ValueSource, KeyProblem> {
    Template::compile(text)
        .map(Box::new)
        .map(ValueSource::Template)
        .map_err(|error| KeyProblem::at(key, error.to_string()))
}

/// Checks the name of a directory attribute, which is part of searches (RFC 4512: letters, digits, hyphens, or an OID).
pub(super) fn attribute_name(name: &str, key: &str) -> Result<(), KeyProblem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_');
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(());
    }
    Err(KeyProblem::at(
        key,
        format!("{name:?} is not the name of a directory attribute; use letters, digits and hyphens"),
    ))
}
