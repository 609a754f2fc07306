//! One target's SCIM as data.

use model::ValueKind;

use crate::field::DialectField;

/// SCIM of one kind of target: attributes, their places in the JSON, and what each request does.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Value of `target.kind` in the configuration.
    pub name: &'static str,
    /// URN of the core schema.
    pub core: &'static str,
    /// All attributes that can be mapped.
    pub fields: &'static [DialectField],
    /// A mapping must contain at least one attribute of each group.
    pub required: &'static [&'static [&'static str]],
    /// Whether an account may have an `externalId` in place of a `userName`.
    pub nameless: bool,
    /// Attributes that can't be changed after creation.
    pub immutable: &'static [&'static str],
    /// Top-level attributes of the server, which are never sent back.
    pub read_only: &'static [&'static str],
    /// Extension and attribute that tell whether the account can be deleted.
    pub can_delete: Option<(&'static str, &'static str)>,
    /// Effect of PUT on attributes that the body lacks.
    pub put: DialectPut,
    /// Whether PATCH exists. Where PUT replaces, PATCH is preferred: it can't lose unmentioned attributes.
    pub patch: DialectPatch,
    /// Effect of DELETE.
    pub delete: DialectDelete,
    /// JSON form of a reference to an account.
    pub ids: AccountIdForm,
    /// Accounts requested per page.
    pub page_size: u32,
    /// Documented limits of calls.
    pub budget: CallBudget,
    /// Days without a call after which a keep-alive call is due, if the target deactivates idle integrations.
    pub keep_alive_days: Option<u32>,
}

/// Limits of calls, in calls a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallBudget {
    /// No limit is known.
    Unlimited,
    /// One limit for all calls.
    Shared(u32),
    /// A limit for each method, where the target counts reads and writes apart.
    PerMethod {
        /// Limit of GET.
        reads: u32,
        /// Limit of POST, PUT, PATCH and DELETE.
        writes: u32,
    },
}

/// Effect of PUT on attributes that the body lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialectPut {
    /// They are kept.
    Merges,
    /// They are removed (RFC 7644, 3.5.1), so they must be sent back as read.
    Replaces,
}

/// Effect of DELETE on an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialectDelete {
    /// The account is deleted, unless the server refuses.
    Deletes,
    /// The account is deactivated and kept.
    Deactivates,
}

/// Whether a server supports PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialectPatch {
    /// Supported.
    Always,
    /// Not supported.
    Never,
    /// As announced in `ServiceProviderConfig` (RFC 7643, section 5). From such a server the client also reads the path
    /// of its accounts, its attributes and its filter support.
    Announced,
}

/// JSON form of an account id in a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountIdForm {
    /// JSON number if the id is one, else text.
    Number,
    /// Always text.
    Text,
}

impl Dialect {
    /// Value kind of a mappable attribute; `None` for unknown names, and for `userName` and `active`, which are fields
    /// of [`DesiredUser`](model::DesiredUser).
    pub fn kind_of(&self, attribute: &str) -> Option<ValueKind> {
        self.field(attribute).map(|field| field.kind)
    }

    /// Names of all mappable attributes except `userName`, in the order of the table.
    pub fn attributes(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.name)
    }

    /// Up to three attribute names similar to a misspelt one, the most similar first.
    pub fn nearest(&self, attribute: &str) -> Vec<&'static str> {
        const MIN_SIMILARITY: f64 = 0.75;
        let wanted = attribute.to_lowercase();
        let mut near: Vec<(f64, &str)> = std::iter::once("userName")
            .chain(self.attributes())
            .map(|name| (similarity(&wanted, name), name))
            .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
            .collect();
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        near.into_iter().take(3).map(|(_, name)| name).collect()
    }

    /// Checks that a mapping contains the required attributes. `userName`, which every dialect requires, is checked by the
    /// configuration.
    pub fn check_mapping(&self, mapped: &[&str]) -> Result<(), String> {
        let is_missing = |one_of: &&&[&str]| !mapped.iter().any(|name| one_of.contains(name));
        let Some(one_of) = self.required.iter().find(is_missing) else { return Ok(()) };
        let name = self.name;
        Err(match one_of {
            [one] => format!("the {name} target requires {one} for every account; map it"),
            several => {
                format!(
                    "the {name} target requires one of these for every account; map {}",
                    several.join(" or ")
                )
            }
        })
    }

    /// The attribute with this name.
    pub fn field(&self, attribute: &str) -> Option<&'static DialectField> {
        self.fields.iter().find(|field| field.name == attribute)
    }
}

/// Similarity of two names, from 0 to 1. The last part of a name is compared on its own too, so that `startDate` finds
/// the attribute with this end of the full name.
fn similarity(wanted: &str, name: &str) -> f64 {
    let name = name.to_lowercase();
    let last = name.rsplit([':', '.']).next().unwrap_or(&name);
    strsim::jaro_winkler(wanted, &name).max(strsim::jaro_winkler(wanted, last) * 0.99)
}
