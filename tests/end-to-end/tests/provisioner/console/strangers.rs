//! Who may look, who may act, and what the console leaves alone.

use std::{net::TcpStream, time::Instant};

use reqwest::{Method, StatusCode, header::SET_COOKIE};
use store::Embedded;

use super::Site;
use super::running::{Answer, Console, ask};
use crate::said::Said;

const PAGES: [&str; 6] = ["/", "/users", "/user?who=x", "/held", "/failed", "/nowhere"];

#[track_caller]
fn expect(answer: &Answer, status: StatusCode, says: &str) {
    assert!(answer.status == status && answer.text.contains(says), "{status}, {says:?}: {answer:#?}");
}

#[test]
fn only_whoever_has_the_key_sees_anything() {
    let site = Site::start();
    let console = Console::start(site.dir(), &["--write"]);
    let (base, cookie) = (&console.base, console.cookie());

    for path in PAGES {
        let url = format!("{base}{path}");
        let [stranger, wrong, no_name] = [
            ask(Method::GET, &url, &[], None),
            ask(Method::GET, &url, &[("cookie", &cookie[..cookie.len() - 1])], None),
            ask(Method::GET, &url, &[("cookie", &cookie), ("host", "console.attacker.test")], None),
        ];
        for answer in [&stranger, &wrong, &no_name] {
            expect(answer, StatusCode::FORBIDDEN, "Not allowed");
            assert!(!answer.text.contains("corp"), "{answer:#?}");
        }
    }
    let other_key = format!("{base}/?key={}", "0".repeat(64));
    expect(&ask(Method::GET, &other_key, &[], None), StatusCode::FORBIDDEN, "Not allowed");
    // Nor does the key open anything but the door, and nobody but this machine finds that.
    let key = console.url.split_once('?').unwrap().1;
    let elsewhere = ask(Method::GET, &format!("{base}/held?{key}"), &[], None);
    expect(&elsewhere, StatusCode::FORBIDDEN, "Not allowed");
    let port = base.rsplit_once(':').unwrap().1;
    assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
    assert!(TcpStream::connect(format!("127.0.0.2:{port}")).is_err(), "it listens on more than 127.0.0.1");

    let door = ask(Method::GET, &console.url, &[], None);
    let set = door.headers[SET_COOKIE].to_str().unwrap();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    assert!(!console.url.contains(cookie.split_once('=').unwrap().1), "the cookie is not the key");

    for path in ["/", "/users", "/held", "/failed"] {
        let page = console.page(path);
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
    }
    expect(&console.page("/nowhere"), StatusCode::NOT_FOUND, "no such page");
    expect(&console.page("/users?status=nonsense"), StatusCode::BAD_REQUEST, "no such status");
}

#[test]
fn only_its_own_forms_act_and_only_with_write() {
    let site = Site::start();
    let hash = site.world.run(&["approve", "--json"]).json().unwrap()["waiting"][0]["hash"].clone();
    let hash = hash.as_str().unwrap();

    let reader = Console::start(site.dir(), &[]);
    for path in ["/held", "/failed", "/users", &format!("/user?who={}", site.people[2].mail)] {
        let page = reader.page(path).text;
        assert!(!page.contains("method=\"post\"") && !page.contains("form_key"), "{path}\n{page}");
    }
    let cookie = reader.cookie();
    let headers = [("cookie", cookie.as_str()), ("origin", reader.base.as_str())];
    for (path, form) in
        [("/held/approve", format!("hash={hash}&form_key=x")), ("/failed/retry", "form_key=x".into())]
    {
        let answer = ask(Method::POST, &format!("{}{path}", reader.base), &headers, Some(&form));
        expect(&answer, StatusCode::FORBIDDEN, "only shows");
    }
    drop(reader);

    let console = Console::start(site.dir(), &["--write"]);
    let (cookie, key) = (console.cookie(), console.form_key("/held"));
    let url = format!("{}/held/approve", console.base);
    let (ours, form) = (console.base.as_str(), format!("hash={hash}&form_key={key}"));
    let foreign = "https://attacker.test";
    for (headers, form) in [
        (&[("origin", foreign)][..], &form),
        (&[("origin", "null")], &form),
        (&[], &form),
        (&[("origin", ours), ("sec-fetch-site", "cross-site")], &form),
        (&[("origin", ours)], &format!("hash={hash}")),
        (&[("origin", ours)], &format!("hash={hash}&form_key={}", &key[1..])),
    ] {
        let headers: Vec<_> = headers.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        expect(
            &ask(Method::POST, &url, &headers, Some(form)),
            StatusCode::FORBIDDEN,
            "did not come from a page",
        );
    }
    let no_cookie = ask(Method::POST, &url, &[("origin", ours)], Some(&form));
    expect(&no_cookie, StatusCode::FORBIDDEN, "Not allowed");
    let by_link = console.page(&format!("/held/approve?hash={hash}&form_key={key}"));
    assert_eq!(by_link.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.approved_until(), None);

    let headers = [("cookie", cookie.as_str()), ("origin", ours), ("sec-fetch-site", "same-origin")];
    let other = format!("hash=0123456789ab&form_key={key}");
    expect(&ask(Method::POST, &url, &headers, Some(&other)), StatusCode::CONFLICT, "nothing was approved");
    assert_eq!(site.approved_until(), None);
    let approved = ask(Method::POST, &url, &headers, Some(&form));
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{approved:#?}");
    assert!(site.approved_until().is_some());
}

#[test]
fn the_console_is_in_nobodys_way() {
    let site = Site::start();
    let console = Console::start(site.dir(), &[]);
    let before = site.world.state();
    let who = format!("/user?who={}", site.people[4].mail);
    for path in PAGES.into_iter().chain([who.as_str()]) {
        console.page(path);
    }
    assert_eq!(site.world.state(), before, "looking writes nothing");
    site.world.sync().expect_exit(4).says("held");

    // While somebody else works on the state, a page waits a little and then says so.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (engine, _table) = runtime.block_on(Embedded::open(&site.state())).unwrap();
    let asked = Instant::now();
    expect(&console.page("/"), StatusCode::SERVICE_UNAVAILABLE, "Busy");
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    drop(engine);
    expect(&console.page("/"), StatusCode::OK, "Last scans");

    // What is remembered is shown also where the directory can't be asked.
    let directory = site.world.configuration().directory.clone();
    let mut site = site;
    let url = site.world.directory.url();
    site.world.configure(|it| it.directory = directory.replace(&url, "ldap://127.0.0.1:9"));
    let page = console.page(&who);
    expect(&page, StatusCode::OK, "can’t be looked up now");
    assert!(page.text.contains("held") && page.text.contains("create"), "{page:#?}");

    assert_eq!(console.interrupt().code(), Some(0));
    assert!(runtime.block_on(Embedded::open(&site.state())).is_ok(), "the state is free");
}
