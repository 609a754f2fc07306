//! The console in a browser: with a mouse, with the keyboard alone, in dark colours, and in a narrow window.

use end_to_end::{Browser, BrowserKey, ColourScheme};
use serde_json::Value;

use super::{ConsoleFixture, SCRIPT};

/// Visible text of the page.
fn read(browser: &Browser) -> String {
    browser.text("body").unwrap()
}

#[track_caller]
fn expect(browser: &Browser, words: &[&str]) {
    let text = read(browser);
    for word in words {
        assert!(text.contains(word), "{word:?} is not on {}:\n{text}", browser.url().unwrap());
    }
}

/// Accessibility of a page: one main landmark and heading, a language, labels, and no more width than the window.
#[track_caller]
fn expect_accessible(browser: &Browser) {
    let faults = browser
        .run(
            "const faults = [];
             const all = selector => [...document.querySelectorAll(selector)];
             const root = document.documentElement;
             if (!root.lang) faults.push('no language');
             if (all('main').length !== 1 || all('h1').length !== 1) faults.push('not one main part and heading');
             all('input:not([type=hidden])').filter(it => !it.labels.length).forEach(it => faults.push('no label: ' + it.name));
             all('button, a').filter(it => !(it.innerText + (it.ariaLabel ?? '')).trim()).forEach(it => faults.push('no name: ' + it.outerHTML));
             all('table').filter(it => !it.caption).forEach(it => faults.push('no caption'));
             all('th').filter(it => !it.scope).forEach(it => faults.push('no scope: ' + it.innerText));
             all('svg').filter(it => !it.ariaLabel).forEach(it => faults.push('a picture without words'));
             if (root.scrollWidth > window.innerWidth) faults.push('wider than the window: ' + root.scrollWidth);
             return faults;",
        )
        .unwrap();
    assert_eq!(faults, Value::Array(Vec::new()), "{}", browser.url().unwrap());
}

/// The lowest contrast of any text, by the formula of the accessibility guidelines.
fn least_contrast(browser: &Browser) -> f64 {
    let script = "
        const parse = colour => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => {
            const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * x + 0.7152 * y + 0.0722 * z;
        };
        const behind = it => {
            for (; it; it = it.parentElement) {
                const colour = parse(getComputedStyle(it).backgroundColor);
                if (colour.length === 3 || colour[3] > 0) return colour;
            }
            return [255, 255, 255];
        };
        const texts = [...document.querySelectorAll('body *')].filter(it => [...it.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
        return Math.min(...texts.map(it => {
            const [a, b] = [light(parse(getComputedStyle(it).color)), light(behind(it))];
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        }));";
    browser.run(script).unwrap().as_f64().unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one scenario, told in the order in which it happens")]
fn administrator_searches_explains_and_approves() {
    let site = ConsoleFixture::start();
    let (fixture, people) = (&site.fixture, &site.people);
    let console = site.console(&["--write"]);
    let browser = Browser::start().unwrap();
    browser.set_width(1000).unwrap();
    browser.set_colours(ColourScheme::Light).unwrap();

    browser.open(console.url()).unwrap();
    expect(
        &browser,
        &[
            "corp",
            "4 accounts would be deactivated",
            "4 awaiting approval",
            "2 failed",
            "To create: ",
            "To deactivate or delete: 0",
        ],
    );
    assert_eq!((browser.count("svg rect").unwrap(), browser.count("svg.created rect").unwrap()), (1, 1));
    assert!(browser.text("table caption").unwrap().contains("last scans"));

    // Search by user name, without regard to case.
    browser.leave_page(|browser| browser.click("nav a[href='users']")).unwrap();
    expect(&browser, &["The state can't be searched for a part of a name", &people[3].mail]);
    browser.type_into("#q", &people[3].mail.to_uppercase()).unwrap();
    browser.leave_page(|browser| browser.click("form[role=search] button")).unwrap();
    expect(&browser, &[&people[3].mail, "in sync"]);
    assert_eq!(browser.count("tbody tr").unwrap(), 1);

    // The explanation of a user shows entry, record, account and history without masked values.
    browser.leave_page(|browser| browser.click("tbody a")).unwrap();
    expect(&browser, &["Result", "In scope", &people[3].dn(), "displayName", "•••", "History", "create"]);
    assert!(!read(&browser).contains(&people[3].title), "the title is masked");

    // Names are shown as text.
    browser.open(&console.address(&format!("user?user={}", people[1].mail))).unwrap();
    expect(&browser, &[SCRIPT]);
    browser.open(&console.address("held")).unwrap();
    expect(&browser, &["4 accounts would be deactivated", &people[4].mail, "max_removals = 3"]);
    browser.open(&console.address("failed")).unwrap();
    expect(&browser, &["The target refused", &format!("{SCRIPT}@acme.test")]);
    assert_eq!((browser.count("script").unwrap(), browser.title().unwrap().as_str()), (0, "Failed · corp"));

    // Every page in light and dark colours, and in a narrow window.
    let search = format!("users?q={}", people[3].mail);
    let user = format!("user?user={}", people[3].mail);
    let pages = [
        ("overview", ""),
        ("users", "users"),
        ("search", &search),
        ("user", &user),
        ("held", "held"),
        ("failed", "failed"),
    ];
    for (name, path) in pages {
        browser.open(&console.address(path)).unwrap();
        for (look, width, colours) in [
            ("light", 1000, ColourScheme::Light),
            ("dark", 1000, ColourScheme::Dark),
            ("400px", 400, ColourScheme::Light),
        ] {
            browser.set_width(width).unwrap();
            browser.set_colours(colours).unwrap();
            expect_accessible(&browser);
            let contrast = least_contrast(&browser);
            assert!(contrast >= 4.5, "{name}, {look}: the contrast is {contrast}");
            browser.screenshot(&format!("console-{name}-{look}")).unwrap();
        }
    }

    // The keyboard alone reaches the search and the approval.
    browser.set_width(400).unwrap();
    browser.open(&console.address("users")).unwrap();
    browser.tab_to("a.skip", 1).unwrap();
    assert_eq!(browser.run("return document.activeElement.getBoundingClientRect().left >= 0").unwrap(), true);
    browser.press(BrowserKey::Enter).unwrap();
    browser.tab_to("#q", 2).unwrap();
    assert_ne!(browser.run("return getComputedStyle(document.activeElement).outlineStyle").unwrap(), "none");
    browser.type_keys(&people[5].mail).unwrap();
    browser.leave_page(|browser| browser.press(BrowserKey::Enter)).unwrap();
    expect(&browser, &[&people[5].mail, "awaiting approval"]);

    browser.open(&console.address("failed")).unwrap();
    expect(&browser, &["The target refused", &people[2].mail]);
    browser.tab_to(&format!("button[aria-label='Retry {}']", people[2].mail), 20).unwrap();
    browser.leave_page(|browser| browser.press(BrowserKey::Enter)).unwrap();
    expect(&browser, &[&people[2].mail, "create: in scope", "pending"]);

    browser.open(&console.address("held")).unwrap();
    browser.tab_to("form[action='approve'] button", 10).unwrap();
    browser.leave_page(|browser| browser.press(BrowserKey::Enter)).unwrap();
    expect(&browser, &["Approved by", "The next scan does it", "4 accounts would be deactivated"]);
    browser.screenshot("console-approved-400px").unwrap();
    assert_eq!(browser.count("form[action='approve']").unwrap(), 0);

    browser.open(console.url()).unwrap();
    expect(&browser, &["Approved by", "4 approved"]);
    assert!(!read(&browser).contains("Awaiting approval:"));

    // The approval has the same effect as the terminal's.
    fixture.workplace.clear_faults();
    let synced = fixture.sync();
    synced.expect_exit(3).says("4 deactivated").says("1 created");
    people[4..8].iter().for_each(|person| fixture.expect_active(&person.mail, false));
    fixture.expect_active(&people[2].mail, true);
    browser.open(console.url()).unwrap();
    expect(&browser, &["1 failed", "To deactivate or delete: 4"]);
}
