//! `name.formatted`, made from its parts where nobody mapped it.

use model::{DesiredUser, Managed, TargetAttribute, Value};

const FORMATTED: &str = "name.formatted";

/// In the order in which they are written.
const PARTS: [&str; 5] =
    ["name.honorificPrefix", "name.givenName", "name.middleName", "name.familyName", "name.honorificSuffix"];

/// The attribute that is filled in.
pub(super) fn attribute() -> TargetAttribute {
    TargetAttribute::from(FORMATTED)
}

/// Whether an attribute is one of the parts.
pub(super) fn is_part(attribute: &TargetAttribute) -> bool {
    PARTS.contains(&attribute.as_str())
}

/// Fills in `name.formatted` when a part of the name is mapped and it is not. It is created with whatever parts
/// there are, create-only ones too, and updated from those that are kept up to date.
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
    // Without any part it stays unmanaged: a target that requires a name would refuse an empty one.
    if !parts.is_empty() {
        user.attributes.insert(attribute(), Managed::Set(Value::Text(parts.join(" "))));
    }
}
