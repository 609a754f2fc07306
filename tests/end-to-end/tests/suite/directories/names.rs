//! Names that the server knows and the configuration writes in another way.

use std::collections::BTreeMap;

use end_to_end::{
    BASE_DN, NO_LIMITS, Slapd, SlapdOptions, TerminalFixture, TestConfiguration, active_names, advance_clock,
};
use scan::ScanMode;
use serde_json::json;

use super::differential::{MAPPING, block_on, engine};

const UNIT: &str = "ou=B\u{fc}ro,dc=acme,dc=test";
const GROUP: &str = "cn=staff,ou=B\u{fc}ro,dc=acme,dc=test";

fn dn(number: usize) -> String {
    format!("uid=p{number},{UNIT}")
}

fn mail(number: usize) -> String {
    format!("p{number}@acme.test")
}

/// Three users in a unit, and a group with all of them.
fn company(options: SlapdOptions) -> Slapd {
    let log = vec!["syncprov-sessionlog 1000".to_owned()];
    let slapd =
        Slapd::start(SlapdOptions { database_lines: [options.database_lines, log].concat(), ..options })
            .unwrap();
    let admin = slapd.admin();
    admin.add(UNIT, [("objectClass", "organizationalUnit")]).unwrap();
    for number in 0..3 {
        let mail = mail(number);
        let attributes = [
            ("objectClass", "inetOrgPerson"),
            ("cn", mail.as_str()),
            ("sn", "Lovelace"),
            ("givenName", "Ada"),
            ("mail", &mail),
        ];
        admin.add(&dn(number), attributes).unwrap();
    }
    admin.add(GROUP, [("objectClass", "groupOfNames"), ("member", &dn(0))]).unwrap();
    admin.add_members(GROUP, &[dn(1), dn(2)]).unwrap();
    slapd
}

fn configuration(slapd: &Slapd, base_dn: &str, scope: &str) -> TestConfiguration {
    TestConfiguration {
        directory: format!(
            "kind = \"openldap\"\nurl = \"{}\"\nbase_dn = \"{base_dn}\"\n\
             secret = \"file:directory-secret.json\"\n",
            slapd.url()
        ),
        scope: scope.to_owned(),
        safety: NO_LIMITS.to_owned(),
        mapping: MAPPING.to_owned(),
        ..TestConfiguration::openldap_at("", "")
    }
}

/// The server answers an alias or an object identifier with the attribute's first name.
#[test]
fn alias_of_an_attribute_reads_its_values() {
    let slapd = company(SlapdOptions::default());
    let mapping =
        "userName = \"rfc822Mailbox\"\n\"name.givenName\" = \"gn\"\n\"name.familyName\" = \"2.5.4.4\"\n";
    let configuration = TestConfiguration {
        mapping: mapping.to_owned(),
        ..configuration(&slapd, BASE_DN, "filter = \"(mail=*)\"\n")
    };
    let fixture = TerminalFixture::new(configuration, &slapd.reader_secret());
    fixture.settle(0);
    let names: BTreeMap<String, serde_json::Value> =
        fixture.accounts().into_iter().map(|(name, account)| (name, account["name"].clone())).collect();
    assert_eq!(names.len(), 3);
    for name in names.values() {
        assert_eq!(
            (&name["givenName"], &name["familyName"]),
            (&json!("Ada"), &json!("Lovelace")),
            "{names:?}"
        );
    }
}

#[test]
fn misspelled_attribute_is_named() {
    let slapd = company(SlapdOptions::default());
    let configuration = TestConfiguration {
        mapping: format!("{MAPPING}nickName = \"titel\"\n"),
        ..configuration(&slapd, BASE_DN, "filter = \"(mail=*)\"\n")
    };
    let fixture = TerminalFixture::new(configuration, &slapd.reader_secret());
    let check = fixture.check();
    assert_eq!(check.exit_code, Some(1), "{check}");
    assert!(check.stdout.contains("no attribute titel; the nearest name is title"), "{check}");
    let sync = fixture.sync();
    assert!(sync.stdout.contains("titel"), "{sync}");
}

/// The base is written in another Unicode form, and with aliases of the attributes.
#[test]
fn other_spelling_of_the_base_sees_changes() {
    let decomposed = "ou=Bu\u{308}ro,dc=acme,dc=test";
    let aliases = "organizationalUnitName=B\u{fc}ro,domainComponent=acme,domainComponent=test";
    for base_dn in [decomposed, aliases] {
        let slapd = company(SlapdOptions::default());
        block_on(async {
            let configuration = configuration(&slapd, base_dn, "filter = \"(mail=*)\"\n");
            let engine = engine(&configuration, &slapd.reader_secret()).await?;
            engine.sync().await?;
            assert_eq!(active_names(&engine.workplace).len(), 3, "{base_dn}");
            slapd.admin().set(&dn(1), "mail", &["renamed@acme.test"])?;
            slapd.admin().delete(&dn(2))?;
            advance_clock(30);
            let summary = engine.scan(ScanMode::Auto).await?;
            engine.provision_due().await?;
            assert_eq!(summary.mode, ScanMode::Incremental, "{base_dn}: {summary:?}");
            let active: Vec<String> = active_names(&engine.workplace).into_iter().collect();
            assert_eq!(active, [mail(0), "renamed@acme.test".to_owned()], "{base_dn}: {summary:?}");
            Ok(())
        });
    }
}

/// The group lists its members by object identifier, in another Unicode form, and in full-width characters.
#[test]
fn other_spelling_of_a_member_is_compared_by_the_server() {
    let slapd = company(SlapdOptions::default());
    let members = [
        "0.9.2342.19200300.100.1.1=p0,ou=B\u{fc}ro,dc=acme,dc=test",
        "uid=p1,ou=Bu\u{308}ro,dc=acme,dc=test",
        "uid=\u{ff50}2,ou=B\u{fc}ro,dc=acme,dc=test",
    ];
    slapd.admin().set(GROUP, "member", &members).unwrap();
    block_on(async {
        let configuration = configuration(&slapd, BASE_DN, &format!("group = \"{GROUP}\"\n"));
        let engine = engine(&configuration, &slapd.reader_secret()).await?;
        engine.sync().await?;
        let all: Vec<String> = (0..3).map(mail).collect();
        let active = || active_names(&engine.workplace).into_iter().collect::<Vec<_>>();
        assert_eq!(active(), all, "after a full scan");
        for mode in [ScanMode::Auto, ScanMode::Full] {
            for number in 0..3 {
                slapd.admin().set(&dn(number), "title", &[&format!("{mode:?}")])?;
            }
            advance_clock(30);
            let summary = engine.scan(mode).await?;
            engine.provision_due().await?;
            assert_eq!((active(), summary.updated), (all.clone(), 3), "{summary:?}");
        }
        slapd.admin().set(GROUP, "member", &members[..2])?;
        advance_clock(30);
        engine.scan(ScanMode::Auto).await?;
        engine.provision_due().await?;
        assert_eq!(active(), all[..2], "the third user has left");
        Ok(())
    });
}

/// A change of the group can't be recognised without its anchor.
#[test]
fn group_without_a_readable_anchor_is_read_in_full() {
    let slapd = company(SlapdOptions {
        access_lines: vec![format!("access to dn.exact=\"{GROUP}\" attrs=entryUUID by * none")],
        ..SlapdOptions::default()
    });
    block_on(async {
        let configuration = configuration(&slapd, BASE_DN, &format!("group = \"{GROUP}\"\n"));
        let engine = engine(&configuration, &slapd.reader_secret()).await?;
        engine.sync().await?;
        slapd.admin().remove_member(GROUP, &dn(1))?;
        advance_clock(30);
        let summary = engine.scan(ScanMode::Auto).await?;
        engine.provision_due().await?;
        let active: Vec<String> = active_names(&engine.workplace).into_iter().collect();
        assert_eq!(active, [mail(0), mail(2)], "{summary:?}");
        let why = summary.full_reason.clone().unwrap_or_default();
        assert!(why.contains("the anchor of the group"), "{summary:?}");
        Ok(())
    });
}

/// The search for changes meets a limit that the search for users does not.
#[test]
fn limit_on_the_search_for_changes_leads_to_a_full_scan() {
    let mut slapd = company(SlapdOptions::default());
    block_on(async {
        for number in 0..20 {
            let unit = format!("ou=u{number},{BASE_DN}");
            slapd.admin().add(&unit, [("objectClass", "organizationalUnit")])?;
        }
        let limit = format!("limits dn.exact={} size.unchecked=12", end_to_end::READER_DN);
        let proxy = end_to_end::CuttingProxy::start(slapd.address())?;
        let configuration = TestConfiguration {
            directory: configuration(&slapd, BASE_DN, "").directory.replace(&slapd.url(), &proxy.ldap_url()),
            ..configuration(&slapd, BASE_DN, "filter = \"(mail=*)\"\n")
        };
        let engine = engine(&configuration, &slapd.reader_secret()).await?;
        engine.sync().await?;
        let limited = slapd.copy_with(&limit)?;
        proxy.redirect(limited.address());
        limited.admin().delete(&dn(2))?;
        advance_clock(30);
        let summary = engine.scan(ScanMode::Auto).await?;
        engine.provision_due().await?;
        let why = summary.full_reason.clone().unwrap_or_default();
        assert!(why.contains("administrative limit exceeded"), "{summary:?}");
        assert!(!active_names(&engine.workplace).contains(&mail(2)), "{summary:?}");
        Ok(())
    });
}
