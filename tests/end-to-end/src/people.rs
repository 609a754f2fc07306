//! People and groups, generated from a seed, and their LDIF.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use crate::{
    ADMIN_DN, BASE_DN, GROUPS_DN, PEOPLE_DN, READER_DN,
    people_names::{CITIES, DEPARTMENTS, FAMILY, GIVEN},
    random::SeededRandom,
};

/// One inetOrgPerson. A test changes fields before adding the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonEntry {
    /// The naming attribute.
    pub uid: String,
    /// givenName.
    pub given_name: String,
    /// sn.
    pub family_name: String,
    /// mail.
    pub mail: String,
    /// title.
    pub title: String,
    /// The organisational unit below [`PEOPLE_DN`], as in `engineering`.
    pub unit: String,
    /// departmentNumber.
    pub department_number: String,
    /// telephoneNumber.
    pub telephone: Option<String>,
    /// mobile.
    pub mobile: Option<String>,
    /// l.
    pub city: String,
    /// employeeNumber.
    pub employee_number: String,
    /// employeeType: `active` or `disabled`.
    pub employee_type: String,
    /// manager: a DN.
    pub manager: Option<String>,
}

impl PersonEntry {
    /// DN of the entry.
    pub fn dn(&self) -> String {
        format!("uid={},ou={},{PEOPLE_DN}", self.uid, self.unit)
    }

    /// cn.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// The entry's attributes, object classes first.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        // Destructured, so that a new field breaks the build.
        let Self {
            uid,
            given_name,
            family_name,
            mail,
            title,
            unit: _,
            department_number,
            telephone,
            mobile,
            city,
            employee_number,
            employee_type,
            manager,
        } = self;
        let always = [
            ("objectClass", "inetOrgPerson".to_owned()),
            ("uid", uid.clone()),
            ("cn", self.name()),
            ("givenName", given_name.clone()),
            ("sn", family_name.clone()),
            ("mail", mail.clone()),
            ("title", title.clone()),
            ("departmentNumber", department_number.clone()),
            ("l", city.clone()),
            ("employeeNumber", employee_number.clone()),
            ("employeeType", employee_type.clone()),
        ];
        let sometimes = [("telephoneNumber", telephone), ("mobile", mobile), ("manager", manager)];
        let sometimes = sometimes.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        always.into_iter().chain(sometimes).collect()
    }
}

/// One groupOfNames below [`GROUPS_DN`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// cn.
    pub name: String,
    /// DNs of the members. The schema requires one, so an empty group gets the administrator.
    pub members: Vec<String>,
}

impl GroupEntry {
    /// The group `name` with these members.
    pub fn of<'a>(name: &str, people: impl IntoIterator<Item = &'a PersonEntry>) -> Self {
        Self { name: name.to_owned(), members: people.into_iter().map(PersonEntry::dn).collect() }
    }

    /// Where the entry is.
    pub fn dn(&self) -> String {
        format!("cn={},{GROUPS_DN}", self.name)
    }

    /// Values of `member`.
    pub fn member_values(&self) -> Vec<&str> {
        if self.members.is_empty() {
            vec![ADMIN_DN]
        } else {
            self.members.iter().map(String::as_str).collect()
        }
    }
}

/// Generates `count` people, the same for the same seed. Most have a manager among the people before them, a few are
/// disabled, and user names and mail addresses are unique.
pub fn generate(count: usize, seed: u64) -> Vec<PersonEntry> {
    let mut random = SeededRandom::seeded(seed);
    let mut namesakes = HashMap::<String, usize>::new();
    let mut people = Vec::<PersonEntry>::with_capacity(count);
    for index in 0..count {
        let (given_name, given_letters) = random.pick(GIVEN);
        let (family_name, family_letters) = random.pick(FAMILY);
        let (unit, department_number, titles) = random.pick(DEPARTMENTS);
        let namesake = namesakes.entry(format!("{given_letters}.{family_letters}")).or_default();
        *namesake += 1;
        let suffix = if *namesake == 1 { String::new() } else { namesake.to_string() };
        // The first person has no manager; nine of ten others report to an earlier person.
        let manager = (index > 0 && random.chance(90)).then(|| people[(index - 1) / 8].dn());
        people.push(PersonEntry {
            uid: format!("{given_letters}.{family_letters}{suffix}"),
            given_name: given_name.to_owned(),
            family_name: family_name.to_owned(),
            mail: format!("{given_letters}.{family_letters}{suffix}@acme.test"),
            title: random.pick(titles).to_owned(),
            unit: unit.to_owned(),
            department_number: department_number.to_owned(),
            telephone: random.chance(80).then(|| format!("+49 30 5550 {index:05}")),
            mobile: random.chance(60).then(|| format!("+49 170 555 {index:05}")),
            city: random.pick(CITIES).to_owned(),
            employee_number: format!("{:06}", 100_000 + index),
            employee_type: if random.chance(4) { "disabled" } else { "active" }.to_owned(),
            manager,
        });
    }
    people
}

/// Generates people that are all enabled.
pub fn enabled(count: usize, seed: u64) -> Vec<PersonEntry> {
    let mut people = generate(count, seed);
    people.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
    people
}

/// [`enabled`] with the seed that most tests use.
pub fn enabled_people(count: usize) -> Vec<PersonEntry> {
    enabled(count, 1)
}

/// The whole directory as LDIF: the base, the reader with `reader_password`, the units, the people, the groups.
///
/// The bulk loader runs no overlay, so `memberOf` is written out.
pub fn ldif(people: &[PersonEntry], groups: &[GroupEntry], reader_password: &str) -> String {
    let mut out = String::new();
    entry(
        &mut out,
        BASE_DN,
        [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "acme"), ("o", "Acme")],
    );
    entry(
        &mut out,
        READER_DN,
        [
            ("objectClass", "organizationalRole"),
            ("objectClass", "simpleSecurityObject"),
            ("cn", "reader"),
            ("userPassword", reader_password),
        ],
    );
    for (dn, name) in [(PEOPLE_DN, "people"), (GROUPS_DN, "groups")] {
        entry(&mut out, dn, [("objectClass", "organizationalUnit"), ("ou", name)]);
    }
    let mut units: Vec<&str> = DEPARTMENTS.iter().map(|(unit, ..)| *unit).collect();
    units.extend(people.iter().map(|person| person.unit.as_str()));
    units.sort_unstable();
    units.dedup();
    for unit in units {
        entry(
            &mut out,
            &format!("ou={unit},{PEOPLE_DN}"),
            [("objectClass", "organizationalUnit"), ("ou", unit)],
        );
    }

    let mut groups_of = BTreeMap::<&str, Vec<String>>::new();
    for group in groups {
        for member in &group.members {
            groups_of.entry(member).or_default().push(group.dn());
        }
    }
    for person in people {
        let dn = person.dn();
        let attributes = person.attributes();
        let groups = groups_of.get(dn.as_str()).into_iter().flatten();
        let attributes = attributes.iter().map(|(name, value)| (*name, value.as_str()));
        entry(&mut out, &dn, attributes.chain(groups.map(|group| ("memberOf", group.as_str()))));
    }
    for group in groups {
        let members = group.member_values().into_iter().map(|member| ("member", member));
        let naming = [("objectClass", "groupOfNames"), ("cn", group.name.as_str())];
        entry(&mut out, &group.dn(), naming.into_iter().chain(members));
    }
    out
}

fn entry<'a>(out: &mut String, dn: &str, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let _ = writeln!(out, "dn: {dn}");
    for (name, value) in attributes {
        let _ = writeln!(out, "{name}: {value}");
    }
    out.push('\n');
}
