//! How long a large directory takes when nothing or little has changed, beside the tool that only reads it. Only a release
//! build's figures mean anything.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use end_to_end::{Configuration, PEOPLE_DN, Person, READER_DN, Slapd, SlapdOptions, people};

use crate::site::Site;

const USERS: usize = 100_000;
const CHANGES: usize = 100;
/// How often each thing is measured; the tool and the provisioner take turns.
const ROUNDS: usize = 5;
const PAGE_SIZE: usize = 1_000;

const LARGEST_RATIO: f64 = 2.0;
const MOST_MEMORY_KIB: u64 = 100 * 1024;
const LONGEST_UNCHANGED: Duration = Duration::from_millis(100);
const LONGEST_CHANGED: Duration = Duration::from_millis(500);

const FILTER: &str = "(employeeNumber=*)";

/// What the mapping of [`Configuration::openldap`] reads, with the anchor and the account status.
const ATTRIBUTES: [&str; 12] = [
    "entryUUID",
    "mail",
    "givenName",
    "sn",
    "cn",
    "title",
    "telephoneNumber",
    "mobile",
    "departmentNumber",
    "employeeNumber",
    "manager",
    "pwdAccountLockedTime",
];

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

/// The same users, attributes and pages, read by OpenLDAP's own tool.
fn ldapsearch(slapd: &Slapd) -> Duration {
    let started = Instant::now();
    let status = Command::new("ldapsearch")
        .args(["-x", "-LLL", "-H", &slapd.url(), "-D", READER_DN, "-w", slapd.reader_password()])
        .args(["-b", PEOPLE_DN, "-E", &format!("pr={PAGE_SIZE}/noprompt")])
        .arg(format!("(&(objectClass=inetOrgPerson){FILTER})"))
        .args(ATTRIBUTES)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "ldapsearch ended with {status}");
    started.elapsed()
}

/// Somebody without an address can't be mapped: a change that is planned and written down, and that needs no call.
fn set_mails(slapd: &Slapd, people: &[Person], mail: impl Fn(&Person) -> Vec<&str>) {
    let admin = slapd.admin();
    people.iter().for_each(|person| admin.set(&person.dn(), "mail", &mail(person)).unwrap());
}

#[test]
#[ignore = "for a release build; ./tests/directory-speed"]
fn soak_directory_speed() {
    let people = people::generate(USERS, 1);
    let database_lines = vec![
        "syncprov-checkpoint 1000 10".to_owned(),
        "syncprov-sessionlog 10000".to_owned(),
        "index employeeNumber pres".to_owned(),
    ];
    let slapd =
        Slapd::start(SlapdOptions { people: people.clone(), database_lines, ..SlapdOptions::default() });
    let slapd = slapd.unwrap();
    let mut configuration = Configuration::openldap(&slapd, "");
    configuration.directory = configuration.directory.replace(end_to_end::BASE_DN, PEOPLE_DN);
    configuration.directory.push_str(&format!("page_size = {PAGE_SIZE}\n"));
    configuration.scope = format!("filter = \"{FILTER}\"\n");
    let site = Site::new(configuration, &slapd.reader_secret());
    let first = site.sync().timeout(Duration::from_secs(3_600)).run().unwrap();
    first.expect_exit(0);
    println!("a first load of {USERS} users: {:.0} s", first.duration.as_secs_f64());
    drop(site.workplace.requests());
    site.workplace.clear_requests();

    let sync = |more: &[&str], mode: &str| {
        let arguments = ["sync", "--json", "--config", "corp.toml"].iter().chain(more);
        let finished = site.dir.provisioner(arguments).run().unwrap();
        let said = finished.json().unwrap();
        assert_eq!(said["mode"], mode, "{said}");
        assert_eq!(said["complete"], true, "{said}");
        finished
    };

    let (mut tool, mut full, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        tool.push(ldapsearch(&slapd));
        let finished = sync(&["--full"], "full");
        full.push(finished.duration);
        peak = peak.max(finished.peak_rss_kib);
    }
    let (tool, full) = (median(tool), median(full));
    let ratio = full.as_secs_f64() / tool.as_secs_f64();
    println!(
        "ldapsearch {:.2} s, an unchanged full sync {:.2} s: {ratio:.2} times; at most {} MiB",
        tool.as_secs_f64(),
        full.as_secs_f64(),
        peak / 1024
    );

    let unchanged = (0..ROUNDS).map(|_| sync(&[], "incremental").duration).collect();
    let mut changed = Vec::new();
    for round in 0..ROUNDS {
        let people = &people[round * CHANGES..(round + 1) * CHANGES];
        set_mails(&slapd, people, |_| Vec::new());
        let finished = sync(&[], "incremental");
        let said = finished.json().unwrap();
        assert_eq!((&said["read"], &said["failed"]), (&CHANGES.into(), &CHANGES.into()), "{finished}");
        changed.push(finished.duration);
        set_mails(&slapd, people, |person| vec![&person.mail]);
        assert_eq!(sync(&[], "incremental").json().unwrap()["failed"], 0);
    }
    let (unchanged, changed) = (median(unchanged), median(changed));
    println!(
        "an incremental sync with nothing changed {:.0} ms, with {CHANGES} changes {:.0} ms",
        unchanged.as_secs_f64() * 1000.0,
        changed.as_secs_f64() * 1000.0
    );
    let state = fs::metadata(site.dir.path().join("corp.state")).unwrap().len();
    println!("the state of {USERS} users: {} MiB; medians of {ROUNDS}", state >> 20);

    assert!(site.workplace.writes().is_empty());
    assert!(ratio <= LARGEST_RATIO, "{ratio}");
    assert!(peak <= MOST_MEMORY_KIB, "{peak} KiB");
    assert!(unchanged <= LONGEST_UNCHANGED, "{unchanged:?}");
    assert!(changed <= LONGEST_CHANGED, "{changed:?}");
}
