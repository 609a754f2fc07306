//! How long a page takes.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};

use super::console;
use crate::said::Said;
use crate::world::{World, staff};

/// How many users there are, and how many of them wait.
const USERS: usize = 2_000;
const HELD: usize = 500;

#[test]
#[ignore = "it measures"]
#[expect(clippy::print_stdout, reason = "what it measures is for a person")]
fn how_fast_pages_are() {
    let people = staff(USERS);
    let world = World::of(&people);
    world.settle(0);
    people[..HELD].iter().for_each(|person| world.leave(person));
    world.settle(4).says(&format!("{HELD} held"));
    let console = console(&world, &[]);
    let cookie = console.cookie().unwrap();
    let user = people[USERS - 1].mail.as_str();
    for path in [
        "/",
        "/users",
        "/users?status=held",
        &format!("/users?q={user}"),
        &format!("/user?who={user}"),
        "/held",
        "/failed",
    ] {
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                let asked = Instant::now();
                let page = console.ask(Method::GET, path, &[("cookie", &cookie)], None).unwrap();
                assert_eq!(page.status, StatusCode::OK, "{page:#?}");
                asked.elapsed()
            })
            .collect();
        times.sort();
        println!("{path}: {:?}", times[4]);
        assert!(times[4] < Duration::from_secs(1), "{path}: {times:?}");
    }
}
