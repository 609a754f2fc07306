//! Dialects: the facts about each target's SCIM, as tables. No other crate names a target.
//!
//! The client in `scim` follows the tables. The configuration checks mappings against them, also in programs without a
//! client.

mod definition;
mod field;

mod common;
mod scim2;
mod slack;
mod workplace;
mod workvivo;

pub use definition::{AccountIdForm, CallBudget, Dialect, DialectDelete, DialectPatch, DialectPut};
pub use field::{DialectClear, DialectField, FieldPath};

/// All dialects. A new one is a line here and a table beside [`workplace`].
static ALL: [&Dialect; 5] =
    [&workplace::WORKPLACE, &workplace::WORKPLACE_V1, &scim2::SCIM2, &workvivo::WORKVIVO, &slack::SLACK];

impl Dialect {
    /// All dialects.
    pub fn all() -> impl Iterator<Item = &'static Dialect> {
        ALL.into_iter()
    }

    /// Dialect with this name.
    pub fn named(name: &str) -> Option<&'static Dialect> {
        Self::all().find(|dialect| dialect.name == name)
    }
}

#[cfg(test)]
mod tests {
    use model::ValueKind;

    use super::*;

    fn workplace() -> &'static Dialect {
        Dialect::named("workplace").unwrap()
    }

    #[test]
    fn every_name_finds_its_dialect() {
        for dialect in Dialect::all() {
            assert_eq!(Dialect::named(dialect.name).map(|found| found.core), Some(dialect.core));
        }
        assert!(Dialect::named("Workplace").is_none());
    }

    #[test]
    fn attribute_names_and_paths_are_unique() {
        for dialect in ALL {
            for (position, field) in dialect.fields.iter().enumerate() {
                for other in dialect.fields.iter().skip(position + 1) {
                    assert_ne!(field.name, other.name);
                    assert_ne!(
                        (field.extension, field.path),
                        (other.extension, other.path),
                        "{}",
                        field.name
                    );
                }
            }
        }
    }

    #[test]
    fn attributes_have_value_kinds() {
        const DATES: &str = "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User";
        for (attribute, kind) in [
            ("title", Some(ValueKind::Text)),
            ("externalId", Some(ValueKind::Text)),
            ("name.givenName", Some(ValueKind::Text)),
            ("emails.work", Some(ValueKind::Text)),
            ("phoneNumbers.mobile", Some(ValueKind::Text)),
            ("addresses.work.formatted", Some(ValueKind::Text)),
            ("department", Some(ValueKind::Text)),
            ("manager", Some(ValueKind::Reference)),
            (&format!("{DATES}:startDate"), Some(ValueKind::Integer)),
            ("userName", None),
            ("active", None),
            ("id", None),
            ("Title", None),
            ("phoneNumbers.pager", None),
            ("addresses.work", None),
        ] {
            assert_eq!(workplace().kind_of(attribute), kind, "{attribute}");
        }
    }

    #[test]
    fn misspelt_name_finds_the_right_one() {
        for (wrong, right) in [
            ("username", "userName"),
            ("tittle", "title"),
            ("givenName", "name.givenName"),
            ("phoneNumbers.mobil", "phoneNumbers.mobile"),
            (
                "startDate",
                "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User:startDate",
            ),
            ("Department", "department"),
        ] {
            let near = workplace().nearest(wrong);
            assert!(near.len() <= 3);
            assert_eq!(near.first(), Some(&right), "{wrong}: {near:?}");
        }
        assert_eq!(workplace().nearest("zzzzqqqq"), Vec::<&str>::new());
    }

    #[test]
    fn mapping_requires_the_dialects_attributes() {
        assert_eq!(workplace().check_mapping(&["title", "name.formatted"]), Ok(()));
        assert_eq!(workplace().check_mapping(&["name.familyName"]), Ok(()));
        insta::assert_snapshot!(
            workplace().check_mapping(&["title"]).unwrap_err(),
            @"the workplace target requires one of these for every account; map name.formatted or name.givenName or name.familyName"
        );
        let workvivo = Dialect::named("workvivo").unwrap();
        assert_eq!(workvivo.check_mapping(&["externalId", "name.givenName", "name.familyName"]), Ok(()));
        insta::assert_snapshot!(
            workvivo.check_mapping(&["externalId", "name.givenName"]).unwrap_err(),
            @"the workvivo target requires name.familyName for every account; map it"
        );
    }
}
