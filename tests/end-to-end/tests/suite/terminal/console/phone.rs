//! Pages of the console and of a plan in a narrow window, with long names, DNs and errors.

use end_to_end::{Browser, ColourScheme, PersonEntry, TerminalFixture, enabled_people};
use serde_json::{Value, json};
use simulator::{FaultEffect, TargetFault};

use super::console;

/// Width of a small phone in CSS pixels.
const NARROW: u32 = 360;

/// Width of the pictures.
const PICTURE: u32 = 400;

/// Users of the plan.
const USERS: usize = 100;

/// A hundred users. The first has the longest values that a directory and a target take without a space.
fn long_people() -> Vec<PersonEntry> {
    let mut people = enabled_people(USERS);
    people[0].uid = "u".repeat(60);
    people[0].unit = "engineering".to_owned();
    people[0].mail = format!("{}@{}.test", "m".repeat(60), "d".repeat(60));
    people[0].title = "T".repeat(120);
    people[0].family_name = "F".repeat(60);
    people[0].manager = None;
    people
}

/// Fails if the page is wider than the window, a link of the navigation or a button is too small for a finger, a text is
/// too small to read, or a stored word is shown.
#[track_caller]
fn expect_readable(browser: &Browser, name: &str) {
    let script = "
        const faults = [];
        const all = selector => [...document.querySelectorAll(selector)].filter(it => it.checkVisibility());
        const root = document.documentElement;
        if (root.scrollWidth > innerWidth) faults.push('wider than the window: ' + root.scrollWidth);
        for (const it of all('nav a, button, select, input:not([type=hidden])')) {
            const height = it.getBoundingClientRect().height;
            if (height < 40) faults.push('too small for a finger: ' + height + ' ' + it.outerHTML);
        }
        for (const it of all('body *')) {
            const size = parseFloat(getComputedStyle(it).fontSize);
            if (size < 13 && it.innerText) faults.push('too small to read: ' + size + ' ' + it.outerHTML);
        }
        for (const word of ['in_sync', 'account_gone', 'pending_deletion', 'create-inactive'])
            if (document.body.innerText.includes(word)) faults.push('a stored word: ' + word);
        return faults;";
    assert_eq!(browser.run(script).unwrap(), Value::Array(Vec::new()), "{name}");
}

#[test]
fn pages_hold_on_a_phone_with_long_values() {
    let people = long_people();
    let (long, failed, held) = (&people[0], &people[2], &people[4]);
    let fixture = TerminalFixture::of(&people).configured(|it| {
        it.safety = "max_removals = 3\nmax_removal_percent = 100".to_owned();
    });
    let browser = Browser::start().unwrap();
    let look = |url: &str, name: &str| {
        browser.open(url).unwrap();
        for colours in [ColourScheme::Dark, ColourScheme::Light] {
            browser.set_width(NARROW).unwrap();
            browser.set_colours(colours).unwrap();
            expect_readable(&browser, name);
        }
        browser.set_width(PICTURE).unwrap();
        browser.screenshot(&format!("{name}-400px")).unwrap();
    };

    fixture.run(&["plan", "--html", "plan.html"]).expect_exit(0);
    let plan = format!("file://{}", fixture.dir.file("plan.html").display());
    look(&plan, "plan-page");
    assert_eq!(browser.count("#users > tbody > tr").unwrap(), USERS);
    browser.type_into("#text", &failed.mail).unwrap();
    assert_eq!(
        browser.text("#shown").unwrap(),
        format!("1 of {USERS}"),
        "the filter hides rows on a phone too"
    );
    let shown = "return [...document.querySelectorAll('#users > tbody > tr')].filter(it => it.checkVisibility()).length";
    assert_eq!(browser.run(shown).unwrap(), 1);
    browser.screenshot("plan-page-400px").unwrap();

    let refused = TargetFault::always(FaultEffect::status(400)).method("POST");
    fixture.workplace.inject(refused.user(&failed.mail));
    fixture.settle(3);
    people[4..8].iter().for_each(|person| fixture.leave(person));
    fixture.settle(3);
    let opened = console(&fixture, &["--write"]);
    for (path, name) in [
        (String::new(), "console-overview-long"),
        ("users".to_owned(), "console-users-long"),
        (format!("users?q={}", long.mail), "console-search-long"),
        (format!("user?user={}", long.mail), "console-user-long"),
        (format!("user?user={}", failed.mail), "console-user-failed"),
        (format!("user?user={}", held.mail), "console-user-held"),
        ("user?user=unknown.name".to_owned(), "console-user-unknown"),
        ("held".to_owned(), "console-held-long"),
        ("failed".to_owned(), "console-failed-long"),
    ] {
        look(&opened.address(&path), name);
    }

    fixture.workplace.edit(&people[10].mail, json!({ "title": "Impostor" }));
    browser.open(&opened.address(&format!("user?user={}", people[10].mail))).unwrap();
    assert!(browser.text("table:has(#beside-table)").unwrap().contains("drift"));

    // An account that can't be read is neither empty nor different.
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(503)));
    look(&opened.address(&format!("user?user={}", long.mail)), "console-user-not-read");
    let comparison = browser.text("table:has(#beside-table)").unwrap();
    assert!(comparison.contains("not read") && !comparison.contains("(empty)"), "{comparison}");
    assert!(!comparison.contains("yes") && !comparison.contains("drift"), "{comparison}");
}
