//! The state belongs to one target: a changed URL under the same name stops every command that writes.

use end_to_end::{TerminalFixture, enabled_people};
use serde_json::json;
use simulator::{Simulator, SimulatorOptions};
use tokio::runtime::Runtime;

#[test]
fn changed_target_url_stops_sync_until_the_target_is_reset() {
    let people = enabled_people(3);
    let mut fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let id = fixture.id(&people[0].mail);

    let runtime = Runtime::new().unwrap();
    let second = runtime.block_on(Simulator::start(SimulatorOptions::default())).unwrap();
    // An account with the user name of a linked user, and another one with the account id of the first target.
    second.seed(json!({"userName": people[0].mail, "name": {"formatted": "Earlier"}}));
    let (first_url, second_url) = (fixture.workplace.url(), second.url());
    fixture.configure(|configuration| {
        configuration.target = configuration.target.replace(&first_url, &second_url)
    });
    fixture.dir.target_secret(&second.token()).unwrap();

    for command in [&["sync"][..], &["sync", "--full"], &["retry", "--failed"], &["drift", "--repair"]] {
        let refused = fixture.run(command);
        refused.expect_exit(2).says("provisioner reset-target").says("give the connection a new 'name'");
        refused.says(&format!("belongs to the target {first_url}")).says(&second_url);
    }
    assert!(second.requests().is_empty(), "no call at the second target");
    fixture.expect_no_call();

    fixture
        .run(&["reset-target"])
        .expect_exit(4)
        .says(&first_url)
        .says(&second_url)
        .says("nothing was changed");
    fixture.run(&["sync"]).expect_exit(2);
    fixture.run(&["reset-target", "--yes"]).expect_exit(0).says("account links forgotten: 3");
    fixture.run(&["reset-target"]).expect_exit(0).says("nothing to reset");

    fixture.run(&["sync"]).expect_exit(0);
    for person in &people {
        assert_eq!(second.account(&person.mail).unwrap()["active"], json!(true), "{}", person.mail);
    }
    assert_eq!(second.accounts().len(), 3, "the existing account is linked by its user name");
    fixture.expect_no_call();
    assert_eq!(fixture.id(&people[0].mail), id, "accounts at the first target are left alone");

    fixture.configure(|configuration| {
        configuration.target = configuration.target.replace(&second_url, &first_url)
    });
    fixture.run(&["sync"]).expect_exit(2).says("provisioner reset-target");
}
