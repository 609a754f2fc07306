//! What several dialects have in common, and how their tables are put together.

use model::ValueKind;

use super::{Clear, Field};

/// RFC 7643's core attributes, as far as all dialects have them in the same place.
pub(super) const COMMON: &[Field] = &[
    Field::part("name.givenName", "name", "givenName"),
    Field::part("name.familyName", "name", "familyName"),
    Field::part("name.middleName", "name", "middleName"),
    Field::part("name.honorificPrefix", "name", "honorificPrefix"),
    Field::part("name.honorificSuffix", "name", "honorificSuffix"),
    Field::text("displayName"),
    Field::text("nickName"),
    Field::text("profileUrl"),
    Field::text("title"),
    Field::text("userType"),
    Field::text("preferredLanguage"),
    Field::text("locale"),
    Field::text("timezone"),
    // The types are RFC 7643's where Workplace's own are not recorded \[inferred\]; for phone numbers they are
    // \[sample\], and so is the address of type work, which people see as their location \[doc\].
    Field::typed("emails.work", "emails", "work", "value"),
    Field::typed("emails.home", "emails", "home", "value"),
    Field::typed("emails.other", "emails", "other", "value"),
    Field::typed("phoneNumbers.work", "phoneNumbers", "work", "value"),
    Field::typed("phoneNumbers.mobile", "phoneNumbers", "mobile", "value"),
    Field::typed("phoneNumbers.home", "phoneNumbers", "home", "value"),
    Field::typed("phoneNumbers.fax", "phoneNumbers", "fax", "value"),
    Field::typed("addresses.work.formatted", "addresses", "work", "formatted"),
    Field::typed("addresses.work.streetAddress", "addresses", "work", "streetAddress"),
    Field::typed("addresses.work.locality", "addresses", "work", "locality"),
    Field::typed("addresses.work.region", "addresses", "work", "region"),
    Field::typed("addresses.work.postalCode", "addresses", "work", "postalCode"),
    Field::typed("addresses.work.country", "addresses", "work", "country"),
    Field::typed("addresses.home.formatted", "addresses", "home", "formatted"),
    Field::typed("addresses.home.streetAddress", "addresses", "home", "streetAddress"),
    Field::typed("addresses.home.locality", "addresses", "home", "locality"),
    Field::typed("addresses.home.region", "addresses", "home", "region"),
    Field::typed("addresses.home.postalCode", "addresses", "home", "postalCode"),
    Field::typed("addresses.home.country", "addresses", "home", "country"),
    Field::typed("addresses.other.formatted", "addresses", "other", "formatted"),
    Field::typed("addresses.other.streetAddress", "addresses", "other", "streetAddress"),
    Field::typed("addresses.other.locality", "addresses", "other", "locality"),
    Field::typed("addresses.other.region", "addresses", "other", "region"),
    Field::typed("addresses.other.postalCode", "addresses", "other", "postalCode"),
    Field::typed("addresses.other.country", "addresses", "other", "country"),
];

/// The enterprise extension under its URN, and the part of `manager` that holds the manager's account.
pub(super) const fn enterprise(urn: &'static str, manager_part: &'static str) -> [Field; 6] {
    [
        Field::text("employeeNumber").of(urn),
        Field::text("costCenter").of(urn),
        Field::text("organization").of(urn),
        Field::text("division").of(urn),
        Field::text("department").of(urn),
        Field::part("manager", "manager", manager_part)
            .of(urn)
            .takes(ValueKind::Reference)
            .cleared(Clear::Omit),
    ]
}

/// Several tables as one, made when this is compiled. A wrong length doesn't compile.
#[expect(clippy::indexing_slicing, reason = "out of bounds is an error of compilation here")]
pub(super) const fn joined<const N: usize>(tables: &[&[Field]]) -> [Field; N] {
    let mut all = [Field::text(""); N];
    let (mut table, mut at) = (0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            all[at] = tables[table][row];
            row += 1;
            at += 1;
        }
        table += 1;
    }
    assert!(at == N, "the table is shorter than it says");
    all
}
