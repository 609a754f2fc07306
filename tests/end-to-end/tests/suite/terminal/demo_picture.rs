//! The README's picture of the demo, `.github/demo.svg`, in a browser.

use std::collections::BTreeSet;
use std::fs;

use end_to_end::{Browser, TestDir};
use serde_json::Value;

const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.github/demo.svg");

/// Distance of the columns, and the first column. `tests/picture` draws with them.
const CELL: f64 = 7.5;
const LEFT: f64 = 18.0;

/// A line of which numbers, times and hashes don't count.
fn skeleton(line: &str) -> String {
    let word = |word: &str| {
        let is_hash = word.len() == 12 && word.chars().all(|c| c.is_ascii_hexdigit());
        if is_hash { "#".to_owned() } else { word.replace(|c: char| c.is_ascii_digit(), "") }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

#[test]
fn picture_of_the_demo_fits_keeps_its_indentation_and_is_current() {
    let browser = Browser::start().unwrap();
    browser.set_width(1200).unwrap();
    browser.open(&format!("file://{}", fs::canonicalize(PICTURE).unwrap().display())).unwrap();
    let script = "
        const box = document.documentElement.viewBox.baseVal;
        return [...document.querySelectorAll('text')].map(it => {
            const { x, y, width, height } = it.getBBox();
            const indent = it.textContent.search(/\\S/);
            return {
                text: it.textContent,
                fits: x >= 0 && y >= 0 && x + width <= box.width && y + height <= box.height,
                indent,
                first: it.getStartPositionOfChar(indent).x,
            };
        });";
    let lines = browser.run(script).unwrap();
    let lines = lines.as_array().unwrap();
    for line in lines {
        assert_eq!(line["fits"], true, "{line}");
        let expected = line["indent"].as_f64().unwrap().mul_add(CELL, LEFT);
        let first = line["first"].as_f64().unwrap();
        assert!((first - expected).abs() < 0.5, "the first letter is not at {expected}: {line}");
    }
    assert!(lines.iter().any(|line| line["indent"].as_i64() > Some(1)), "no line is indented");
    browser.screenshot("demo").unwrap();

    let dir = TestDir::new().unwrap();
    let demo = dir.provisioner(["demo"]).run().unwrap();
    demo.expect_exit(0);
    let current: BTreeSet<String> = demo.stdout.lines().map(skeleton).collect();
    for line in lines.iter().filter_map(|line| line["text"].as_str()).map(|text| text.replace('\u{a0}', " "))
    {
        let is_frame = line == "…" || line == "$ cargo run -- demo";
        assert!(
            is_frame || current.contains(&skeleton(&line)),
            "not in the demo's output: {line:?}; draw the picture again: tests/picture > .github/demo.svg"
        );
    }
    assert_eq!(
        lines.first().map(|line| &line["text"]),
        Some(&Value::from("$\u{a0}cargo\u{a0}run\u{a0}--\u{a0}demo"))
    );
}
