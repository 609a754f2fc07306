//! A directory of a thousand users.

use end_to_end::{ENTERPRISE, TerminalFixture, people};

#[test]
fn thousand_users_are_created_once_and_an_unchanged_run_does_nothing() {
    let people = people::generate(1_000, 1);
    let fixture = TerminalFixture::of(&people);

    fixture.sync().expect_exit(0).says("1000 created");
    assert_eq!(fixture.workplace.accounts().len(), 1_000);
    for person in &people {
        let account = fixture.account(&person.mail);
        assert_eq!(account["active"], true, "{account:#}");
        assert_eq!(account["name"]["formatted"], person.name(), "{account:#}");
        assert_eq!(account["title"], person.title, "{account:#}");
        let enterprise = &account[ENTERPRISE];
        assert_eq!(enterprise["department"], person.department_number, "{account:#}");
        let manager = person.manager.as_ref().map(|dn| {
            let manager = people.iter().find(|other| other.dn() == *dn).unwrap();
            fixture.id(&manager.mail)
        });
        assert_eq!(enterprise["manager"]["managerId"].as_u64(), manager, "{account:#}");
    }
    let state = fixture.state().of_users();
    assert_eq!(state.records(), 1_000);

    fixture.workplace.clear_requests();
    fixture.sync().expect_exit(0).says("Done: nothing to do").says("incremental scan: 0 entries examined");
    fixture.expect_no_call();
    assert_eq!(fixture.state().of_users(), state);
}
