//! Random directory faults: a user in scope is never deprovisioned.
//!
//! Each run changes some entries, disturbs the next read, and checks the planned removals. Now and then a read is
//! undisturbed, and every account must match the directory.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use embedded_ldap::{EmbeddedLdap, FaultInjection, LdapFault, ResultCode};
use end_to_end::{
    BASE_DN, CuttingProxy, DirectoryAdmin, EngineFixture, NO_LIMITS, SeededRandom, Slapd, SlapdOptions,
    TestConfiguration, active_names, advance_clock, seed,
};
use model::Anchor;
use scan::ScanMode;
use serde_json::json;

use super::differential::{MANAGER, MAPPING, block_on, engine, planned_removals};

/// Runs with the embedded directory, and runs with a cut connection.
const EMBEDDED_RUNS: usize = 300;
const WIRE_RUNS: usize = 200;
/// Runs between two undisturbed reads.
const UNDISTURBED_EVERY: usize = 25;
/// People in the directory.
const PEOPLE: usize = 24;
const PAGE_SIZE: usize = 4;
/// A little more than the bytes of a whole read.
const BYTES: usize = 14_000;

const GROUP: &str = "cn=workplace,dc=acme,dc=test";

/// People, and whether each should have an account.
struct Staff {
    people: Vec<StaffMember>,
    made: usize,
}

struct StaffMember {
    dn: String,
    mail: String,
    anchor: Option<Anchor>,
    member: bool,
}

/// The directory that stores the people.
enum StaffDirectory<'a> {
    Embedded(&'a EmbeddedLdap),
    Slapd(&'a DirectoryAdmin),
}

impl StaffDirectory<'_> {
    fn add(&self, dn: &str, attributes: &[(&str, &str)]) -> Result<()> {
        match self {
            Self::Slapd(admin) => admin.add(dn, attributes.iter().copied()),
            Self::Embedded(directory) => {
                let values: Vec<[&str; 1]> = attributes.iter().map(|(_, value)| [*value]).collect();
                let names = attributes.iter().map(|(name, _)| *name);
                let attributes: Vec<(&str, &[&str])> =
                    names.zip(values.iter().map(|value| value.as_slice())).collect();
                directory.add(dn, &attributes)
            }
        }
    }

    fn delete(&self, dn: &str) -> Result<()> {
        match self {
            Self::Slapd(admin) => admin.delete(dn),
            Self::Embedded(directory) => directory.delete(dn),
        }
    }

    fn set_title(&self, dn: &str, title: &str) -> Result<()> {
        match self {
            Self::Slapd(admin) => admin.set(dn, "title", &[title]),
            Self::Embedded(directory) => directory.set(dn, "title", &[title]),
        }
    }

    fn set_member(&self, dn: &str, member: bool) -> Result<()> {
        match (self, member) {
            (Self::Slapd(admin), true) => admin.add_member(GROUP, dn),
            (Self::Slapd(admin), false) => admin.remove_member(GROUP, dn),
            (Self::Embedded(directory), true) => directory.add_member(GROUP, dn),
            (Self::Embedded(directory), false) => directory.remove_member(GROUP, dn),
        }
    }

    fn uuid(&self, dn: &str) -> Result<Anchor> {
        let uuid = match self {
            Self::Slapd(admin) => admin.values(dn, "entryUUID")?.pop(),
            Self::Embedded(directory) => directory.entry_uuid(dn),
        };
        Ok(Anchor::from_text(&uuid.context("an entry without entryUUID")?)?)
    }
}

impl Staff {
    /// Adds all people, three of four as members.
    fn create(book: &StaffDirectory<'_>, name: &str) -> Result<Self> {
        book.add(GROUP, &[("objectClass", "groupOfNames"), ("cn", "workplace"), ("member", BASE_DN)])?;
        let mut staff = Self { people: Vec::new(), made: 0 };
        for number in 0..PEOPLE {
            let person = StaffMember {
                dn: format!("uid={name}{number},{BASE_DN}"),
                mail: format!("{name}{number}@acme.test"),
                anchor: None,
                member: false,
            };
            staff.people.push(person);
            staff.hire(number, book)?;
            staff.set_member(number, number % 4 != 0, book)?;
        }
        Ok(staff)
    }

    fn hire(&mut self, number: usize, book: &StaffDirectory<'_>) -> Result<()> {
        let person = &mut self.people[number];
        self.made += 1;
        let sn = self.made.to_string();
        book.add(
            &person.dn,
            &[
                ("objectClass", "inetOrgPerson"),
                ("cn", &person.mail),
                ("sn", &sn),
                ("mail", &person.mail),
                ("title", &sn),
            ],
        )?;
        person.anchor = Some(book.uuid(&person.dn)?);
        Ok(())
    }

    fn set_member(&mut self, number: usize, member: bool, book: &StaffDirectory<'_>) -> Result<()> {
        let person = &mut self.people[number];
        if person.anchor.is_some() && person.member != member {
            book.set_member(&person.dn, member)?;
            person.member = member;
        }
        Ok(())
    }

    fn change(&mut self, random: &mut SeededRandom, book: &StaffDirectory<'_>) -> Result<()> {
        let number = random.below(PEOPLE);
        let person = &mut self.people[number];
        match (random.below(10), &person.anchor) {
            (_, None) => self.hire(number, book),
            (0, Some(_)) => {
                book.delete(&person.dn)?;
                (person.anchor, person.member) = (None, false);
                Ok(())
            }
            (1..3, Some(_)) => self.set_member(number, false, book),
            (3..7, Some(_)) => self.set_member(number, true, book),
            (_, Some(_)) => book.set_title(&person.dn, &random.below(1_000).to_string()),
        }
    }

    fn in_scope(&self) -> impl Iterator<Item = &StaffMember> {
        self.people.iter().filter(|person| person.member)
    }
}

/// Counts of the runs.
#[derive(Default)]
struct FaultTally {
    runs: usize,
    by_fault: BTreeMap<&'static str, usize>,
    incomplete: usize,
    failed: usize,
    wrong: Vec<String>,
}

impl FaultTally {
    /// Runs one scan, and records each planned removal of a user in scope.
    async fn run(
        &mut self,
        (fault, mode): (&'static str, ScanMode),
        engine: &EngineFixture,
        staff: &Staff,
    ) -> Result<()> {
        let anchors: Vec<Anchor> = staff.in_scope().filter_map(|person| person.anchor.clone()).collect();
        let before = planned_removals(engine, &anchors).await?;
        let outcome = engine.scan(mode).await;
        match &outcome {
            Ok(summary) if !summary.complete => self.incomplete += 1,
            Ok(_) => {}
            Err(_) => self.failed += 1,
        }
        let after = planned_removals(engine, &anchors).await?;
        for anchor in after.difference(&before) {
            let run = self.runs;
            self.wrong.push(format!("run {run}, {fault}, {mode:?}: {anchor} is to be removed; {outcome:?}"));
        }
        self.runs += 1;
        *self.by_fault.entry(fault).or_default() += 1;
        engine.provision_due().await.map(drop)
    }

    /// Runs an undisturbed scan and expects the correct accounts.
    async fn undisturbed(&self, engine: &EngineFixture, mode: ScanMode, staff: &Staff) -> Result<()> {
        let summary = engine.scan(mode).await?;
        ensure!(summary.complete, "an undisturbed read was not complete: {summary:?}");
        engine.provision_due().await?;
        let expected: BTreeSet<String> = staff.in_scope().map(|person| person.mail.clone()).collect();
        let active = active_names(&engine.workplace);
        ensure!(active == expected, "after {} runs: {active:?} instead of {expected:?}", self.runs);
        Ok(())
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: {} runs, {} of them incomplete reads, {} that could not be read at all, by fault {:?}; \
             removals planned wrongly: {}",
            self.runs,
            self.incomplete,
            self.failed,
            self.by_fault,
            self.wrong.len()
        );
    }
}

fn configuration(url: &str, scope: &str, safety: &str) -> TestConfiguration {
    TestConfiguration {
        directory: format!(
            "kind = \"openldap\"\nurl = \"{url}\"\nbase_dn = \"{BASE_DN}\"\n\
             secret = \"file:directory-secret.json\"\npage_size = {PAGE_SIZE}\n"
        ),
        scope: scope.to_owned(),
        safety: safety.to_owned(),
        mapping: format!("{MAPPING}{MANAGER}"),
        ..TestConfiguration::openldap_at("", "")
    }
}

fn scopes() -> [String; 2] {
    ["member", "member-of"].map(|membership| format!("group = \"{GROUP}\"\nmembership = \"{membership}\"\n"))
}

fn any_mode(random: &mut SeededRandom) -> ScanMode {
    random.pick(&[ScanMode::Incremental, ScanMode::Full])
}

/// A fault at a random point. Undetectable faults affect only the search, not the later look-ups by anchor: no client
/// can detect a server that is wrong in every answer.
fn fault(random: &mut SeededRandom, staff: &Staff) -> (&'static str, FaultInjection) {
    let page = 1 + random.below(PEOPLE / PAGE_SIZE);
    let entries = random.below(PEOPLE);
    let code = random.pick(&[3, 4, 10, 11, 50, 53]);
    let codes = [
        (3, ResultCode::TimeLimitExceeded),
        (4, ResultCode::SizeLimitExceeded),
        (10, ResultCode::Referral),
        (11, ResultCode::AdminLimitExceeded),
        (50, ResultCode::InsufficientAccessRights),
        (53, ResultCode::UnwillingToPerform),
    ];
    let fail = |entries| {
        let code = codes.iter().find(|(number, _)| *number == code).map(|(_, code)| *code);
        LdapFault::FailPage { page, entries, code: code.unwrap_or(ResultCode::Other) }
    };
    let present = staff.people.iter().filter(|person| person.anchor.is_some());
    let dn = present.map(|person| person.dn.clone()).nth(random.below(PEOPLE / 2)).unwrap_or_default();
    match random.below(14) {
        0 | 1 => ("cut after bytes", LdapFault::CutAfterBytes { bytes: random.below(BYTES) }.into()),
        2 => ("cut after entries", LdapFault::CutAfterEntries { entries }.into()),
        3 | 4 => ("page with a result code", fail(entries % PAGE_SIZE).into()),
        5 => ("search with a result code", fail(0).after(random.below(4)).on_any_search()),
        6 => ("referral", LdapFault::Referral { page }.into()),
        7 => ("stale replica", LdapFault::StaleReplica { entries }.into()),
        8 => ("last page too early", LdapFault::EndEarly { page }.into()),
        9 => ("page without control", LdapFault::MissingControl { page }.into()),
        10 => ("broken control", LdapFault::MalformedControl { page }.into()),
        11 => ("garbled entry", LdapFault::GarbledEntry { page }.into()),
        12 => ("entry without its id", LdapFault::WithoutUuid { dn }.into()),
        _ => ("another server", LdapFault::OtherServer.after(random.below(3)).on_any_search()),
    }
}

#[test]
fn random_directory_faults_deprovision_no_user() {
    let what = "embedded directory";
    let mut random = SeededRandom::seeded(seed(what));
    block_on(async {
        let options = embedded_ldap::LdapOptions::default();
        let secret = json!({ "bind_dn": options.bind_dn, "password": options.password });
        let directory = EmbeddedLdap::start(options).await?;
        let book = StaffDirectory::Embedded(&directory);
        let mut staff = Staff::create(&book, "p")?;
        let mut engines = Vec::new();
        for scope in scopes() {
            engines.push(engine(&configuration(&directory.url(), &scope, NO_LIMITS), &secret).await?);
        }
        let mut tally = FaultTally::default();
        let mut undisturbed = true;
        while tally.runs < EMBEDDED_RUNS {
            for _ in 0..random.below(4) {
                staff.change(&mut random, &book)?;
            }
            advance_clock(30);
            if undisturbed {
                for engine in &engines {
                    tally.undisturbed(engine, any_mode(&mut random), &staff).await?;
                }
            }
            let (name, fault) = fault(&mut random, &staff);
            directory.inject(fault);
            let engine = &engines[random.below(engines.len())];
            tally.run((name, any_mode(&mut random)), engine, &staff).await?;
            directory.clear_faults();
            undisturbed = tally.runs % UNDISTURBED_EVERY == 0;
        }
        tally.print(what);
        ensure!(directory.faults_fired() > EMBEDDED_RUNS / 2, "most of the faults did nothing");
        ensure!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
        Ok(())
    });
}

/// OpenLDAP behind a connection that is cut, or redirected to a replica that lags behind or to another directory of
/// the same name.
#[test]
#[expect(clippy::too_many_lines, reason = "one scenario, told in the order in which it happens")]
fn cut_or_redirected_connection_deprovisions_no_user() {
    let what = "OpenLDAP behind a cut connection";
    let mut random = SeededRandom::seeded(seed(what));
    let log = || SlapdOptions {
        database_lines: vec!["syncprov-sessionlog 1000".to_owned()],
        ..SlapdOptions::default()
    };
    let mut slapd = Slapd::start(log()).unwrap();
    let other = Slapd::start(log()).unwrap();
    Staff::create(&StaffDirectory::Slapd(&other.admin()), "other").unwrap();
    let admin = slapd.admin();
    let book = StaffDirectory::Slapd(&admin);
    let mut staff = Staff::create(&book, "p").unwrap();
    let proxy = CuttingProxy::start(slapd.address()).unwrap();
    let secret = slapd.reader_secret();
    block_on(async {
        let mut engines = Vec::new();
        for scope in scopes() {
            engines.push(engine(&configuration(&proxy.ldap_url(), &scope, NO_LIMITS), &secret).await?);
        }
        // A complete read of another directory is complete, so the safety limits apply.
        let limited = engine(&configuration(&proxy.ldap_url(), &scopes()[0], ""), &secret).await?;
        let mut tally = FaultTally::default();
        let mut replica = None;
        while tally.runs < WIRE_RUNS {
            for _ in 0..random.below(4) {
                staff.change(&mut random, &book)?;
            }
            advance_clock(30);
            if tally.runs % UNDISTURBED_EVERY == 0 {
                // More users may have left than the safety limits allow.
                for engine in &engines {
                    tally.undisturbed(engine, any_mode(&mut random), &staff).await?;
                }
                limited.scan(ScanMode::Full).await?;
                limited.provision_due().await?;
                if tally.runs % (2 * UNDISTURBED_EVERY) == 0 {
                    replica = Some(slapd.copy()?);
                }
            }
            let engine = &engines[random.below(engines.len())];
            let mode = any_mode(&mut random);
            match (random.below(10), &replica) {
                (0..2, Some(replica)) => {
                    proxy.redirect(replica.address());
                    tally.run(("a replica that is behind", mode), engine, &staff).await?;
                }
                (2, _) => {
                    proxy.redirect(other.address());
                    tally.run(("another directory", mode), &limited, &staff).await?;
                }
                (3, _) => {
                    proxy.cut_once_after(random.below(BYTES / 2) as u64);
                    tally.run(("one cut", mode), engine, &staff).await?;
                }
                _ => {
                    let most = random.pick(&[500, 2_000, BYTES / 2]);
                    proxy.cut_after(random.below(most) as u64);
                    tally.run(("cut", mode), engine, &staff).await?;
                }
            }
            proxy.redirect(slapd.address());
            proxy.pass();
        }
        tally.print(what);
        ensure!(proxy.cuts() > WIRE_RUNS as u64 / 4, "there were only {} cuts", proxy.cuts());
        ensure!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
        Ok(())
    });
}
