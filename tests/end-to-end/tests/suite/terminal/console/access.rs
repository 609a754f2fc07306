//! Access control of the console, and its effect on other work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use end_to_end::{ConsoleProcess, ConsoleResponse};
use reqwest::{Method, StatusCode, header::SET_COOKIE};
use serde_json::json;
use store::Embedded;

use super::ConsoleFixture;

const PAGES: [&str; 6] = ["", "users", "user?user=x", "held", "failed", "nowhere"];

#[track_caller]
fn expect(answer: &ConsoleResponse, status: StatusCode, says: &str) {
    assert!(answer.status == status && answer.text.contains(says), "{status}, {says:?}: {answer:#?}");
}

/// The key in a form of the console.
fn form_key(console: &ConsoleProcess, path: &str) -> String {
    let page = console.page(path).unwrap().text;
    let key = page.split_once("name=\"form_key\" value=\"").map(|(_, rest)| rest.split('"').next().unwrap());
    key.unwrap_or_else(|| panic!("no form\n{page}")).to_owned()
}

#[test]
fn pages_require_the_key() {
    let site = ConsoleFixture::start();
    let console = site.console(&["--write"]);
    let get = |path: &str, headers: &[(&str, &str)]| console.ask((Method::GET, path), headers, None).unwrap();

    let key = console.path("");
    for page in PAGES {
        let wrong = [
            format!("/{page}"),
            format!("/{}/{page}", "0".repeat(key.len() - 2)),
            format!("{}/{page}", &key[..key.len() - 2]),
            format!("/{page}{key}"),
        ];
        for path in wrong {
            let answer = get(&path, &[]);
            expect(&answer, StatusCode::FORBIDDEN, "Not allowed");
            assert!(!answer.text.contains("corp"), "{answer:#?}");
        }
        let rebound = get(&console.path(page), &[("host", "console.attacker.test")]);
        expect(&rebound, StatusCode::FORBIDDEN, "Not allowed");
    }
    // The console listens on 127.0.0.1 alone.
    let (_, port) = console.origin().rsplit_once(':').unwrap();
    assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
    assert!(TcpStream::connect(format!("127.0.0.2:{port}")).is_err(), "it listens on more than 127.0.0.1");

    for path in ["", "users", "held", "failed"] {
        let page = console.page(path).unwrap();
        expect(&page, StatusCode::OK, "corp");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(page.headers[name], value);
        }
        // A browser sends the cookies of 127.0.0.1 to every port, and another user can listen on one.
        assert!(!page.headers.contains_key(SET_COOKIE), "{page:#?}");
    }
    expect(&console.page("nowhere").unwrap(), StatusCode::NOT_FOUND, "no such page");
    expect(&console.page("users?status=nonsense").unwrap(), StatusCode::BAD_REQUEST, "no such status");
    expect(
        &console.page("users?status=held&after=nonsense").unwrap(),
        StatusCode::BAD_REQUEST,
        "end of a page",
    );
}

#[test]
fn actions_require_write_mode_and_a_form_of_the_console() {
    let site = ConsoleFixture::start();
    let hash = site.fixture.run(&["approve", "--json"]).json().unwrap()["waiting"][0]["hash"].clone();
    let hash = hash.as_str().unwrap();

    let reader = site.console(&[]);
    for path in ["held", "failed", "users", &format!("user?user={}", site.people[2].mail)] {
        let page = reader.page(path).unwrap().text;
        assert!(!page.contains("method=\"post\"") && !page.contains("form_key"), "{path}\n{page}");
    }
    let headers = [("origin", reader.origin())];
    for (path, form) in [("approve", format!("hash={hash}&form_key=x")), ("retry", "form_key=x".into())] {
        let answer = reader.ask((Method::POST, &reader.path(path)), &headers, Some(&form)).unwrap();
        expect(&answer, StatusCode::FORBIDDEN, "only shows");
    }
    drop(reader);

    let console = site.console(&["--write"]);
    let key = form_key(&console, "held");
    let approve = |headers: &[(&str, &str)], form: &str| {
        console.ask((Method::POST, &console.path("approve")), headers, Some(form)).unwrap()
    };
    let (ours, form) = (console.origin(), format!("hash={hash}&form_key={key}"));
    for (headers, form) in [
        (&[("origin", "https://attacker.test")][..], &form),
        (&[("origin", "null")], &form),
        (&[], &form),
        (&[("origin", ours), ("sec-fetch-site", "cross-site")], &form),
        (&[("origin", ours)], &format!("hash={hash}")),
        (&[("origin", ours)], &format!("hash={hash}&form_key={}", &key[1..])),
    ] {
        expect(&approve(headers, form), StatusCode::FORBIDDEN, "did not come from a page");
    }
    let no_key = console.ask((Method::POST, "/approve"), &[("origin", ours)], Some(&form)).unwrap();
    expect(&no_key, StatusCode::FORBIDDEN, "Not allowed");
    let by_link = console.page(&format!("approve?{form}")).unwrap();
    assert_eq!(by_link.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.approved_until(), None);

    let headers = [("origin", ours), ("sec-fetch-site", "same-origin")];
    let other = format!("hash=0123456789ab&form_key={key}");
    expect(&approve(&headers, &other), StatusCode::CONFLICT, "nothing was approved");
    assert_eq!(site.approved_until(), None);
    assert_eq!(approve(&headers, &form).status, StatusCode::SEE_OTHER);
    assert!(site.approved_until().is_some());

    // A retry applies to failed users only, as in the terminal.
    let retry = |form: String| {
        console.ask((Method::POST, &console.path("retry")), &[("origin", ours)], Some(&form)).unwrap()
    };
    let settled = retry(format!("user={}&form_key={key}", site.people[3].mail));
    expect(&settled, StatusCode::CONFLICT, "nothing to retry");
    let all_users = retry(format!("form_key={key}"));
    assert_eq!(all_users.headers["location"], "failed?retried=2", "{all_users:#?}");
    expect(&console.page("failed?retried=2").unwrap(), StatusCode::OK, "2 users became pending");
    let users = site.fixture.run(&["status", "--json"]).json().unwrap()["users"].clone();
    assert_eq!((&users["pending"], &users["failed"]), (&json!(2), &json!(null)), "{users}");
}

#[test]
fn console_does_not_disturb_other_work() {
    let site = ConsoleFixture::start();
    let console = site.console(&[]);
    let before = site.fixture.state();
    let user_page = format!("user?user={}", site.people[4].mail);
    for path in PAGES.into_iter().chain([user_page.as_str()]) {
        console.page(path).unwrap();
    }
    assert_eq!(site.fixture.state(), before, "pages write nothing");
    site.fixture.sync().expect_exit(3).says("awaiting approval");

    // While another process has the state open, pages are shown, and a form reports it.
    let writing = site.console(&["--write"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (engine, _table) = runtime.block_on(Embedded::open(&site.state())).unwrap();
    for path in PAGES.into_iter().filter(|path| *path != "nowhere") {
        expect(&console.page(path).unwrap(), StatusCode::OK, "corp");
    }
    let form = format!("form_key={}", form_key(&writing, "failed"));
    let headers = [("origin", writing.origin())];
    let refused = writing.ask((Method::POST, &writing.path("retry")), &headers, Some(&form)).unwrap();
    expect(&refused, StatusCode::SERVICE_UNAVAILABLE, "Busy");
    drop(engine);
    expect(&console.page("").unwrap(), StatusCode::OK, "Last scans");

    // The state is shown even when the directory is unreachable.
    let directory = site.fixture.configuration().directory.clone();
    let mut site = site;
    let url = site.fixture.directory.url();
    site.fixture.configure(|it| it.directory = directory.replace(&url, "ldap://127.0.0.1:9"));
    let page = console.page(&user_page).unwrap();
    expect(&page, StatusCode::OK, "can’t be looked up now");
    assert!(page.text.contains("held") && page.text.contains("create"), "{page:#?}");

    assert_eq!(console.interrupt().unwrap().exit_code, Some(0));
    assert!(runtime.block_on(Embedded::open(&site.state())).is_ok(), "the state is free");
}

#[test]
fn connection_without_a_whole_request_is_closed() {
    let site = ConsoleFixture::start();
    let console = site.console(&[]);
    let address = console.origin().strip_prefix("http://").unwrap();
    let mut idle = TcpStream::connect(address).unwrap();
    // Without a limit of the console, the read would not end.
    idle.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    // Ends when the console closes the connection.
    let mut answer = Vec::new();
    idle.read_to_end(&mut answer).unwrap();
    expect(&console.page("").unwrap(), StatusCode::OK, "Last scans");
}
