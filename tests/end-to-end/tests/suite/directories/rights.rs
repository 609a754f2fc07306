//! Attributes that the reading account may not see: no account is created, deactivated or reactivated because of them, and
//! the right, once it is given, lets everything go on.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use end_to_end::{
    BASE_DN, DISABLED, DirectoryAdmin, Ds389, ENABLED, EngineFixture, PEOPLE_DN, SAMBA_BASE_DN, Samba,
    TestConfiguration, active_names, advance_clock, samba_group, samba_user,
};
use scan::{ScanMode, ScanSummary};

use super::differential::{block_on, connection, engine};

/// `schemaIDGUID` of attributes of Active Directory.
const USER_ACCOUNT_CONTROL: &str = "bf967a68-0de6-11d0-a285-00aa003049e2";
const MEMBER: &str = "bf9679c0-0de6-11d0-a285-00aa003049e2";
const MEMBER_OF: &str = "bf967991-0de6-11d0-a285-00aa003049e2";

async fn scan(engine: &EngineFixture) -> Result<ScanSummary> {
    advance_clock(30);
    let summary = engine.scan(ScanMode::Full).await?;
    engine.provision_due().await?;
    Ok(summary)
}

fn names(numbers: &[usize]) -> BTreeSet<String> {
    numbers.iter().map(|number| format!("p{number}@acme.test")).collect()
}

#[track_caller]
fn expect_active(engine: &EngineFixture, numbers: &[usize], summary: &ScanSummary) {
    assert_eq!(active_names(&engine.workplace), names(numbers), "{summary:?}");
}

/// Expects a read that proves nothing because members may be hidden.
#[track_caller]
fn expect_hidden(summary: &ScanSummary, why: &str) {
    let said = summary.incomplete.as_deref().unwrap_or_default();
    assert!(said.contains(why), "{summary:?}");
}

fn dn(number: usize) -> String {
    format!("uid=p{number},{PEOPLE_DN}")
}

fn hire(admin: &DirectoryAdmin, number: usize) -> Result<()> {
    let mail = format!("p{number}@acme.test");
    let attributes = [("objectClass", "inetOrgPerson"), ("cn", &mail), ("sn", "P"), ("mail", &mail)];
    admin.add(&dn(number), attributes)
}

#[test]
fn attributes_hidden_by_389_directory_server_change_no_account() {
    let server = Ds389::start().unwrap();
    let admin = server.admin();
    let group = format!("cn=workplace,{BASE_DN}");
    (0..4).for_each(|number| hire(&admin, number).unwrap());
    admin.add(&group, [("objectClass", "groupOfNames"), ("cn", "workplace")]).unwrap();
    admin.add_members(&group, &(0..4).map(dn).collect::<Vec<_>>()).unwrap();
    let scope = format!("group = \"{group}\"");
    let configuration = connection("389ds", &format!("{:?}", server.url()), BASE_DN, &scope);
    block_on(async {
        let engine = engine(&configuration, &server.reader_secret()).await?;
        engine.sync().await?;
        admin.set(&dn(3), "nsAccountLock", &["true"])?;
        expect_active(&engine, &[0, 1, 2], &scan(&engine).await?);

        // The status attribute is hidden, so no status is known: the locked user stays deactivated, and a new user gets no
        // account.
        server.hide("nsAccountLock")?;
        hire(&admin, 4)?;
        admin.add_member(&group, &dn(4))?;
        let summary = scan(&engine).await?;
        expect_active(&engine, &[0, 1, 2], &summary);
        assert_eq!((summary.complete, summary.invalid), (true, 5), "{summary:?}");
        server.show()?;
        expect_active(&engine, &[0, 1, 2, 4], &scan(&engine).await?);

        // The members are hidden. A group of this server may be empty, so the server's answer about the right counts.
        server.hide("member")?;
        for _ in 0..2 {
            let summary = scan(&engine).await?;
            expect_hidden(&summary, "the server says that the reading account may not read it");
            expect_active(&engine, &[0, 1, 2, 4], &summary);
        }
        server.show()?;
        admin.remove_member(&group, &dn(0))?;
        expect_active(&engine, &[1, 2, 4], &scan(&engine).await?);
        // A group that is empty and not hidden is believed.
        admin.set(&group, "member", &[])?;
        expect_active(&engine, &[], &scan(&engine).await?);
        Ok(())
    });
}

/// A limit that refuses change detection leaves full scans, which read in pages that stay within it.
#[test]
fn look_through_limit_of_389_directory_server_stops_no_scan() {
    let server = Ds389::start().unwrap();
    let admin = server.admin();
    (0..30).for_each(|number| hire(&admin, number).unwrap());
    // The equality index of `sn` finds the users, however many entries there are.
    let scope = "filter = \"(sn=P)\"";
    let configuration = connection("389ds", &format!("{:?}", server.url()), PEOPLE_DN, scope);
    block_on(async {
        let engine = engine(&configuration, &server.reader_secret()).await?;
        engine.sync().await?;
        engine.sync().await?;
        ensure!(active_names(&engine.workplace).len() == 30);
        (30..60).for_each(|number| {
            let (mail, dn) = (format!("q{number}@acme.test"), dn(number));
            let attributes = [("objectClass", "inetOrgPerson"), ("cn", &mail), ("sn", "Q"), ("mail", &mail)];
            admin.add(&dn, attributes).unwrap();
        });
        // Change detection searches by an attribute without an index, and examines every entry.
        server.limit_look_through(40)?;
        admin.delete(&dn(0))?;
        hire(&admin, 90)?;
        advance_clock(30);
        let summary = engine.scan(ScanMode::Incremental).await?;
        engine.provision_due().await?;
        assert_eq!((summary.mode, summary.complete), (ScanMode::Full, true), "{summary:?}");
        let active = active_names(&engine.workplace);
        assert!(active.contains("p90@acme.test") && !active.contains("p0@acme.test"), "{active:?}");
        Ok(())
    });
}

/// Users and a group of Active Directory, and a reader that loses a right when it joins one of the groups of [`BLIND`].
struct ActiveDirectory<'a> {
    samba: &'a Samba,
    admin: DirectoryAdmin,
    unit: String,
    reader: String,
}

const BLIND: [&str; 3] = ["BlindToStatus", "BlindToMember", "BlindToMemberOf"];

impl<'a> ActiveDirectory<'a> {
    /// Four users, all in the group `Members`.
    fn start(samba: &'a Samba, reader: &str) -> Result<Self> {
        let unit = format!("OU=Rights,{SAMBA_BASE_DN}");
        let reader = format!("CN={reader},CN=Users,{SAMBA_BASE_DN}");
        let directory = Self { samba, admin: samba.admin(), unit, reader };
        let unit = [("objectClass", "organizationalUnit")];
        directory.admin.add(&directory.unit, unit)?;
        let groups = std::iter::once("Members").chain(BLIND);
        let entries: Vec<_> = groups.map(|name| (directory.dn(name), samba_group(name))).collect();
        directory.admin.add_all(&entries)?;
        for number in 0..4 {
            directory.hire(number)?;
            directory.hide(USER_ACCOUNT_CONTROL, "BlindToStatus", &format!("P{number}"))?;
            directory.hide(MEMBER_OF, "BlindToMemberOf", &format!("P{number}"))?;
        }
        directory.hide(MEMBER, "BlindToMember", "Members")?;
        Ok(directory)
    }

    fn dn(&self, name: &str) -> String {
        format!("CN={name},{}", self.unit)
    }

    fn group(&self) -> String {
        self.dn("Members")
    }

    fn hire(&self, number: usize) -> Result<()> {
        let (name, mail) = (format!("rights{number}"), format!("p{number}@acme.test"));
        let user = samba_user(&name, &[("mail", &mail), ("sn", "P")]);
        self.admin.add_all(&[(self.dn(&format!("P{number}")), user)])?;
        self.admin.add_member(&self.group(), &self.dn(&format!("P{number}")))
    }

    fn hide(&self, attribute: &str, group: &str, name: &str) -> Result<()> {
        self.samba.hide_from(&self.dn(group), &self.dn(name), attribute)
    }

    /// Takes a right of the reader away, or gives it back.
    fn see(&self, blind: &str, sees: bool) -> Result<()> {
        let group = self.dn(blind);
        if sees {
            self.admin.remove_member(&group, &self.reader)
        } else {
            self.admin.add_member(&group, &self.reader)
        }
    }

    fn configuration(&self, membership: &str) -> TestConfiguration {
        let scope = format!("group = \"{}\"\nmembership = \"{membership}\"", self.group());
        let mut configuration =
            connection("active-directory", &format!("{:?}", self.samba.url()), &self.unit, &scope);
        configuration.directory += &format!("ca = \"file:{}\"\n", self.samba.ca().display());
        configuration
    }
}

#[test]
fn attributes_hidden_by_active_directory_change_no_account() {
    let samba = Samba::shared();
    let secret = samba.add_reader("rightsreader").unwrap();
    let directory = ActiveDirectory::start(&samba, "rightsreader").unwrap();
    let admin = &directory.admin;
    block_on(async {
        let by_member_of = engine(&directory.configuration("member-of"), &secret).await?;
        let by_member = engine(&directory.configuration("member"), &secret).await?;
        for engine in [&by_member_of, &by_member] {
            engine.sync().await?;
            expect_active(engine, &[0, 1, 2, 3], &ScanSummary::default());
        }
        admin.set(&directory.dn("P3"), "userAccountControl", &[DISABLED])?;
        for engine in [&by_member_of, &by_member] {
            expect_active(engine, &[0, 1, 2], &scan(engine).await?);
        }

        directory.see("BlindToStatus", false)?;
        let summary = scan(&by_member).await?;
        expect_active(&by_member, &[0, 1, 2], &summary);
        assert_eq!(summary.invalid, 4, "{summary:?}");
        directory.see("BlindToStatus", true)?;
        admin.set(&directory.dn("P3"), "userAccountControl", &[ENABLED])?;
        expect_active(&by_member, &[0, 1, 2, 3], &scan(&by_member).await?);
        expect_active(&by_member_of, &[0, 1, 2, 3], &scan(&by_member_of).await?);

        for (engine, blind, why) in [
            (&by_member, "BlindToMember", "a user shows the group in memberOf"),
            (&by_member_of, "BlindToMemberOf", "no user shows it in memberOf"),
        ] {
            directory.see(blind, false)?;
            for _ in 0..2 {
                let summary = scan(engine).await?;
                expect_hidden(&summary, why);
                expect_active(engine, &[0, 1, 2, 3], &summary);
            }
            directory.see(blind, true)?;
        }
        admin.remove_member(&directory.group(), &directory.dn("P0"))?;
        for engine in [&by_member_of, &by_member] {
            expect_active(engine, &[1, 2, 3], &scan(engine).await?);
        }
        Ok(())
    });
}
