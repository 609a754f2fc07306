//! A sync that is killed at any moment and run again ends like an undisturbed sync.
//!
//! The simulated Workplace runs in this process and survives the kill. It delays each answer by some milliseconds, so
//! that many kills hit a run after the change and before its record.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use end_to_end::{
    GroupEntry, NO_LIMITS, PersonEntry, ProgramOutput, STATUS, SeededRandom, Slapd, SlapdOptions,
    TerminalFixture, TestConfiguration, expect_same_accounts, people, seed, workplace_group,
};
use model::{AccountId, Anchor, Fingerprint, ScanVersion, Status, UnixSeconds, UserRecord};
use serde_json::{Value, json};
use simulator::Simulator;
use store::Embedded;

/// Kills in each phase.
const KILLS: usize = 12;

/// Delay of each answer.
const LATENCY: Duration = Duration::from_millis(4);

/// People, all but the last few of them in the group at first.
const PEOPLE: usize = 140;
const OUTSIDERS: usize = 6;

const FOREIGN_ACCOUNT: &str = "visitor@partner.test";

/// A directory, and the accounts that exist before the first sync.
struct KillCompany {
    slapd: Slapd,
    people: Vec<PersonEntry>,
    /// Anchors of all entries that ever existed.
    anchors: BTreeSet<Anchor>,
}

impl KillCompany {
    fn start() -> Self {
        let mut people = people::generate(PEOPLE, 21);
        people.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
        // One user is disabled from the start and has an account.
        people[7].employee_type = "disabled".to_owned();
        let groups = vec![GroupEntry::of("workplace", &people[..PEOPLE - OUTSIDERS])];
        let options = SlapdOptions { people: people.clone(), groups, ..SlapdOptions::default() };
        let mut company = Self { slapd: Slapd::start(options).unwrap(), people, anchors: BTreeSet::new() };
        company.note_anchors();
        company
    }

    fn note_anchors(&mut self) {
        let admin = self.slapd.admin();
        for person in &self.people {
            let uuids = admin.values(&person.dn(), "entryUUID").unwrap();
            self.anchors.extend(uuids.iter().map(|uuid| Anchor::from_text(uuid).unwrap()));
        }
    }

    /// A fixture without state. Some users have an account: equal, outdated, inactive, or of a disabled user.
    fn fixture(&self) -> TerminalFixture {
        let mut configuration = TestConfiguration::openldap(&self.slapd, "");
        configuration.directory.push_str("page_size = 20\n");
        configuration.directory.push_str(STATUS);
        configuration.safety = NO_LIMITS.to_owned();
        let fixture = TerminalFixture::new(configuration, &self.slapd.reader_secret());
        let seed = |person: &PersonEntry, more: Value| {
            let mut account = json!({ "userName": person.mail.to_uppercase(), "active": true });
            account.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            fixture.workplace.seed(account);
        };
        for person in &self.people[1..6] {
            let name = json!({ "givenName": person.given_name, "familyName": person.family_name });
            seed(person, json!({ "name": name, "displayName": person.name(), "title": person.title }));
        }
        for person in &self.people[7..12] {
            seed(person, json!({ "title": "Outdated", "displayName": "Old Name" }));
        }
        for person in &self.people[12..15] {
            seed(person, json!({ "active": false }));
        }
        // An account of a user out of scope, and one without an entry.
        seed(&self.people[PEOPLE - 1], json!({ "title": "Guest" }));
        fixture.workplace.seed(json!({ "userName": FOREIGN_ACCOUNT, "active": true, "title": "Visitor" }));
        fixture.workplace.set_latency(LATENCY);
        fixture
    }

    /// Applies every kind of change.
    fn apply_changes(&mut self) {
        let admin = self.slapd.admin();
        let people = &self.people;
        let set = |number: usize, attribute: &str, values: &[&str]| {
            admin.set(&people[number].dn(), attribute, values).unwrap();
        };
        for number in 15..25 {
            set(number, "title", &["Promoted"]);
        }
        for number in 25..30 {
            set(number, "mail", &[&format!("new.name{number}@acme.test")]);
        }
        for number in 30..34 {
            set(number, "telephoneNumber", &[]);
        }
        for number in 34..44 {
            set(number, "employeeType", &["disabled"]);
        }
        for number in 44..52 {
            admin.delete(&people[number].dn()).unwrap();
        }
        for number in 52..60 {
            admin.remove_member(&workplace_group(), &people[number].dn()).unwrap();
        }
        // These entries are recreated with new anchors.
        for number in 60..66 {
            admin.delete(&people[number].dn()).unwrap();
            admin.add_person(&people[number]).unwrap();
            admin.add_member(&workplace_group(), &people[number].dn()).unwrap();
        }
        // The disabled user is enabled again, and the last users join, with managers among them.
        set(7, "employeeType", &["active"]);
        for number in PEOPLE - OUTSIDERS..PEOPLE - 1 {
            set(number, "manager", &[&people[number + 1].dn()]);
            admin.add_member(&workplace_group(), &people[number].dn()).unwrap();
        }
        admin.add_member(&workplace_group(), &people[PEOPLE - 1].dn()).unwrap();
        // Managers move to another unit, and the references to them follow.
        let unit = admin.add_unit("elsewhere").unwrap();
        for number in 1..3 {
            admin.move_to(&people[number].dn(), &unit).unwrap();
        }
        drop(admin);
        self.note_anchors();
    }

    /// Accounts, records and snapshot at the end.
    fn final_state(&self, fixture: &TerminalFixture) -> FinalState {
        let names: BTreeMap<AccountId, String> = fixture
            .workplace
            .accounts()
            .iter()
            .map(|account| {
                let id = AccountId::new(account["id"].to_string()).unwrap();
                (id, account["userName"].as_str().unwrap().to_lowercase())
            })
            .collect();
        let (records, snapshot) = fixture.block_on(async {
            let (_engine, table) = Embedded::open(&fixture.dir.file("corp.state")).await.unwrap();
            let store = table.connection("corp");
            let hashes: Vec<_> = self.anchors.iter().map(Anchor::hash).collect();
            let records = store.fetch_records(&hashes).await.unwrap();
            (records, store.fetch_snapshot().await.unwrap().pairs().to_vec())
        });
        let records =
            records.into_values().map(|record| (record.anchor.clone(), without_time(record, &names)));
        FinalState {
            accounts: fixture.accounts(),
            records: records.collect(),
            snapshot: snapshot.into_iter().map(|(hash, print)| (hash.to_string(), print)).collect(),
        }
    }
}

/// State after a run; equal for two runs with the same result.
struct FinalState {
    accounts: BTreeMap<String, Value>,
    records: BTreeMap<Anchor, UserRecord>,
    snapshot: BTreeMap<String, Fingerprint>,
}

impl FinalState {
    #[track_caller]
    fn expect(&self, what: &str, expected: &FinalState) {
        let FinalState { accounts, records, snapshot } = self;
        expect_same_accounts(what, accounts, &expected.accounts);
        let anchors: BTreeSet<&Anchor> = records.keys().chain(expected.records.keys()).collect();
        for anchor in anchors {
            let (found, expected) = (records.get(anchor), expected.records.get(anchor));
            assert_eq!(found, expected, "{what}: the record of {anchor}");
        }
        assert_eq!(snapshot, &expected.snapshot, "{what}: the snapshot");
    }
}

/// A record without times, rechecks, scan versions and account ids, which differ between runs. The hash of a sent
/// reference is the hash of an account id.
fn without_time(record: UserRecord, names: &BTreeMap<AccountId, String>) -> UserRecord {
    let link = record.link.map(|mut link| {
        link.account = AccountId::new(names.get(&link.account).cloned().unwrap_or("gone".into())).unwrap();
        if let Some(applied) = &mut link.applied {
            applied.attributes.remove(&"manager".into());
        }
        link
    });
    let attempts = if record.status == Status::InSync { 0 } else { record.attempts };
    UserRecord { version: ScanVersion(0), next_attempt: UnixSeconds(0), attempts, link, ..record }
}

/// Expects one creation for each new account.
#[track_caller]
fn expect_no_duplicates(what: &str, workplace: &Simulator, seeded: usize) {
    let requests = workplace.requests();
    let made = requests.iter().filter(|request| request.method == "POST" && request.changed).count();
    assert_eq!(workplace.accounts().len(), seeded + made, "{what}");
}

/// Syncs until nothing is left, and returns the number of runs. `finished` is the exit code of the last one.
#[track_caller]
fn sync_to_the_end(what: &str, fixture: &TerminalFixture, finished: i32) -> usize {
    for runs in 1..=4 {
        let run = fixture.sync();
        if run.exit_code == Some(finished) {
            return runs;
        }
        assert_eq!(run.exit_code, Some(3), "{what}: run {runs} after the kill\n{run}");
    }
    panic!("{what}: four runs were not enough to finish");
}

/// Kills by their moment, measured by the writes that the target received.
#[derive(Default)]
struct KillCounts {
    before: usize,
    between: usize,
    after: usize,
    after_end: usize,
}

/// Most runs that may end before their kill.
const MAX_AFTER_END: usize = 2 * KILLS;

impl KillCounts {
    fn killed(&self) -> usize {
        self.before + self.between + self.after
    }

    fn count(&mut self, killed: &ProgramOutput, writes: usize, all: usize) {
        let hit = match (killed.exit_code, writes) {
            (Some(_), _) => &mut self.after_end,
            (None, 0) => &mut self.before,
            (None, writes) if writes < all => &mut self.between,
            (None, _) => &mut self.after,
        };
        *hit += 1;
    }

    /// Prints the moments of the kills, and fails if too few hit a run between two writes.
    #[track_caller]
    fn report(&self, phase: &str, requests: usize) {
        let Self { before, between, after, after_end } = self;
        println!(
            "{phase} ({requests} requests): {before} killed before the first write to the target, \
             {between} between writes, {after} after the last; {after_end} had ended"
        );
        assert!(*between >= KILLS / 4, "{phase}: too few runs were killed between two writes");
    }
}

/// Starts a sync, and kills it when the target has received this many requests.
fn sync_killed_at(fixture: &TerminalFixture, requests: usize) -> ProgramOutput {
    let mut running = fixture.call(&["sync"]).start().unwrap();
    while fixture.workplace.request_count() < requests && !running.has_ended() {
        thread::sleep(Duration::from_millis(1));
    }
    running.kill().unwrap()
}

/// Kills runs at random requests, and compares each final state with an undisturbed run's. Returns the fixture of the
/// undisturbed run, which ends with the exit code `finished`.
fn kill_at_random_moments(
    phase: &str,
    (company, finished): (&KillCompany, i32),
    start: impl Fn() -> TerminalFixture,
) -> TerminalFixture {
    let seed = seed(phase);
    let mut random = SeededRandom::seeded(seed);

    let fixture = start();
    let seeded = fixture.workplace.accounts().len();
    let run = fixture.sync();
    run.expect_exit(finished);
    let (requests, writes) = (fixture.workplace.request_count(), fixture.workplace.writes().len());
    expect_no_duplicates(phase, &fixture.workplace, seeded);
    let expected = company.final_state(&fixture);

    let mut hits = KillCounts::default();
    while hits.killed() < KILLS {
        let kill = hits.killed();
        let place = start();
        // One request in each part of the run; a third of the runs is killed twice.
        let mut moment = || (kill * requests + random.below(requests)) / KILLS;
        let at = moment();
        let killed = sync_killed_at(&place, at);
        hits.count(&killed, place.workplace.writes().len(), writes);
        if killed.exit_code.is_some() {
            assert!(hits.after_end < MAX_AFTER_END, "{phase}: runs end before they are killed");
            continue;
        }
        let mut what = format!("{phase}, killed at request {at} (seed {seed})");
        if kill % 3 == 0 {
            let again = moment();
            sync_killed_at(&place, place.workplace.request_count() + again);
            what = format!("{what} and {again} requests later");
        }
        sync_to_the_end(&what, &place, finished);
        expect_no_duplicates(&what, &place.workplace, seeded);
        company.final_state(&place).expect(&what, &expected);
    }
    hits.report(phase, requests);
    fixture
}

#[test]
fn killed_first_sync_ends_like_an_undisturbed_one() {
    let company = KillCompany::start();
    // The disabled user with an account from before waits for an approval.
    let fixture = kill_at_random_moments("a first sync", (&company, 4), || company.fixture());
    let active = json!(true);
    assert_eq!(fixture.workplace.account(FOREIGN_ACCOUNT).unwrap()["title"], "Visitor");
    assert_eq!(fixture.workplace.account(&company.people[PEOPLE - 1].mail).unwrap()["title"], "Guest");
    assert_eq!(fixture.workplace.account(&company.people[12].mail).unwrap()["active"], active);
}

#[test]
fn killed_sync_of_changes_ends_like_an_undisturbed_one() {
    let mut company = KillCompany::start();
    let first = company.fixture();
    first.settle(4);
    company.apply_changes();
    let start = || {
        let fixture = first.copy();
        fixture.workplace.set_latency(LATENCY);
        fixture
    };
    let fixture = kill_at_random_moments("a sync of changes", (&company, 0), start);

    // The expected accounts, so that equal final states are also correct.
    let account = |number: usize| fixture.workplace.account(&company.people[number].mail).unwrap();
    for number in (34..44).chain(44..52).chain(52..60) {
        assert_eq!(account(number)["active"], json!(false), "{number}");
    }
    for number in (15..25).chain(60..66).chain(PEOPLE - OUTSIDERS..PEOPLE) {
        assert_eq!(account(number)["active"], json!(true), "{number}");
    }
    for number in 25..30 {
        assert!(fixture.workplace.account(&format!("new.name{number}@acme.test")).is_some(), "{number}");
        assert!(fixture.workplace.account(&company.people[number].mail).is_none(), "{number}");
    }
}
