//! Samba as an Active Directory domain controller.

use end_to_end::{Configuration, CuttingProxy, DISABLED, SAMBA_BASE_DN, Samba, samba_group, samba_user};

use crate::{
    differential::{CHANGES, History, MANAGER, MAPPING, NO_LIMITS, Pair, block_on, compare, expect_truth},
    history::{Company, SCOPE_GROUP},
    server::Kind,
    side::{Side, in_seconds, wait_seconds},
};
use scan::ScanMode;

/// That the domain controller is what the tests take it for.
#[test]
fn a_forest_of_ones_own() {
    let mut samba = Samba::start().unwrap();
    let admin = samba.admin();
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
    samba.restart().unwrap();
    assert_eq!(admin.values(&unit, "ou").unwrap(), ["Staff"]);
    samba.add_reader("reader").unwrap();
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
        NESTED | NESTED_UNPRIVILEGED => expect_truth(company, pair),
        _ => Ok(()),
    };
    block_on(async {
        let nested_group = Pair::new(NESTED, &by("dirsync", &nested), &all_seeing).await?;
        let unprivileged = nested_group.beside(NESTED_UNPRIVILEGED, &nested, &reader).await?;
        let filter = Pair::new("filter, whole domain, with managers", &filtered, &all_seeing).await?;
        let pairs = vec![nested_group, unprivileged, filter];
        let history = History { what: "Samba", kind: Kind::Samba, admin: &admin, at_least: CHANGES };
        compare(history, pairs, check, || samba.restart()).await
    });
}

/// Samba takes a cookie for the changes that stems from another forest, and answers as if nothing had changed.
#[test]
fn another_forest_in_its_place_removes_nobody() {
    let (samba, other) = (Samba::start().unwrap(), Samba::start().unwrap());
    let proxy = CuttingProxy::start(samba.address()).unwrap();
    let group = Kind::Samba.group(SCOPE_GROUP);
    for (forest, name) in [(&samba, "ours"), (&other, "theirs")] {
        let admin = forest.admin();
        Kind::Samba.prepare(&admin).unwrap();
        admin.add_all(&[(group.clone(), samba_group(SCOPE_GROUP))]).unwrap();
        let users: Vec<_> = (0..12).map(|number| format!("{name}{number}")).collect();
        let dns: Vec<_> = users.iter().map(|name| format!("CN={name},{}", Kind::Samba.base())).collect();
        let entry = |(name, dn): (&String, &String)| {
            let mail = format!("{name}@acme.test");
            (dn.clone(), samba_user(name, &[("mail", &mail), ("sn", name)]))
        };
        admin.add_all(&users.iter().zip(&dns).map(entry).collect::<Vec<_>>()).unwrap();
        admin.add_members(&group, &dns).unwrap();
    }
    // One password for both: somebody has put the other in its place.
    let secret = samba.admin_secret();
    other.set_admin_password(&secret).unwrap();

    let scope = format!("group = {group:?}\nnested = true\n");
    let directory = configuration(&samba, &Kind::Samba.base(), scope);
    let configuration = Configuration {
        directory: format!(
            "kind = \"active-directory\"\nurl = \"{}\"\nbase_dn = \"{}\"\n\
             secret = \"file:directory-secret.json\"\nchanges = \"dirsync\"\n",
            proxy.ldap_url(),
            Kind::Samba.base(),
        ),
        safety: String::new(),
        ..directory.clone()
    };
    block_on(async {
        let side = Side::new(&configuration, &secret).await?;
        side.scan(ScanMode::Auto).await?;
        side.provision().await?;
        let active = side.active()?;
        assert_eq!(active.len(), 12);
        let summary = side.scan(ScanMode::Incremental).await?;
        assert_eq!((summary.mode, summary.read), (ScanMode::Incremental, 0), "{summary:?}");

        proxy.redirect(other.address());
        let summary = side.scan(ScanMode::Incremental).await?;
        println!("in another forest: {summary:?}");
        assert_eq!((summary.mode, summary.deprovisioned), (ScanMode::Full, 0), "{summary:?}");
        assert!(summary.full_reason.is_some(), "{summary:?}");
        side.provision().await?;
        assert!(active.is_subset(&side.active()?), "{:?}", side.active()?);

        proxy.redirect(samba.address());
        side.scan(ScanMode::Incremental).await?;
        side.provision().await?;
        assert!(active.is_subset(&side.active()?), "{:?}", side.active()?);
        Ok(())
    });
}

/// An account expires, and nobody touches the entry.
#[test]
fn time_switches_an_account_off() {
    let samba = Samba::start().unwrap();
    let admin = samba.admin();
    let ada = format!("CN=Ada,CN=Users,{SAMBA_BASE_DN}");
    admin
        .add_all(&[(ada.clone(), samba_user("ada", &[("mail", "ada@acme.test"), ("sn", "Lovelace")]))])
        .unwrap();
    let mut configuration = configuration(&samba, SAMBA_BASE_DN, "filter = \"(mail=*)\"\n".to_owned());
    configuration.directory += "account_expires = true\n";
    block_on(async {
        let side = Side::new(&configuration, &samba.admin_secret()).await?;
        let expect_active = |active: &[&str]| {
            let found: Vec<String> = side.active().unwrap().into_iter().collect();
            assert_eq!(found, active);
        };
        admin.set(&ada, "accountExpires", &[&plan::status::file_time(in_seconds(100)).to_string()])?;
        side.scan(ScanMode::Auto).await?;
        side.provision().await?;
        expect_active(&["ada@acme.test"]);
        wait_seconds(200);
        let summary = side.scan(ScanMode::Auto).await?;
        assert_eq!((summary.mode, summary.read), (ScanMode::Incremental, 1), "{summary:?}");
        side.provision().await?;
        expect_active(&[]);
        // It is extended, for ever.
        admin.set(&ada, "accountExpires", &["0"])?;
        assert_eq!(side.scan(ScanMode::Auto).await?.mode, ScanMode::Incremental);
        side.provision().await?;
        expect_active(&["ada@acme.test"]);
        Ok(())
    });
}

const NESTED: &str = "nested group";
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
