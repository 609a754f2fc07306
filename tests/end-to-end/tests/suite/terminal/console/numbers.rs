//! Numbers of the overview: what a scan planned is not called done, and "in sync" does not stand beside something open.

use end_to_end::{ConsoleProcess, TerminalFixture, enabled_people};
use simulator::{FaultEffect, TargetFault};

use super::console;

const IN_SYNC: &str = "All users are in sync";

fn overview(console: &ConsoleProcess) -> String {
    console.page("").unwrap().text
}

#[test]
fn planned_numbers_are_not_shown_as_done() {
    let people = enabled_people(6);
    let mut fixture = TerminalFixture::of(&people).configured(|it| it.safety = "max_changes = 2".to_owned());
    let opened = console(&fixture, &[]);
    let page = overview(&opened);
    assert!(page.contains("No scan has been completed yet") && !page.contains(IN_SYNC), "{page}");

    // The target refuses each creation that the scan planned.
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(400)).method("POST"));
    fixture.settle(3);
    let page = overview(&opened);
    for words in
        ["To create: 6", "Planned by the last scans", "<strong>6</strong> failed", "In sync</dt><dd>0 users"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    for words in ["Created", "Updated", "Removed", IN_SYNC] {
        assert!(!page.contains(words), "{words}: {page}");
    }

    fixture.workplace.clear_faults();
    fixture.run(&["retry", "--failed"]).expect_exit(0);
    fixture.settle(0);
    let page = overview(&opened);
    assert!(page.contains(IN_SYNC) && page.contains("In sync</dt><dd>6 users"), "{page}");

    // Held changes leave each user's status as it was.
    fixture
        .configure(|it| it.mapping = it.mapping.replace("title = \"title\"", "title = \"employeeNumber\""));
    fixture.settle(4);
    let page = overview(&opened);
    assert!(page.contains("Awaiting approval:") && !page.contains(IN_SYNC), "{page}");
    fixture.approve_held_by("Ada Admin");
    let page = overview(&opened);
    assert!(page.contains("by Ada Admin until") && page.contains("the next scan does it"), "{page}");
    assert!(!page.contains("Awaiting approval:"), "{page}");
}
