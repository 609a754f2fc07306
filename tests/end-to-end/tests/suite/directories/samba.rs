//! Samba as an Active Directory domain controller. The tests share one forest; each has an organisational unit of its own.

use end_to_end::{
    CuttingProxy, NO_LIMITS, SAMBA_BASE_DN, Samba, TestConfiguration, active_names, advance_clock, clock,
    samba_group, samba_user,
};
use scan::ScanMode;

use super::{
    differential::{
        CHANGES, HistoryRun, MANAGER, MAPPING, ScanComparison, block_on, compare, engine,
        expect_accounts_in_scope,
    },
    history::{RandomCompany, SCOPE_GROUP},
    server::TestServer,
};

const NESTED: &str = "nested group";
const NESTED_UNPRIVILEGED: &str = "nested group, ordinary reader";

/// The scopes are a nested group, read by the administrator and by a reader without the right to see deleted entries, and
/// a filter over the whole domain.
#[test]
fn active_directory_changes_equal_a_full_read() {
    let mut samba = Samba::shared();
    let reader = samba.add_reader("reader").unwrap();
    let (admin, all_rights) = (samba.admin(), samba.admin_secret());
    let group = format!("group = {:?}\nnested = true\n", TestServer::Samba.group(SCOPE_GROUP));
    let filter = "filter = \"(&(mail=*)(!(title=1*)))\"\n".to_owned();
    let base = TestServer::Samba.base();
    let by = |changes: &str, configuration: &TestConfiguration| TestConfiguration {
        directory: format!("{}changes = \"{changes}\"\n", configuration.directory),
        ..configuration.clone()
    };
    let nested = configuration(&samba, &base, group);
    let filtered = configuration(&samba, SAMBA_BASE_DN, filter);
    // Active Directory does not report the reports of a deleted manager, so a deletion leads to a full scan.
    let filtered = TestConfiguration { mapping: format!("{MAPPING}{MANAGER}"), ..filtered };
    let check = |company: &RandomCompany, comparison: &ScanComparison| match comparison.what {
        NESTED | NESTED_UNPRIVILEGED => expect_accounts_in_scope(company, comparison),
        _ => Ok(()),
    };
    block_on(async {
        let nested_group = ScanComparison::new(NESTED, &by("dirsync", &nested), &all_rights).await?;
        let unprivileged = nested_group.beside(NESTED_UNPRIVILEGED, &nested, &reader).await?;
        let filter =
            ScanComparison::new("filter, whole domain, with managers", &filtered, &all_rights).await?;
        let comparisons = vec![nested_group, unprivileged, filter];
        let history = HistoryRun { what: "Samba", kind: TestServer::Samba, admin: &admin, at_least: CHANGES };
        compare(history, comparisons, check, || samba.restart()).await
    });
}

/// Samba accepts a DirSync cookie of another forest, and answers as if nothing had changed.
#[test]
fn replaced_forest_deprovisions_no_user() {
    let (samba, other) = (Samba::shared(), Samba::start().unwrap());
    let proxy = CuttingProxy::start(samba.address()).unwrap();
    let unit = format!("OU=Replaced,{SAMBA_BASE_DN}");
    let group = format!("CN={SCOPE_GROUP},{unit}");
    for (forest, name) in [(&*samba, "ours"), (&other, "theirs")] {
        let admin = forest.admin();
        admin.add(&unit, [("objectClass", "organizationalUnit")]).unwrap();
        admin.add_all(&[(group.clone(), samba_group("Replaced"))]).unwrap();
        let users: Vec<_> = (0..12).map(|number| format!("{name}{number}")).collect();
        let dns: Vec<_> = users.iter().map(|name| format!("CN={name},{unit}")).collect();
        let entry = |(name, dn): (&String, &String)| {
            let mail = format!("{name}@acme.test");
            (dn.clone(), samba_user(name, &[("mail", &mail), ("sn", name)]))
        };
        admin.add_all(&users.iter().zip(&dns).map(entry).collect::<Vec<_>>()).unwrap();
        admin.add_members(&group, &dns).unwrap();
    }
    // The reader's password is accepted by both.
    let secret = samba.admin_secret();
    other.set_admin_password(&secret).unwrap();

    let scope = format!("group = {group:?}\nnested = true\n");
    let configuration = TestConfiguration {
        directory: format!(
            "kind = \"active-directory\"\nurl = \"{}\"\nbase_dn = \"{unit}\"\n\
             secret = \"file:directory-secret.json\"\nchanges = \"dirsync\"\n",
            proxy.ldap_url(),
        ),
        safety: String::new(),
        ..configuration(&samba, &unit, scope)
    };
    block_on(async {
        let engine = engine(&configuration, &secret).await?;
        engine.sync().await?;
        let active = active_names(&engine.workplace);
        assert_eq!(active.len(), 12);
        let summary = engine.scan(ScanMode::Incremental).await?;
        assert_eq!((summary.mode, summary.read), (ScanMode::Incremental, 0), "{summary:?}");

        proxy.redirect(other.address());
        let summary = engine.scan(ScanMode::Incremental).await?;
        println!("in another forest: {summary:?}");
        assert_eq!((summary.mode, summary.deprovisioned), (ScanMode::Full, 0), "{summary:?}");
        assert!(summary.full_reason.is_some(), "{summary:?}");
        engine.provision_due().await?;
        let active_now = active_names(&engine.workplace);
        assert!(active.is_subset(&active_now), "{active_now:?}");

        proxy.redirect(samba.address());
        engine.scan(ScanMode::Incremental).await?;
        engine.provision_due().await?;
        let active_now = active_names(&engine.workplace);
        assert!(active.is_subset(&active_now), "{active_now:?}");
        Ok(())
    });
}

/// The database of a domain controller is restored and gets another invocation id: creations go on, and a removal waits for
/// the second read.
#[test]
fn restored_domain_controller_stops_no_creation() {
    let mut samba = Samba::shared();
    let admin = samba.admin();
    let unit = format!("OU=Restored,{SAMBA_BASE_DN}");
    admin.add(&unit, [("objectClass", "organizationalUnit")]).unwrap();
    let hire = |number: usize| {
        let (name, mail) = (format!("restored{number}"), format!("restored{number}@acme.test"));
        let user = samba_user(&name, &[("mail", &mail), ("sn", "Restored")]);
        admin.add_all(&[(format!("CN={name},{unit}"), user)]).unwrap();
    };
    (0..3).for_each(hire);
    let configuration = configuration(&samba, &unit, "filter = \"(mail=*)\"\n".to_owned());
    block_on(async {
        let engine = engine(&configuration, &samba.admin_secret()).await?;
        engine.sync().await?;
        engine.sync().await?;
        samba.restart_as_restored()?;
        admin.delete(&format!("CN=restored0,{unit}"))?;
        hire(3);
        let summary = engine.scan(ScanMode::Auto).await?;
        engine.provision_due().await?;
        let why = summary.incomplete.clone().unwrap_or_default();
        assert!(why.contains("another server answered") && why.contains("1 removal"), "{summary:?}");
        assert_eq!((summary.created, active_names(&engine.workplace).len()), (1, 4), "{summary:?}");
        let summary = engine.scan(ScanMode::Auto).await?;
        engine.provision_due().await?;
        assert_eq!((summary.complete, summary.deprovisioned), (true, 1), "{summary:?}");
        assert_eq!(active_names(&engine.workplace).len(), 3);
        // From now on the restored server is the known one.
        let summary = engine.scan(ScanMode::Auto).await?;
        assert_eq!((summary.mode, summary.complete), (ScanMode::Incremental, true), "{summary:?}");
        Ok(())
    });
}

/// The entry itself does not change when its account expires.
#[test]
fn expired_account_is_deactivated_by_an_incremental_scan() {
    let samba = Samba::shared();
    let admin = samba.admin();
    let unit = format!("OU=Expiring,{SAMBA_BASE_DN}");
    admin.add(&unit, [("objectClass", "organizationalUnit")]).unwrap();
    let ada = format!("CN=Ada,{unit}");
    admin
        .add_all(&[(ada.clone(), samba_user("ada", &[("mail", "ada@acme.test"), ("sn", "Lovelace")]))])
        .unwrap();
    let mut configuration = configuration(&samba, &unit, "filter = \"(mail=*)\"\n".to_owned());
    configuration.directory += "account_expires = true\n";
    block_on(async {
        let engine = engine(&configuration, &samba.admin_secret()).await?;
        let expect_active = |active: &[&str]| {
            let found: Vec<String> = active_names(&engine.workplace).into_iter().collect();
            assert_eq!(found, active);
        };
        let expires = plan::status::file_time(clock().plus(100)).to_string();
        admin.set(&ada, "accountExpires", &[&expires])?;
        engine.sync().await?;
        expect_active(&["ada@acme.test"]);
        advance_clock(200);
        let summary = engine.scan(ScanMode::Auto).await?;
        assert_eq!((summary.mode, summary.read), (ScanMode::Incremental, 1), "{summary:?}");
        engine.provision_due().await?;
        expect_active(&[]);
        // 0 means that the account never expires.
        admin.set(&ada, "accountExpires", &["0"])?;
        assert_eq!(engine.scan(ScanMode::Auto).await?.mode, ScanMode::Incremental);
        engine.provision_due().await?;
        expect_active(&["ada@acme.test"]);
        Ok(())
    });
}

fn configuration(samba: &Samba, base_dn: &str, scope: String) -> TestConfiguration {
    let (url, ca) = (samba.url(), samba.ca().display());
    TestConfiguration {
        directory: format!(
            "kind = \"active-directory\"\nurl = \"{url}\"\nbase_dn = \"{base_dn}\"\n\
             secret = \"file:directory-secret.json\"\nca = \"file:{ca}\"\npage_size = 10\n"
        ),
        scope,
        safety: NO_LIMITS.to_owned(),
        mapping: MAPPING.to_owned(),
        ..TestConfiguration::openldap_at("", "")
    }
}
