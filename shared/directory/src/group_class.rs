//! Classes of groups in every product, and the attributes that list their members.

use bytes::Bytes;
use model::Attributes;

/// Class of groups.
pub(crate) struct GroupClass {
    name: &'static str,
    /// Attribute that lists the members.
    pub(crate) member: &'static str,
    /// Whether the attribute holds the DNs of the members, so that a group can contain groups.
    has_dns: bool,
    /// Whether the standard demands a member. Some products relax it in their schema.
    demands_member: bool,
}

const fn class(name: &'static str, member: &'static str) -> GroupClass {
    GroupClass { name, member, has_dns: true, demands_member: false }
}

/// All classes: of Active Directory, RFC 4519, RFC 2307 and its successor, and of groups without the demand for a member.
const CLASSES: [GroupClass; 7] = [
    class("group", "member"),
    GroupClass { demands_member: true, ..class("groupOfNames", "member") },
    GroupClass { demands_member: true, ..class("groupOfUniqueNames", "uniqueMember") },
    class("groupOfMembers", "member"),
    class("groupOfEntries", "member"),
    GroupClass { has_dns: false, ..class("groupOfURLs", "memberURL") },
    GroupClass { has_dns: false, ..class("posixGroup", "memberUid") },
];

pub(crate) const OBJECT_CLASS: &str = "objectClass";

/// Filter that matches groups of every product.
pub(crate) fn any_group() -> String {
    let conditions = CLASSES.iter().map(|class| format!("({OBJECT_CLASS}={})", class.name));
    format!("(|{})", conditions.collect::<String>())
}

/// Classes of groups among the classes of an entry.
pub(crate) fn of_entry(attributes: &Attributes) -> impl Iterator<Item = &'static GroupClass> {
    let has = |name: &str| {
        let is_it = |class: &Bytes| class.eq_ignore_ascii_case(name.as_bytes());
        attributes.all(OBJECT_CLASS).iter().any(is_it)
    };
    CLASSES.iter().filter(move |class| has(class.name))
}

/// Attributes by which a group of these classes lists DNs.
pub(crate) fn dn_lists(attributes: &Attributes) -> Vec<&'static str> {
    let mut lists: Vec<&str> =
        of_entry(attributes).filter(|class| class.has_dns).map(|class| class.member).collect();
    lists.dedup();
    lists
}

/// Class that demands a member by the standard, and the attribute that lists them.
pub(crate) fn demanded_list(attributes: &Attributes) -> Option<(&'static str, &'static str)> {
    of_entry(attributes).find(|class| class.demands_member).map(|class| (class.name, class.member))
}

/// Filter that matches the groups that list one of these DNs, escaped.
pub(crate) fn listing(dns: &[String]) -> String {
    let conditions =
        dns.iter().flat_map(|dn| ["member", "uniqueMember"].map(|name| format!("({name}={dn})")));
    format!("(&{}(|{}))", any_group(), conditions.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_name_their_lists() {
        let cases: [(&[&str], &[&str], Option<&str>); 6] = [
            (&["top", "group"], &["member"], None),
            (&["GroupOfNames"], &["member"], Some("member")),
            (&["groupOfUniqueNames"], &["uniqueMember"], Some("uniqueMember")),
            (&["groupOfMembers", "posixGroup"], &["member"], None),
            (&["posixGroup"], &[], None),
            (&["person"], &[], None),
        ];
        for (classes, lists, demanded) in cases {
            let attributes: Attributes = classes.iter().map(|class| (OBJECT_CLASS, *class)).collect();
            let found = demanded_list(&attributes).map(|(_, list)| list);
            assert_eq!((dn_lists(&attributes).as_slice(), found), (lists, demanded));
        }
    }
}
