//! Attributes that dialects share, and the construction of their tables.

use model::ValueKind;

use crate::field::{DialectClear, DialectField};

/// Core attributes of RFC 7643 that all dialects have in the same place.
pub(crate) const COMMON: &[DialectField] = &[
    DialectField::part("name.givenName", "name", "givenName"),
    DialectField::part("name.familyName", "name", "familyName"),
    DialectField::part("name.middleName", "name", "middleName"),
    DialectField::part("name.honorificPrefix", "name", "honorificPrefix"),
    DialectField::part("name.honorificSuffix", "name", "honorificSuffix"),
    DialectField::text("displayName"),
    DialectField::text("nickName"),
    DialectField::text("profileUrl"),
    DialectField::text("title"),
    DialectField::text("userType"),
    DialectField::text("preferredLanguage"),
    DialectField::text("locale"),
    DialectField::text("timezone"),
    // Types are RFC 7643's where Workplace's are not recorded \[inferred\]. Recorded are phone numbers \[sample\] and the
    // work address \[sample\], which Workplace shows as the location \[doc\].
    DialectField::typed("emails.work", "emails", "work", "value"),
    DialectField::typed("emails.home", "emails", "home", "value"),
    DialectField::typed("emails.other", "emails", "other", "value"),
    DialectField::typed("phoneNumbers.work", "phoneNumbers", "work", "value"),
    DialectField::typed("phoneNumbers.mobile", "phoneNumbers", "mobile", "value"),
    DialectField::typed("phoneNumbers.home", "phoneNumbers", "home", "value"),
    DialectField::typed("phoneNumbers.fax", "phoneNumbers", "fax", "value"),
    DialectField::typed("addresses.work.formatted", "addresses", "work", "formatted"),
    DialectField::typed("addresses.work.streetAddress", "addresses", "work", "streetAddress"),
    DialectField::typed("addresses.work.locality", "addresses", "work", "locality"),
    DialectField::typed("addresses.work.region", "addresses", "work", "region"),
    DialectField::typed("addresses.work.postalCode", "addresses", "work", "postalCode"),
    DialectField::typed("addresses.work.country", "addresses", "work", "country"),
    DialectField::typed("addresses.home.formatted", "addresses", "home", "formatted"),
    DialectField::typed("addresses.home.streetAddress", "addresses", "home", "streetAddress"),
    DialectField::typed("addresses.home.locality", "addresses", "home", "locality"),
    DialectField::typed("addresses.home.region", "addresses", "home", "region"),
    DialectField::typed("addresses.home.postalCode", "addresses", "home", "postalCode"),
    DialectField::typed("addresses.home.country", "addresses", "home", "country"),
    DialectField::typed("addresses.other.formatted", "addresses", "other", "formatted"),
    DialectField::typed("addresses.other.streetAddress", "addresses", "other", "streetAddress"),
    DialectField::typed("addresses.other.locality", "addresses", "other", "locality"),
    DialectField::typed("addresses.other.region", "addresses", "other", "region"),
    DialectField::typed("addresses.other.postalCode", "addresses", "other", "postalCode"),
    DialectField::typed("addresses.other.country", "addresses", "other", "country"),
];

/// Enterprise extension with its URN, and the sub-attribute of `manager` that contains the manager's account id.
pub(crate) const fn enterprise(urn: &'static str, manager_part: &'static str) -> [DialectField; 6] {
    [
        DialectField::text("employeeNumber").of(urn),
        DialectField::text("costCenter").of(urn),
        DialectField::text("organization").of(urn),
        DialectField::text("division").of(urn),
        DialectField::text("department").of(urn),
        DialectField::part("manager", "manager", manager_part)
            .of(urn)
            .takes(ValueKind::Reference)
            .cleared(DialectClear::Omit),
    ]
}

/// Joins tables at compile time. A wrong length doesn't compile.
#[expect(clippy::indexing_slicing, reason = "an index out of bounds is a compile error here")]
pub(crate) const fn joined<const N: usize>(tables: &[&[DialectField]]) -> [DialectField; N] {
    let mut all = [DialectField::text(""); N];
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
    assert!(at == N, "the table is shorter than declared");
    all
}
