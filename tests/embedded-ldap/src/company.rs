//! A believable small company for the demo: a dozen people in a tree of departments, eight of them in the group that
//! decides who gets an account.
//!
//! The people carry what makes real directories hard: names beyond ASCII, a comma inside a DN, somebody disabled, somebody
//! without a phone, managers that are other entries. The constants name whom a demo or a test is likely to change.
//!
//! Attributes of a person: `objectClass`, `cn`, `givenName`, `sn`, `displayName`, `uid`, `mail`, `title`,
//! `departmentNumber`, `l`, `employeeNumber`, `employeeType` (`active` or `disabled`), and where there is one
//! `telephoneNumber`, `mobile` and `manager`.

use anyhow::Result;

use crate::server::EmbeddedLdap;

/// The suffix of the tree, as in the default [`LdapOptions`](crate::LdapOptions).
pub const BASE: &str = "dc=acme,dc=test";

/// Where the people are; their departments lie below it, up to two levels deep.
pub const PEOPLE: &str = "ou=people,dc=acme,dc=test";

/// The department that [`GRACE`] leads.
pub const ENGINEERING: &str = "ou=engineering,ou=people,dc=acme,dc=test";

/// A team inside engineering, and so the third level of the tree.
pub const PLATFORM: &str = "ou=platform,ou=engineering,ou=people,dc=acme,dc=test";

/// The other team inside engineering: where somebody from [`PLATFORM`] can move to.
pub const APPS: &str = "ou=apps,ou=engineering,ou=people,dc=acme,dc=test";

/// The sales department, where the DN with the comma lives.
pub const SALES: &str = "ou=sales,ou=people,dc=acme,dc=test";

/// Where the groups are.
pub const GROUPS: &str = "ou=groups,dc=acme,dc=test";

/// The group whose members get an account: [`MARGARET`], [`GRACE`], [`JOSE`], [`ZOE`], [`TOMASZ`], [`AISHA`],
/// [`SIOBHAN`] and the disabled [`LARS`].
pub const WORKPLACE: &str = "cn=workplace,ou=groups,dc=acme,dc=test";

/// A group that decides nothing, so that `memberOf` has more than one value for somebody.
pub const ENGINEERS: &str = "cn=engineers,ou=groups,dc=acme,dc=test";

/// The chief executive, who has no manager and manages the department heads.
pub const MARGARET: &str = "uid=margaret,ou=people,dc=acme,dc=test";

/// The head of engineering, manager of three. The demo promotes her: her title changes.
pub const GRACE: &str = "uid=grace,ou=engineering,ou=people,dc=acme,dc=test";

/// A platform engineer, whose name has accents. The demo deletes him: he leaves the company.
pub const JOSE: &str = "uid=jose,ou=platform,ou=engineering,ou=people,dc=acme,dc=test";

/// A platform engineer, who marries or changes teams: her name changes, or her place in the tree.
pub const ZOE: &str = "uid=zoe,ou=platform,ou=engineering,ou=people,dc=acme,dc=test";

/// An app developer. The demo takes him out of the group.
pub const TOMASZ: &str = "uid=tomasz,ou=apps,ou=engineering,ou=people,dc=acme,dc=test";

/// The head of sales. The demo disables her: her `employeeType` becomes `disabled`.
pub const AISHA: &str = "uid=aisha,ou=sales,ou=people,dc=acme,dc=test";

/// An account manager, whose DN holds an escaped comma and a letter beyond ASCII.
pub const SIOBHAN: &str = "cn=O'Brien\\, Siobhán,ou=sales,ou=people,dc=acme,dc=test";

/// In the group, but disabled from the start: on parental leave.
pub const LARS: &str = "uid=lars,ou=sales,ou=people,dc=acme,dc=test";

/// Active and not in the group. The demo adds her: the newcomer.
pub const WEI: &str = "uid=wei,ou=apps,ou=engineering,ou=people,dc=acme,dc=test";

/// Keeps the books; not in the group.
pub const FATIMA: &str = "uid=fatima,ou=finance,ou=people,dc=acme,dc=test";

/// Works in finance under [`FATIMA`]; not in the group, and without a phone.
pub const NOAH: &str = "uid=noah,ou=finance,ou=people,dc=acme,dc=test";

/// Helps customers, from Montréal; not in the group.
pub const RENEE: &str = "uid=renee,ou=sales,ou=people,dc=acme,dc=test";

const FINANCE: &str = "ou=finance,ou=people,dc=acme,dc=test";

struct Person {
    dn: &'static str,
    uid: &'static str,
    given_name: &'static str,
    surname: &'static str,
    title: &'static str,
    department: &'static str,
    city: &'static str,
    phones: Option<(&'static str, &'static str)>,
    manager: Option<&'static str>,
    status: &'static str,
}

/// Managers come before those they manage, as they would in a company that grew.
const STAFF: [Person; 12] = [
    Person {
        dn: MARGARET,
        uid: "margaret",
        given_name: "Margaret",
        surname: "Lindqvist",
        title: "Chief Executive Officer",
        department: "Management",
        city: "London",
        phones: Some(("+44 20 7946 0101", "+44 7700 900101")),
        manager: None,
        status: "active",
    },
    Person {
        dn: GRACE,
        uid: "grace",
        given_name: "Grace",
        surname: "Okafor",
        title: "Head of Engineering",
        department: "Engineering",
        city: "London",
        phones: Some(("+44 20 7946 0102", "+44 7700 900102")),
        manager: Some(MARGARET),
        status: "active",
    },
    Person {
        dn: JOSE,
        uid: "jose",
        given_name: "José",
        surname: "Muñoz",
        title: "Platform Engineer",
        department: "Platform",
        city: "Málaga",
        phones: Some(("+44 20 7946 0103", "+44 7700 900103")),
        manager: Some(GRACE),
        status: "active",
    },
    Person {
        dn: ZOE,
        uid: "zoe",
        given_name: "Zoë",
        surname: "Krüger",
        title: "Site Reliability Engineer",
        department: "Platform",
        city: "Köln",
        phones: Some(("+44 20 7946 0104", "+44 7700 900104")),
        manager: Some(GRACE),
        status: "active",
    },
    Person {
        dn: TOMASZ,
        uid: "tomasz",
        given_name: "Tomasz",
        surname: "Wójcik",
        title: "App Developer",
        department: "Apps",
        city: "Łódź",
        phones: Some(("+44 20 7946 0105", "+44 7700 900105")),
        manager: Some(GRACE),
        status: "active",
    },
    Person {
        dn: AISHA,
        uid: "aisha",
        given_name: "Aisha",
        surname: "Rahman",
        title: "Head of Sales",
        department: "Sales",
        city: "London",
        phones: Some(("+44 20 7946 0106", "+44 7700 900106")),
        manager: Some(MARGARET),
        status: "active",
    },
    Person {
        dn: SIOBHAN,
        uid: "siobhan",
        given_name: "Siobhán",
        surname: "O'Brien",
        title: "Account Manager",
        department: "Sales",
        city: "Dublin",
        phones: Some(("+44 20 7946 0107", "+44 7700 900107")),
        manager: Some(AISHA),
        status: "active",
    },
    Person {
        dn: LARS,
        uid: "lars",
        given_name: "Lars",
        surname: "Åkesson",
        title: "Account Manager",
        department: "Sales",
        city: "Malmö",
        phones: Some(("+44 20 7946 0108", "+44 7700 900108")),
        manager: Some(AISHA),
        status: "disabled",
    },
    Person {
        dn: WEI,
        uid: "wei",
        given_name: "伟",
        surname: "张",
        title: "App Developer",
        department: "Apps",
        city: "London",
        phones: Some(("+44 20 7946 0109", "+44 7700 900109")),
        manager: Some(GRACE),
        status: "active",
    },
    Person {
        dn: FATIMA,
        uid: "fatima",
        given_name: "Fatima",
        surname: "Benali",
        title: "Head of Finance",
        department: "Finance",
        city: "London",
        phones: Some(("+44 20 7946 0110", "+44 7700 900110")),
        manager: Some(MARGARET),
        status: "active",
    },
    Person {
        dn: NOAH,
        uid: "noah",
        given_name: "Noah",
        surname: "Fischer",
        title: "Accountant",
        department: "Finance",
        city: "London",
        phones: None,
        manager: Some(FATIMA),
        status: "active",
    },
    Person {
        dn: RENEE,
        uid: "renee",
        given_name: "Renée",
        surname: "Dubois",
        title: "Customer Support",
        department: "Sales",
        city: "Montréal",
        phones: Some(("+44 20 7946 0112", "+44 7700 900112")),
        manager: Some(AISHA),
        status: "active",
    },
];

/// Fills a server that has the default base with the company.
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
    for (number, person) in (1001..).zip(&STAFF) {
        hire(server, person, number)?;
    }
    let workplace = [MARGARET, GRACE, JOSE, ZOE, TOMASZ, AISHA, SIOBHAN, LARS];
    let engineers = [GRACE, JOSE, ZOE, TOMASZ, WEI];
    form_group(server, WORKPLACE, "Has an account on Workplace", &workplace)?;
    form_group(server, ENGINEERS, "Everybody in engineering", &engineers)
}

fn hire(server: &EmbeddedLdap, person: &Person, number: u32) -> Result<()> {
    let Person { dn, uid, given_name, surname, title, department, city, phones, manager, status } = *person;
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
    if let Some((desk, mobile)) = phones {
        server.set(dn, "telephoneNumber", &[desk])?;
        server.set(dn, "mobile", &[mobile])?;
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
