//! Response times of the console's pages.

use end_to_end::{TerminalFixture, enabled_people};
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::console;

/// Users, and the removals held among them.
const USERS: usize = 2_000;
const HELD: usize = 500;

#[expect(clippy::print_stdout, reason = "a test's own output, shown with --nocapture")]
fn show(path: &str, median: Duration) {
    println!("{path}: {median:?}");
}

#[test]
#[ignore = "a measurement: run it alone"]
fn soak_console_pages_answer_within_a_second() {
    let people = enabled_people(USERS);
    let fixture = TerminalFixture::of(&people);
    let sync = |exit| {
        let sync =
            fixture.dir.provisioner(["sync", "--config", "corp.toml"]).timeout(Duration::from_secs(600));
        sync.run().unwrap().expect_exit(exit);
    };
    sync(0);
    people[..HELD].iter().for_each(|person| fixture.leave(person));
    sync(4);
    let console = console(&fixture, &[]);
    let user = people[USERS - 1].mail.as_str();
    for path in [
        "",
        "users",
        "users?status=held",
        &format!("users?q={user}"),
        &format!("user?user={user}"),
        "held",
        "failed",
    ] {
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                let asked = Instant::now();
                let page = console.page(path).unwrap();
                assert_eq!(page.status, StatusCode::OK, "{page:#?}");
                asked.elapsed()
            })
            .collect();
        times.sort();
        show(path, times[4]);
        assert!(times[4] < Duration::from_secs(1), "{path}: {times:?}");
    }
}
