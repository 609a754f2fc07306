//! `name.formatted`, made of its parts where it is not mapped.

use model::{DesiredUser, Managed, TargetAttribute, Value};

const FORMATTED: &str = "name.formatted";

/// The parts, in the order in which they are joined.
const PARTS: [&str; 5] =
    ["name.honorificPrefix", "name.givenName", "name.middleName", "name.familyName", "name.honorificSuffix"];

/// `name.formatted`.
pub(super) fn attribute() -> TargetAttribute {
    TargetAttribute::from(FORMATTED)
}

/// Whether an attribute is one of the parts.
pub(super) fn is_part(attribute: &TargetAttribute) -> bool {
    PARTS.contains(&attribute.as_str())
}

/// Sets `name.formatted` where a part of the name is mapped and it is not. It consists of the parts that have a value,
/// create-only parts included.
pub(super) fn fill_in<'a>(user: &mut DesiredUser, mapped: impl Iterator<Item = &'a TargetAttribute>) {
    let mut part_is_mapped = false;
    for attribute in mapped {
        if attribute.as_str() == FORMATTED {
            return;
        }
        part_is_mapped |= is_part(attribute);
    }
    if !part_is_mapped {
        return;
    }
    let part = |name: &str| {
        let attribute = TargetAttribute::from(name);
        match (user.attributes.get(&attribute), user.create_only.get(&attribute)) {
            (Some(Managed::Set(Value::Text(text))), _) | (_, Some(Value::Text(text))) => {
                Some(text.trim().to_owned())
            }
            _ => None,
        }
    };
    let parts: Vec<String> =
        PARTS.iter().filter_map(|name| part(name)).filter(|text| !text.is_empty()).collect();
    // Without parts it stays unmanaged: a target that requires a name refuses an empty one.
    if !parts.is_empty() {
        user.attributes.insert(attribute(), Managed::Set(Value::Text(parts.join(" "))));
    }
}
