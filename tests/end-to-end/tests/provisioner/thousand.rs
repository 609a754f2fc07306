//! A company of a thousand.

use end_to_end::people;

use crate::said::Said;
use crate::world::{ENTERPRISE, World};

#[test]
fn a_thousand_users_get_accounts_once_and_an_unchanged_run_calls_and_writes_nothing() {
    let people = people::generate(1_000, 1);
    let world = World::of(&people);

    world.sync().expect_exit(0).says("1000 created");
    assert_eq!(world.workplace.accounts().len(), 1_000);
    for person in &people {
        let account = world.account(&person.mail);
        assert_eq!(account["active"], true, "{account:#}");
        assert_eq!(account["name"]["formatted"], person.name(), "{account:#}");
        assert_eq!(account["title"], person.title, "{account:#}");
        let enterprise = &account[ENTERPRISE];
        assert_eq!(enterprise["department"], person.department_number, "{account:#}");
        let manager = person.manager.as_ref().map(|dn| {
            let manager = people.iter().find(|other| other.dn() == *dn).unwrap();
            world.id(&manager.mail)
        });
        assert_eq!(enterprise["manager"]["managerId"].as_u64(), manager, "{account:#}");
    }
    let state = world.state().of_users();
    assert_eq!(state.records(), 1_000);

    world.workplace.clear_requests();
    world.sync().expect_exit(0).says("Done: nothing to do").says("0 looked at, of what has changed");
    world.expect_no_call();
    assert_eq!(world.state().of_users(), state);
}
