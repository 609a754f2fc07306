//! An incomplete read deprovisions no user.
//!
//! Each test first provisions all users. Then half of them leave, some join and some change, and the next read is
//! disturbed. No safety limit hides a wrong removal.

use std::{collections::BTreeMap, time::Duration};

use embedded_ldap::{EmbeddedLdap, FaultInjection, LdapFault, ResultCode};
use end_to_end::{
    CuttingProxy, GroupEntry, NO_LIMITS, PersonEntry, ProgramOutput, Slapd, SlapdOptions, TerminalFixture,
    TestConfiguration, deprovisions, expect_same_accounts, people, populate, server_runtime, workplace_group,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Cuts per test, spread evenly over the bytes of a whole read.
const CUTS: u64 = 40;

/// Changes since the last sync. All users in it but the leavers are early in the directory.
struct PendingChanges {
    newcomers: Vec<PersonEntry>,
    retitled: Vec<PersonEntry>,
    leavers: Vec<PersonEntry>,
}

impl PendingChanges {
    /// The later half leaves. No user in the changes is a manager.
    fn among(people: &[PersonEntry]) -> Self {
        let first = people.len() / 8 + 1;
        Self {
            newcomers: people[first..first + 3].to_vec(),
            retitled: people[first + 3..first + 6].to_vec(),
            leavers: people[people.len() / 2..].to_vec(),
        }
    }

    /// Members of the group before the changes.
    fn members<'a>(&'a self, people: &'a [PersonEntry]) -> impl Iterator<Item = &'a PersonEntry> {
        people.iter().filter(|person| !self.newcomers.contains(person))
    }

    /// Members of the group after the changes.
    fn remaining<'a>(&'a self, people: &'a [PersonEntry]) -> impl Iterator<Item = &'a PersonEntry> {
        people.iter().filter(|person| !self.leavers.contains(person))
    }

    /// Expects accounts for the new members, and the new titles.
    #[track_caller]
    fn expect_arrived(&self, what: &str, fixture: &TerminalFixture) {
        for newcomer in &self.newcomers {
            let account = fixture.workplace.account(&newcomer.mail);
            let active = account.is_some_and(|account| account["active"] == json!(true));
            assert!(active, "{what}: {} joined and got no account", newcomer.mail);
        }
        for person in &self.retitled {
            let account = fixture.workplace.account(&person.mail).unwrap();
            assert_eq!(account["title"], json!("Promoted"), "{what}: {}", person.mail);
        }
    }
}

/// Expects a failed run without removals that says why.
#[track_caller]
fn expect_no_removal(what: &str, why: &str, finished: &ProgramOutput) {
    assert_eq!(finished.exit_code, Some(1), "{what}\n{finished}");
    for word in ["\"deactivate\"", "\"delete\"", "\"held\"", "deactivated", "deleted", "transfer"] {
        assert!(!finished.stdout.contains(word), "{what}: it says {word}\n{finished}");
    }
    let said = format!("{}\n{}", finished.stdout, finished.stderr);
    assert!(said.contains(why), "{what}: it does not say {why:?}\n{finished}");
}

/// Plans and syncs while the read is disturbed, and expects no removal.
#[track_caller]
fn expect_no_removal_while_disturbed(what: &str, why: &str, fixture: &TerminalFixture) {
    let active = fixture.active();
    let before = fixture.accounts();
    let plan = fixture.run(&["plan", "--json"]);
    expect_no_removal(what, why, &plan);
    expect_same_accounts(&format!("{what}: after planning"), &fixture.accounts(), &before);
    assert!(fixture.workplace.writes().is_empty(), "{what}: planning wrote to the target");

    let sync = fixture.sync();
    expect_no_removal(what, why, &sync);
    let removals: Vec<_> = fixture.workplace.writes().into_iter().filter(deprovisions).collect();
    assert!(removals.is_empty(), "{what}: {removals:#?}\n{sync}");
    let still_active = fixture.active();
    let lost: Vec<_> = active.iter().filter(|name| !still_active.contains(*name)).collect();
    assert!(lost.is_empty(), "{what}: {lost:?} lost their accounts\n{sync}");
}

/// Expects that the next undisturbed sync performs every change.
#[track_caller]
fn expect_recovery(what: &str, fixture: &TerminalFixture, expected: &BTreeMap<String, Value>) {
    let sync = fixture.sync();
    assert_eq!(sync.exit_code, Some(0), "{what}\n{sync}");
    expect_same_accounts(&format!("{what}: after the next sync"), &fixture.accounts(), expected);
}

/// Accounts after an undisturbed sync of a copy. It removes the leavers, so a disturbed sync could have removed them
/// too.
#[track_caller]
fn accounts_without_disturbance(fixture: &TerminalFixture, news: &PendingChanges) -> BTreeMap<String, Value> {
    let fixture = fixture.copy();
    let sync = fixture.sync();
    sync.expect_exit(0);
    news.expect_arrived("accounts_without_disturbance", &fixture);
    let removals = fixture.workplace.writes().iter().filter(|request| deprovisions(request)).count();
    assert_eq!(removals, news.leavers.len(), "{sync}");
    fixture.accounts()
}

/// An OpenLDAP before and after the changes.
struct SlapdCompany {
    slapd: Slapd,
    people: Vec<PersonEntry>,
    news: PendingChanges,
}

impl SlapdCompany {
    fn of(count: usize, options: SlapdOptions) -> Self {
        let people = people::generate(count, 11);
        let news = PendingChanges::among(&people);
        let groups = vec![GroupEntry::of("workplace", news.members(&people))];
        let slapd = Slapd::start(SlapdOptions { people: people.clone(), groups, ..options }).unwrap();
        Self { slapd, people, news }
    }

    /// A fixture in which all members have an account. Its directory URL is `url`.
    fn fixture(&self, url: &str) -> TerminalFixture {
        let mut configuration = TestConfiguration::openldap_at(url, "");
        // `directories/faults.rs` disturbs incremental scans.
        configuration.directory.push_str("changes = \"none\"\n");
        configuration.directory.push_str("page_size = 25\n");
        configuration.safety = NO_LIMITS.to_owned();
        let fixture = TerminalFixture::new(configuration, &self.slapd.reader_secret());
        fixture.settle(0);
        assert_eq!(fixture.active().len(), self.people.len() - self.news.newcomers.len());
        fixture
    }

    /// Applies the changes. Entries in `deleted` are deleted as well.
    fn apply_changes<'a>(&'a self, deleted: impl IntoIterator<Item = &'a PersonEntry>) {
        let admin = self.slapd.admin();
        let members: Vec<String> = self.news.remaining(&self.people).map(PersonEntry::dn).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        admin.set(&workplace_group(), "member", &members).unwrap();
        for person in &self.news.retitled {
            admin.set(&person.dn(), "title", &["Promoted"]).unwrap();
        }
        deleted.into_iter().for_each(|person| admin.delete(&person.dn()).unwrap());
    }

    /// Every second leaver.
    fn every_other_leaver(&self) -> impl Iterator<Item = &PersonEntry> {
        self.news.leavers.iter().step_by(2)
    }
}

#[test]
fn size_limit_deprovisions_no_user() {
    let company = SlapdCompany::of(300, SlapdOptions { size_limit: Some(310), ..SlapdOptions::default() });
    let fixture = company.fixture(&company.slapd.url());
    // All entries stay, and with the new ones the directory exceeds the size limit.
    company.apply_changes([]);
    let mut others = people::generate(320, 11).split_off(300);
    others.iter_mut().for_each(|person| person.manager = None);
    others.iter().for_each(|person| company.slapd.admin().add_person(person).unwrap());

    expect_no_removal_while_disturbed("size limit", "LDAP result 4 (size limit exceeded)", &fixture);
    company.news.expect_arrived("size limit", &fixture);

    others.iter().for_each(|person| company.slapd.admin().delete(&person.dn()).unwrap());
    let expected = accounts_without_disturbance(&fixture, &company.news);
    expect_recovery("size limit", &fixture, &expected);
}

#[test]
fn cut_connection_deprovisions_no_user() {
    let company = SlapdCompany::of(200, SlapdOptions::default());
    let proxy = CuttingProxy::start(company.slapd.address()).unwrap();
    let fixture = company.fixture(&proxy.ldap_url());
    company.apply_changes(company.every_other_leaver());

    let expected = accounts_without_disturbance(&fixture, &company.news);
    let before = proxy.bytes_from_server();
    fixture.run(&["plan", "--json"]).expect_exit(0);
    let whole = proxy.bytes_from_server() - before;

    let mut arrived = Vec::new();
    for cut in 0..CUTS {
        let bytes = whole * cut / CUTS;
        let what = format!("cut after {bytes} of {whole} bytes");
        let fixture = fixture.copy();
        let cuts = proxy.cuts();
        proxy.cut_after(bytes);
        expect_no_removal_while_disturbed(&what, "cut off", &fixture);
        assert_eq!(proxy.cuts(), cuts + 2, "{what}: one run met no cut");
        proxy.pass();
        arrived.push(fixture.workplace.account(&company.news.newcomers[0].mail).is_some());
        // The recoveries differ little, so a few are enough.
        if cut % 13 == 0 {
            expect_recovery(&what, &fixture, &expected);
        }
    }
    let late = arrived.iter().skip_while(|arrived| !**arrived);
    println!(
        "{} connections were cut within {whole} bytes; newcomers arrived in {} runs",
        2 * CUTS,
        arrived.iter().filter(|arrived| **arrived).count()
    );
    assert!(late.clone().count() > arrived.len() / 2, "newcomers stand early in the directory: {arrived:?}");
    assert!(late.clone().all(|arrived| *arrived), "a user read before the cut gets an account: {arrived:?}");
}

#[test]
fn wrong_dn_or_expired_password_deprovisions_no_user() {
    let company = SlapdCompany::of(60, SlapdOptions::default());
    let mut fixture = company.fixture(&company.slapd.url());
    company.apply_changes(company.every_other_leaver());
    let expected = accounts_without_disturbance(&fixture, &company.news);
    let right = fixture.configuration().clone();

    // DNs that do not exist.
    let nowhere = "ou=nowhere,dc=acme,dc=test";
    let base = right.directory.replace("\"dc=acme,dc=test\"", &format!("\"{nowhere}\""));
    for scope in
        [&right.scope, "filter = \"(mail=*)\"\n", &format!("{}membership = \"member-of\"\n", right.scope)]
    {
        fixture.configure(|it| (it.directory, it.scope) = (base.clone(), scope.to_owned()));
        expect_no_removal_while_disturbed(&format!("wrong base, {scope}"), nowhere, &fixture);
    }
    let missing = "cn=missing,ou=groups,dc=acme,dc=test";
    for membership in ["member", "member-of"] {
        let scope = format!("group = \"{missing}\"\nmembership = \"{membership}\"\n");
        fixture.configure(|it| (it.directory, it.scope) = (right.directory.clone(), scope));
        expect_no_removal_while_disturbed(&format!("wrong group, {membership}"), missing, &fixture);
    }
    fixture.configure(|it| *it = right.clone());

    // A refused bind: the reader's password has changed or expired.
    company.slapd.admin().set_reader_password("another").unwrap();
    expect_no_removal_while_disturbed("expired password", "its password expired", &fixture);
    company.slapd.admin().set_reader_password(company.slapd.reader_password()).unwrap();

    // An existing but wrong base DN gives a complete read; the safeguard holds the removals.
    let elsewhere = "ou=groups,dc=acme,dc=test";
    fixture.configure(|it| {
        it.directory = right.directory.replace("\"dc=acme,dc=test\"", &format!("\"{elsewhere}\""));
        it.safety.clear();
    });
    let mut copy = fixture.copy();
    let plan = copy.run(&["plan", "--json"]);
    plan.expect_exit(4);
    assert_eq!(plan.json().unwrap()["summary"]["actions"], json!({ "held": fixture.active().len() }));
    copy.sync().expect_exit(4);
    assert!(copy.workplace.writes().is_empty(), "{:#?}", copy.workplace.writes());
    // The copy has a target of its own.
    copy.configure(|it| *it = TestConfiguration { target: it.target.clone(), ..right.clone() });
    expect_recovery("another base", &copy, &expected);

    fixture.configure(|it| *it = right.clone());
    expect_recovery("wrong names and an expired password", &fixture, &expected);
}

/// An embedded directory that fails on demand, before and after the changes.
struct EmbeddedCompany {
    directory: EmbeddedLdap,
    fixture: TerminalFixture,
    people: Vec<PersonEntry>,
    news: PendingChanges,
    _runtime: Runtime,
}

/// Five entries a page: the changed users are on the second and third of twelve pages.
const EMBEDDED_PEOPLE: usize = 60;

impl EmbeddedCompany {
    fn company() -> Self {
        let runtime = server_runtime();
        let options = embedded_ldap::LdapOptions::default();
        let secret = json!({ "bind_dn": options.bind_dn, "password": options.password });
        let directory = runtime.block_on(EmbeddedLdap::start(options)).unwrap();
        let people = people::generate(EMBEDDED_PEOPLE, 12);
        let news = PendingChanges::among(&people);
        populate(&directory, &people, news.members(&people)).unwrap();
        let mut configuration = TestConfiguration::openldap_at(&directory.url(), "");
        // Reads of the changes alone fail in `directories/faults.rs`.
        configuration.directory.push_str("page_size = 5\ntimeout_seconds = 2\nchanges = \"none\"\n");
        configuration.safety = NO_LIMITS.to_owned();
        let fixture = TerminalFixture::new(configuration, &secret);
        fixture.settle(0);
        Self { directory, fixture, people, news, _runtime: runtime }
    }

    fn apply_changes(&self) {
        let PendingChanges { newcomers, retitled, leavers } = &self.news;
        for person in newcomers {
            self.directory.add_member(&workplace_group(), &person.dn()).unwrap();
        }
        for person in retitled {
            self.directory.set(&person.dn(), "title", &["Promoted"]).unwrap();
        }
        for (number, person) in leavers.iter().enumerate() {
            match number % 2 {
                0 => self.directory.delete(&person.dn()).unwrap(),
                _ => self.directory.remove_member(&workplace_group(), &person.dn()).unwrap(),
            }
        }
    }
}

/// Whether the changed users are read before the fault.
#[derive(Clone, Copy, PartialEq)]
enum ArrivalExpected {
    Seen,
    Unseen,
}

/// Every fault that a client can detect, and the reason in the message.
fn detectable_faults(person: &str) -> Vec<(FaultInjection, &'static str, ArrivalExpected)> {
    use ArrivalExpected::{Seen, Unseen};
    let fail = |code: ResultCode| FaultInjection::from(LdapFault::FailPage { page: 4, entries: 3, code });
    vec![
        (fail(ResultCode::InsufficientAccessRights), "LDAP result 50 (insufficient access rights)", Seen),
        (fail(ResultCode::Busy), "LDAP result 51 (busy)", Seen),
        (fail(ResultCode::Unavailable), "LDAP result 52 (unavailable)", Seen),
        (fail(ResultCode::UnwillingToPerform), "LDAP result 53 (unwilling to perform)", Seen),
        (fail(ResultCode::TimeLimitExceeded), "LDAP result 3 (time limit exceeded)", Seen),
        (fail(ResultCode::SizeLimitExceeded), "LDAP result 4 (size limit exceeded)", Seen),
        (fail(ResultCode::AdminLimitExceeded), "LDAP result 11 (administrative limit exceeded)", Seen),
        (fail(ResultCode::Referral), "LDAP result 10 (referral)", Seen),
        (LdapFault::CutAfterEntries { entries: 18 }.into(), "cut off", Seen),
        (LdapFault::CutAfterBytes { bytes: 12_000 }.into(), "cut off", Seen),
        (LdapFault::Referral { page: 4 }.into(), "referral(s) to other servers", Seen),
        (LdapFault::MissingControl { page: 4 }.into(), "did not mark the end of its results", Seen),
        (LdapFault::MalformedControl { page: 4 }.into(), "did not mark the end of its results", Seen),
        (LdapFault::RepeatPage { page: 4, times: usize::MAX }.into(), "over and over", Seen),
        (LdapFault::WithoutUuid { dn: person.to_owned() }.into(), "could not be identified", Seen),
        (LdapFault::GarbledEntry { page: 4 }.into(), "could not be identified", Seen),
        (LdapFault::OtherServer.into(), "the server changed", Seen),
        (
            LdapFault::BaseUnreadable { code: ResultCode::NoSuchObject }.into(),
            "base entry could not be read",
            Seen,
        ),
        (
            LdapFault::BaseUnreadable { code: ResultCode::InsufficientAccessRights }.into(),
            "base entry could not be read",
            Seen,
        ),
        (LdapFault::Slow { delay: Duration::from_secs(5) }.into(), "longer than 2 s", Unseen),
        (
            LdapFault::RefuseBind { code: ResultCode::InvalidCredentials }.into(),
            "its password expired",
            Unseen,
        ),
        (
            LdapFault::RefuseBind { code: ResultCode::UnwillingToPerform }.into(),
            "unwilling to perform",
            Unseen,
        ),
        (LdapFault::FailPage { page: 1, entries: 0, code: ResultCode::Busy }.on_any_search(), "busy", Unseen),
    ]
}

#[test]
fn detectable_fault_deprovisions_no_user() {
    let EmbeddedCompany { directory, fixture, people, news, _runtime } = {
        let company = EmbeddedCompany::company();
        company.apply_changes();
        company
    };
    let expected = accounts_without_disturbance(&fixture, &news);
    let faults = detectable_faults(&people[20].dn());
    for (fault, why, seen) in &faults {
        let what = format!("{fault:?}");
        let fixture = fixture.copy();
        let fired = directory.faults_fired();
        directory.inject(fault.clone());
        expect_no_removal_while_disturbed(&what, why, &fixture);
        assert!(directory.faults_fired() >= fired + 2, "{what} did not show in both runs");
        directory.clear_faults();
        match seen {
            ArrivalExpected::Seen => news.expect_arrived(&what, &fixture),
            ArrivalExpected::Unseen => assert!(fixture.workplace.writes().is_empty(), "{what}"),
        }
        if what.contains("OtherServer") {
            // The other server keeps answering; entries missing from it count from its second read on.
            let sync = fixture.sync();
            expect_no_removal(&what, "another server answered than at the last read", &sync);
        }
        expect_recovery(&what, &fixture, &expected);
    }
    println!("{} faults, each in a plan and a sync", faults.len());
}

/// The protocol does not show these faults, so the read counts as complete. Each missing entry is searched by its
/// anchor, and found.
#[test]
fn undetectable_fault_deprovisions_no_user() {
    let company = EmbeddedCompany::company();
    let EmbeddedCompany { directory, fixture, .. } = &company;
    let half = EMBEDDED_PEOPLE / 2;
    let faults = [LdapFault::StaleReplica { entries: half }, LdapFault::EndEarly { page: 6 }];
    for fault in &faults {
        let what = format!("{fault:?}");
        let fixture = fixture.copy();
        directory.inject(fault.clone());
        let fired = directory.faults_fired();
        let plan = fixture.run(&["plan", "--json"]);
        assert_eq!(plan.exit_code, Some(0), "{what}\n{plan}");
        assert_eq!(plan.json().unwrap()["summary"]["actions"], json!({}), "{what}");
        let sync = fixture.sync();
        assert_eq!(sync.exit_code, Some(0), "{what}\n{sync}");
        assert!(fixture.workplace.writes().is_empty(), "{what}: {:#?}", fixture.workplace.writes());
        assert!(directory.faults_fired() >= fired + 2, "{what} did not show");
        directory.clear_faults();
        fixture.settle(0);
    }

    // Real leavers are deprovisioned, and no other user.
    company.apply_changes();
    let expected = accounts_without_disturbance(fixture, &company.news);
    for fault in &faults {
        let fixture = fixture.copy();
        directory.inject(fault.clone());
        let sync = fixture.sync();
        assert_eq!(sync.exit_code, Some(0), "{fault:?}\n{sync}");
        directory.clear_faults();
        expect_recovery(&format!("{fault:?}"), &fixture, &expected);
        let removals = fixture.workplace.writes().iter().filter(|request| deprovisions(request)).count();
        assert_eq!(removals, company.news.leavers.len(), "{fault:?}");
    }
}

/// Neither of two entries with one anchor changes the account, and the missing one is found by its own anchor.
#[test]
fn entry_with_the_anchor_of_another_changes_no_account() {
    let EmbeddedCompany { directory, fixture, people, .. } = &EmbeddedCompany::company();
    directory.inject(LdapFault::DuplicateUuid { dn: people[40].dn(), of: people[1].dn() });
    fixture
        .run(&["plan"])
        .expect_exit(3)
        .says("several entries have this anchor")
        .says("Plan: 1 in conflict");
    for _ in 0..2 {
        fixture.run(&["sync", "--full"]).expect_exit(3).says("1 in conflict");
    }
    directory.clear_faults();
    fixture.sync().expect_exit(0).never_says("conflict");
    assert!(fixture.workplace.writes().is_empty(), "{:#?}", fixture.workplace.writes());
}

/// A replica that lacks nearly all entries, in every search: only the safeguard remains.
#[test]
fn removals_by_an_empty_replica_are_held() {
    let mut company = EmbeddedCompany::company();
    company.fixture.configure(|it| it.safety.clear());
    let EmbeddedCompany { directory, fixture, .. } = &company;
    let before = fixture.accounts();
    directory.inject(LdapFault::StaleReplica { entries: 1 }.on_any_search());
    fixture.run(&["plan", "--json"]).expect_exit(4);
    fixture.sync().expect_exit(4);
    assert!(fixture.workplace.writes().is_empty(), "{:#?}", fixture.workplace.writes());
    directory.clear_faults();
    // The entries are back, and nothing is held.
    let sync = fixture.sync();
    sync.expect_exit(0);
    assert!(fixture.workplace.writes().is_empty(), "{:#?}", fixture.workplace.writes());
    assert_eq!(fixture.accounts(), before);
}
