//! What one target's SCIM looks like, as data.

mod common;
mod field;

mod scim2;
mod slack;
mod workplace;
mod workvivo;

use model::ValueKind;

pub(crate) use field::{DialectClear, DialectField, FieldPath};

/// One way of speaking SCIM. All dialects there are: [`Dialect::names`].
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// The name in the configuration.
    pub(crate) name: &'static str,
    /// The schema of the core attributes.
    pub(crate) core: &'static str,
    /// Every attribute that can be mapped.
    pub(crate) fields: &'static [DialectField],
    /// A mapping must have at least one of each of these.
    pub(crate) required: &'static [&'static [&'static str]],
    /// Whether an account may have an `externalId` and no `userName`.
    pub(crate) nameless: bool,
    /// Attributes that an account keeps as they were when it was made.
    pub(crate) immutable: &'static [&'static str],
    /// Top-level attributes that are the server's own and never sent back.
    pub(crate) read_only: &'static [&'static str],
    /// The extension and the attribute in it that tell whether an account may be deleted.
    pub(crate) can_delete: Option<(&'static str, &'static str)>,
    /// What PUT does with what it isn't told.
    pub(crate) put: DialectPut,
    /// Whether there is PATCH. Where PUT replaces, it is the better way to change something, because what it doesn't
    /// mention can't be lost.
    pub(crate) patch: DialectPatch,
    /// What DELETE does.
    pub(crate) delete: DialectDelete,
    /// How a reference to an account is written.
    pub(crate) ids: AccountIdForm,
    /// How many accounts are asked for at a time.
    pub(crate) page_size: u32,
    /// How many calls a second the target takes, where that is known.
    pub(crate) calls_per_second: Option<u32>,
    /// After so many days without a call it had better be called, where it switches off who doesn't.
    pub(crate) keep_alive_days: Option<u32>,
}

/// What PUT does with attributes that the body doesn't mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialectPut {
    /// They stay as they are.
    Merges,
    /// They are lost, as RFC 7644 has it; so they must be sent back as they were read.
    Replaces,
}

/// What DELETE does to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialectDelete {
    /// It goes, unless the server refuses that.
    Deletes,
    /// It is switched off and stays.
    Deactivates,
}

/// Whether a server changes single attributes by PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialectPatch {
    /// It does.
    Always,
    /// It doesn't.
    Never,
    /// As its `ServiceProviderConfig` says (RFC 7643, section 5). Such a server is also asked where its accounts are, which
    /// attributes it has, and whether it understands filters.
    Announced,
}

/// How an account's id is written where another account refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountIdForm {
    /// As a JSON number when it is one, else as text.
    Number,
    /// Always as text.
    Text,
}

/// A new dialect is a new line here and a table beside [`workplace`].
static ALL: &[&Dialect] =
    &[&workplace::WORKPLACE, &workplace::WORKPLACE_V1, &scim2::SCIM2, &workvivo::WORKVIVO, &slack::SLACK];
static NAMES: &[&str] = &[
    workplace::WORKPLACE.name,
    workplace::WORKPLACE_V1.name,
    scim2::SCIM2.name,
    workvivo::WORKVIVO.name,
    slack::SLACK.name,
];

impl Dialect {
    /// The dialect of this name.
    pub fn named(name: &str) -> Option<&'static Dialect> {
        ALL.iter().copied().find(|dialect| dialect.name == name)
    }

    /// The names of all dialects.
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// The name in the configuration.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What PUT does with attributes that the body doesn't mention.
    pub fn put(&self) -> DialectPut {
        self.put
    }

    /// How many calls a second the target takes, where that is known.
    pub fn calls_per_second(&self) -> Option<u32> {
        self.calls_per_second
    }

    /// After so many days without a call the target had better be called, where it switches off who doesn't.
    pub fn keep_alive_days(&self) -> Option<u32> {
        self.keep_alive_days
    }

    /// What a target attribute takes, if there is one of this name. `userName` and `active` are none: they have
    /// fields of their own in a [`DesiredUser`](model::DesiredUser).
    pub fn kind_of(&self, attribute: &str) -> Option<ValueKind> {
        self.field(attribute).map(|field| field.kind)
    }

    /// Every attribute that can be mapped beside `userName`, in the order of the table.
    pub fn attributes(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.name)
    }

    /// Up to three names that somebody may have meant who wrote this one; the likeliest first.
    pub fn nearest(&self, attribute: &str) -> Vec<&'static str> {
        const LIKE: f64 = 0.75;
        let wanted = attribute.to_lowercase();
        let mut near: Vec<(f64, &str)> = std::iter::once("userName")
            .chain(self.attributes())
            .map(|name| (likeness(&wanted, name), name))
            .filter(|(likeness, _)| *likeness >= LIKE)
            .collect();
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        near.into_iter().take(3).map(|(_, name)| name).collect()
    }

    /// Whether a mapping has all that the target insists on. `userName` is checked where the mapping is read,
    /// because every dialect needs it.
    pub fn check_mapping(&self, mapped: &[&str]) -> Result<(), String> {
        let is_missing = |one_of: &&&[&str]| !mapped.iter().any(|name| one_of.contains(name));
        let Some(one_of) = self.required.iter().find(is_missing) else { return Ok(()) };
        let name = self.name;
        Err(match one_of {
            [one] => format!("the {name} target needs {one} for every account: map it"),
            several => {
                format!("the {name} target needs one of these for every account: map {}", several.join(", "))
            }
        })
    }

    /// Whether an account may have an `externalId` and no `userName`.
    pub fn allows_missing_user_name(&self) -> bool {
        self.nameless
    }

    pub(crate) fn field(&self, attribute: &str) -> Option<&'static DialectField> {
        self.fields.iter().find(|field| field.name == attribute)
    }
}

/// How alike two names are, from 0 to 1. The last part counts on its own too: who writes `startDate` means the
/// attribute whose full name ends so.
fn likeness(wanted: &str, name: &str) -> f64 {
    let name = name.to_lowercase();
    let last = name.rsplit([':', '.']).next().unwrap_or(&name);
    strsim::jaro_winkler(wanted, &name).max(strsim::jaro_winkler(wanted, last) * 0.99)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workplace() -> &'static Dialect {
        Dialect::named("workplace").unwrap()
    }

    #[test]
    fn every_listed_name_leads_to_its_dialect() {
        for name in Dialect::names() {
            assert_eq!(Dialect::named(name).unwrap().name(), *name);
        }
        assert_eq!(ALL.len(), NAMES.len());
        assert!(Dialect::named("Workplace").is_none());
    }

    #[test]
    fn attribute_names_and_places_are_unique() {
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
    fn kinds() {
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
    fn a_wrong_name_leads_to_the_right_one() {
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
    fn a_mapping_needs_a_name() {
        assert_eq!(workplace().check_mapping(&["title", "name.formatted"]), Ok(()));
        assert_eq!(workplace().check_mapping(&["name.familyName"]), Ok(()));
        insta::assert_snapshot!(
            workplace().check_mapping(&["title"]).unwrap_err(),
            @"the workplace target needs one of these for every account: map name.formatted, name.givenName, name.familyName"
        );
        let workvivo = Dialect::named("workvivo").unwrap();
        assert_eq!(workvivo.check_mapping(&["externalId", "name.givenName", "name.familyName"]), Ok(()));
        insta::assert_snapshot!(
            workvivo.check_mapping(&["externalId", "name.givenName"]).unwrap_err(),
            @"the workvivo target needs name.familyName for every account: map it"
        );
    }
}
