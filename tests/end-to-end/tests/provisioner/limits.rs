//! Removals over the limits wait for a person, and nothing else waits with them.

use serde_json::json;

use crate::said::Said;
use crate::world::{STATUS, World, staff};

#[test]
fn one_leaver_out_of_ten_goes() {
    let people = staff(10);
    let world = World::of(&people);
    world.settle(0);
    world.leave(&people[4]);
    world.sync().expect_exit(0).says_in_a_line(&[&people[4].mail, "deactivated"]).says("1 deprovisioned");
    world.expect_active(&people[4].mail, false);
}

#[test]
fn too_many_removals_are_held_with_names_and_reasons_while_everything_else_goes_on() {
    let people = staff(21);
    let world = World::with(&people, &people[..20]).configured(|it| it.directory += STATUS);
    world.settle(0);
    let [deleted, disabled, left] = [&people[1], &people[2], &people[3]];
    world.delete(deleted);
    world.set(disabled, "employeeType", &["disabled"]);
    world.leave(left);
    world.join(&people[20]);
    world.set(&people[4], "title", &["Chief Gardener"]);

    let held = world.sync();
    held.expect_exit(4)
        .says_in_a_line(&[&deleted.mail, "held", "deleted from the directory", "more removals than"])
        .says_in_a_line(&[&disabled.mail, "held", "disabled in the directory"])
        .says_in_a_line(&[&left.mail, "held", "out of scope"])
        .says("1 created, 1 updated, 3 held")
        .says("provisioner approve ");
    for person in [deleted, disabled, left, &people[20]] {
        world.expect_active(&person.mail, true);
    }
    assert_eq!(world.account(&people[4].mail)["title"], "Chief Gardener");

    // They stay held, without a call, however often it is asked.
    world.workplace.clear_requests();
    let state = world.state().of_users();
    for _ in 2..=3 {
        world.sync().expect_exit(4).says("3 held");
        world.expect_no_call();
        assert_eq!(world.state().of_users(), state);
    }
}

#[test]
fn a_hold_ends_by_itself_when_the_directory_is_right_again() {
    let people = staff(12);
    let world = World::of(&people);
    world.settle(0);
    people[1..].iter().for_each(|person| world.leave(person));
    world.sync().expect_exit(4).says("11 held");

    people[1..].iter().for_each(|person| world.join(person));
    world.sync().expect_exit(0).never_says("held").says("11 looked at");
    world.expect_no_write();
    people.iter().for_each(|person| world.expect_active(&person.mail, true));

    // One who leaves afterwards is judged alone.
    world.leave(&people[5]);
    world.sync().expect_exit(0).says("1 deprovisioned");
}

#[test]
fn held_removals_go_when_the_limits_are_raised() {
    let people = staff(12);
    let mut world = World::of(&people);
    world.settle(0);
    people[1..5].iter().for_each(|person| world.leave(person));
    world.sync().expect_exit(4).says("4 held");

    world.configure(|it| it.safety = "max_removal_percent = 50".to_owned());
    let released = world.sync();
    released.expect_exit(0).says("4 deprovisioned");
    for person in &people[1..5] {
        released.says_in_a_line(&[&person.mail, "deactivated", "out of scope"]);
        world.expect_active(&person.mail, false);
    }
    world.expect_active(&people[0].mail, true);
    world.settle(0).says("nothing to do");
}

#[test]
fn removals_that_come_bit_by_bit_are_counted_with_those_that_are_held() {
    let people = staff(12);
    let world = World::of(&people)
        .configured(|it| it.safety = "max_removals = 2\nmax_removal_percent = 100".to_owned());
    world.settle(0);
    people[1..4].iter().for_each(|person| world.leave(person));
    world.sync().expect_exit(4).says("3 held");

    world.leave(&people[4]);
    world.sync().expect_exit(4).says("4 held").never_says("deprovisioned");
    world.expect_no_write();

    // Two of the four come back: what is left is within the limit.
    world.join(&people[1]);
    world.join(&people[2]);
    world.sync().expect_exit(0).says("2 deprovisioned");
    let active = people.iter().filter(|person| world.account(&person.mail)["active"] == true).count();
    assert_eq!(active, 10);
}

#[test]
fn an_emptied_scope_removes_nobody() {
    let people = staff(8);
    let mut world = World::of(&people);
    world.settle(0);
    world.configure(|it| it.scope = "filter = \"(title=A typing mistake)\"".to_owned());
    world.sync().expect_exit(4).says("8 held");
    world.expect_no_write();

    world.configure(|it| it.scope = "filter = \"(objectClass=inetOrgPerson)\"".to_owned());
    world.sync().expect_exit(0).never_says("held");
    world.expect_no_write();
}

#[test]
fn accounts_that_are_only_found_on_the_way_to_removing_them_are_counted_too() {
    let mut people = staff(10);
    people[5..].iter_mut().for_each(|person| person.employee_type = "disabled".to_owned());
    let mut world = World::of(&people).configured(|it| it.directory += STATUS);
    for person in &people {
        let account = json!({"userName": person.mail, "active": true, "name": {"formatted": person.name()}});
        world.workplace.seed(account);
    }

    // Nothing was linked before this run, so nothing was known to go when it began.
    let held = world.sync();
    held.expect_exit(4).says("5 held");
    for person in &people[5..] {
        held.says_in_a_line(&[&person.mail, "held", "disabled in the directory"]);
        world.expect_active(&person.mail, true);
    }

    world.configure(|it| it.safety = "max_removal_percent = 60".to_owned());
    world.sync().expect_exit(0).says("5 deprovisioned");
    people[5..].iter().for_each(|person| world.expect_active(&person.mail, false));
    people[..5].iter().for_each(|person| world.expect_active(&person.mail, true));
}
