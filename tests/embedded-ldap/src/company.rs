//! Example company for the demo and for tests: twelve people in a tree of departments, eight of them in the group for
//! users with an account.
//!
//! It includes names beyond ASCII, a comma inside a DN, a disabled user, a user without a phone, and managers. The constants
//! name the entries that a demo or a test changes.
//!
//! Attributes of a person: `objectClass`, `cn`, `givenName`, `sn`, `displayName`, `uid`, `mail`, `title`,
//! `departmentNumber`, `l`, `employeeNumber`, `employeeType` (`active` or `disabled`), and optionally `telephoneNumber`,
//! `mobile` and `manager`.

use anyhow::Result;

use crate::server::EmbeddedLdap;

/// The suffix of the tree, as in the default [`LdapOptions`](crate::LdapOptions).
pub const BASE: &str = "dc=acme,dc=test";

/// Parent of people and departments, which nest up to two levels deep.
pub const PEOPLE: &str = "ou=people,dc=acme,dc=test";

/// Department of [`GRACE`].
pub const ENGINEERING: &str = "ou=engineering,ou=people,dc=acme,dc=test";

/// Team inside engineering, on the third level of the tree.
pub const PLATFORM: &str = "ou=platform,ou=engineering,ou=people,dc=acme,dc=test";

/// Other team inside engineering, to which members of [`PLATFORM`] can move.
pub const APPS: &str = "ou=apps,ou=engineering,ou=people,dc=acme,dc=test";

/// Sales department, with the DN that contains a comma.
pub const SALES: &str = "ou=sales,ou=people,dc=acme,dc=test";

/// Parent of the groups.
pub const GROUPS: &str = "ou=groups,dc=acme,dc=test";

/// Group of the users with an account: [`MARGARET`], [`GRACE`], [`JOSE`], [`ZOE`], [`TOMASZ`], [`AISHA`],
/// [`SIOBHAN`] and the disabled [`LARS`].
pub const WORKPLACE: &str = "cn=workplace,ou=groups,dc=acme,dc=test";

/// Group without an effect, so that `memberOf` has several values.
pub const ENGINEERS: &str = "cn=engineers,ou=groups,dc=acme,dc=test";

/// Chief executive: no manager, and manager of the department heads.
pub const MARGARET: &str = "uid=margaret,ou=people,dc=acme,dc=test";

/// Head of engineering, manager of four. The demo changes her title.
pub const GRACE: &str = "uid=grace,ou=engineering,ou=people,dc=acme,dc=test";

/// Platform engineer with accents in the name. The demo deletes the entry.
pub const JOSE: &str = "uid=jose,ou=platform,ou=engineering,ou=people,dc=acme,dc=test";

/// Platform engineer, renamed or moved by tests.
pub const ZOE: &str = "uid=zoe,ou=platform,ou=engineering,ou=people,dc=acme,dc=test";

/// App developer. The demo removes him from the group.
pub const TOMASZ: &str = "uid=tomasz,ou=apps,ou=engineering,ou=people,dc=acme,dc=test";

/// Head of sales. The demo sets her `employeeType` to `disabled`.
pub const AISHA: &str = "uid=aisha,ou=sales,ou=people,dc=acme,dc=test";

/// Account manager with an escaped comma and a letter beyond ASCII in the DN.
pub const SIOBHAN: &str = "cn=O'Brien\\, Siobhán,ou=sales,ou=people,dc=acme,dc=test";

/// Member of the group, disabled from the start.
pub const LARS: &str = "uid=lars,ou=sales,ou=people,dc=acme,dc=test";

/// Active, not in the group. The demo adds her to it.
pub const WEI: &str = "uid=wei,ou=apps,ou=engineering,ou=people,dc=acme,dc=test";

/// Head of finance; not in the group.
pub const FATIMA: &str = "uid=fatima,ou=finance,ou=people,dc=acme,dc=test";

/// Accountant under [`FATIMA`]; not in the group, and without a phone.
pub const NOAH: &str = "uid=noah,ou=finance,ou=people,dc=acme,dc=test";

/// Customer support in Montréal; not in the group.
pub const RENEE: &str = "uid=renee,ou=sales,ou=people,dc=acme,dc=test";

const FINANCE: &str = "ou=finance,ou=people,dc=acme,dc=test";

/// DN, uid, given name, surname, title, department, city, last digits of both phones, manager, status.
type StaffRow = (&'static str, [&'static str; 6], Option<&'static str>, Option<&'static str>, &'static str);

/// Managers come before their reports.
#[rustfmt::skip]
const STAFF: [StaffRow; 12] = [
    (MARGARET, ["margaret", "Margaret", "Lindqvist", "Chief Executive Officer", "Management", "London"], Some("101"), None, "active"),
    (GRACE, ["grace", "Grace", "Okafor", "Head of Engineering", "Engineering", "London"], Some("102"), Some(MARGARET), "active"),
    (JOSE, ["jose", "José", "Muñoz", "Platform Engineer", "Platform", "Málaga"], Some("103"), Some(GRACE), "active"),
    (ZOE, ["zoe", "Zoë", "Krüger", "Site Reliability Engineer", "Platform", "Köln"], Some("104"), Some(GRACE), "active"),
    (TOMASZ, ["tomasz", "Tomasz", "Wójcik", "App Developer", "Apps", "Łódź"], Some("105"), Some(GRACE), "active"),
    (AISHA, ["aisha", "Aisha", "Rahman", "Head of Sales", "Sales", "London"], Some("106"), Some(MARGARET), "active"),
    (SIOBHAN, ["siobhan", "Siobhán", "O'Brien", "Account Manager", "Sales", "Dublin"], Some("107"), Some(AISHA), "active"),
    (LARS, ["lars", "Lars", "Åkesson", "Account Manager", "Sales", "Malmö"], Some("108"), Some(AISHA), "disabled"),
    (WEI, ["wei", "伟", "张", "App Developer", "Apps", "London"], Some("109"), Some(GRACE), "active"),
    (FATIMA, ["fatima", "Fatima", "Benali", "Head of Finance", "Finance", "London"], Some("110"), Some(MARGARET), "active"),
    (NOAH, ["noah", "Noah", "Fischer", "Accountant", "Finance", "London"], None, Some(FATIMA), "active"),
    (RENEE, ["renee", "Renée", "Dubois", "Customer Support", "Sales", "Montréal"], Some("112"), Some(AISHA), "active"),
];

/// Adds the company to a server with the default base.
pub fn populate(server: &EmbeddedLdap) -> Result<()> {
    for (dn, name) in [
        (PEOPLE, "people"),
        (ENGINEERING, "engineering"),
        (PLATFORM, "platform"),
        (APPS, "apps"),
        (SALES, "sales"),
        (FINANCE, "finance"),
        (GROUPS, "groups"),
    ] {
        server.add(dn, &[("objectClass", &["top", "organizationalUnit"]), ("ou", &[name])])?;
    }
    for (number, row) in (1001..).zip(&STAFF) {
        hire(server, row, number)?;
    }
    let workplace = [MARGARET, GRACE, JOSE, ZOE, TOMASZ, AISHA, SIOBHAN, LARS];
    let engineers = [GRACE, JOSE, ZOE, TOMASZ, WEI];
    form_group(server, WORKPLACE, "Has an account on Workplace", &workplace)?;
    form_group(server, ENGINEERS, "All of engineering", &engineers)
}

fn hire(server: &EmbeddedLdap, row: &StaffRow, number: u32) -> Result<()> {
    let (dn, [uid, given_name, surname, title, department, city], phone, manager, status) = *row;
    let full_name = format!("{given_name} {surname}");
    let mail = format!("{uid}@acme.test");
    let number = number.to_string();
    server.add(
        dn,
        &[
            ("objectClass", &["top", "person", "organizationalPerson", "inetOrgPerson"]),
            ("uid", &[uid]),
            ("cn", &[&full_name]),
            ("displayName", &[&full_name]),
            ("givenName", &[given_name]),
            ("sn", &[surname]),
            ("mail", &[&mail]),
            ("title", &[title]),
            ("departmentNumber", &[department]),
            ("l", &[city]),
            ("employeeNumber", &[&number]),
            ("employeeType", &[status]),
        ],
    )?;
    if let Some(digits) = phone {
        server.set(dn, "telephoneNumber", &[&format!("+44 20 7946 0{digits}")])?;
        server.set(dn, "mobile", &[&format!("+44 7700 900{digits}")])?;
    }
    if let Some(manager) = manager {
        server.set(dn, "manager", &[manager])?;
    }
    Ok(())
}

fn form_group(server: &EmbeddedLdap, dn: &str, description: &str, members: &[&str]) -> Result<()> {
    server.add(
        dn,
        &[("objectClass", &["top", "groupOfNames"]), ("description", &[description]), ("member", members)],
    )
}
