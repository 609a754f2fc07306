//! Samba as an Active Directory domain controller.

use end_to_end::{Configuration, DISABLED, SAMBA_BASE_DN, Samba, samba_group, samba_user};

use crate::{
    differential::{CHANGES, History, MANAGER, MAPPING, NO_LIMITS, Pair, block_on, compare, expect_truth},
    history::{Company, SCOPE_GROUP},
    server::Kind,
};

/// That the domain controller is what the tests take it for.
#[test]
fn a_forest_of_ones_own() {
    let (mut one, other) = (Samba::start().unwrap(), Samba::start().unwrap());
    assert_ne!(one.url(), other.url());

    let admin = one.admin();
    let unit = format!("OU=Staff,{SAMBA_BASE_DN}");
    admin.add(&unit, [("objectClass", "organizationalUnit")]).unwrap();
    let users: Vec<_> = (0..200)
        .map(|number| {
            let (name, mail) = (format!("u{number}"), format!("u{number}@acme.test"));
            (format!("CN={name},{unit}"), samba_user(&name, &[("mail", &mail), ("sn", "User")]))
        })
        .collect();
    admin.add_all(&users).unwrap();
    let group = format!("CN=All,{unit}");
    admin.add_all(&[(group.clone(), samba_group("All"))]).unwrap();
    let dns: Vec<String> = users.into_iter().map(|(dn, _)| dn).collect();
    admin.add_members(&group, &dns).unwrap();
    assert_eq!(admin.values(&group, "member").unwrap().len(), 200);
    admin.set(&dns[0], "userAccountControl", &[DISABLED]).unwrap();
    let id = admin.bytes(&dns[0], "objectGUID").unwrap().unwrap();
    let renamed = admin.rename(&dns[0], r"CN=Doe\, Jo").unwrap();
    let moved = admin.move_to(&renamed, &format!("CN=Users,{SAMBA_BASE_DN}")).unwrap();
    assert_eq!(admin.bytes(&moved, "objectGUID").unwrap(), Some(id));
    admin.delete(&moved).unwrap();
    assert_eq!(admin.values(&group, "member").unwrap().len(), 199);
    assert_eq!(other.admin().values(&unit, "ou").unwrap(), Vec::<String>::new());
    one.restart().unwrap();
    assert_eq!(admin.values(&unit, "ou").unwrap(), ["Staff"]);
    one.add_reader("reader").unwrap();
}

/// The members of a group, of the groups in it, and so on, read by the administrator, and by somebody to whom Active
/// Directory doesn't show what was deleted; and whoever matches a filter, in the whole domain.
#[test]
fn changes_read_by_themselves_lead_to_the_same_as_a_full_read() {
    let mut samba = Samba::start().unwrap();
    let reader = samba.add_reader("reader").unwrap();
    let (admin, all_seeing) = (samba.admin(), samba.admin_secret());
    let group = format!("group = {:?}\nnested = true\n", Kind::Samba.group(SCOPE_GROUP));
    let filter = "filter = \"(&(mail=*)(!(title=1*)))\"\n".to_owned();
    let base = Kind::Samba.base();
    let by = |way: &str, configuration: &Configuration| Configuration {
        directory: format!("{}changes = \"{way}\"\n", configuration.directory),
        ..configuration.clone()
    };
    let nested = configuration(&samba, &base, group);
    let filtered = configuration(&samba, SAMBA_BASE_DN, filter);
    // Active Directory doesn't tell whose manager was deleted, so with managers everybody is read after a deletion.
    let filtered = Configuration { mapping: format!("{MAPPING}{MANAGER}"), ..filtered };
    let check = |company: &Company, pair: &Pair| match pair.what {
        NESTED | NESTED_BY_USN | NESTED_UNPRIVILEGED => expect_truth(company, pair),
        _ => Ok(()),
    };
    block_on(async {
        let nested_group = Pair::new(NESTED, &by("dirsync", &nested), &all_seeing).await?;
        let by_usn = nested_group.beside(NESTED_BY_USN, &by("usn", &nested), &all_seeing).await?;
        let unprivileged = nested_group.beside(NESTED_UNPRIVILEGED, &nested, &reader).await?;
        let filter = Pair::new("filter, whole domain, with managers", &filtered, &all_seeing).await?;
        let pairs = vec![nested_group, by_usn, unprivileged, filter];
        let history = History { what: "Samba", kind: Kind::Samba, admin: &admin, at_least: CHANGES };
        compare(history, pairs, check, || samba.restart()).await
    });
}

const NESTED: &str = "nested group";
const NESTED_BY_USN: &str = "nested group, by update sequence numbers";
const NESTED_UNPRIVILEGED: &str = "nested group, ordinary reader";

fn configuration(samba: &Samba, base_dn: &str, scope: String) -> Configuration {
    let (url, ca) = (samba.url(), samba.ca().display());
    Configuration {
        directory: format!(
            "kind = \"active-directory\"\nurl = \"{url}\"\nbase_dn = \"{base_dn}\"\n\
             secret = \"file:directory-secret.json\"\nca = \"file:{ca}\"\npage_size = 10\n"
        ),
        scope,
        safety: NO_LIMITS.to_owned(),
        mapping: MAPPING.to_owned(),
        ..Configuration::openldap_at("", "")
    }
}
