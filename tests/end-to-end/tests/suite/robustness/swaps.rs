//! Users that swap their user names, or pass them on in a circle: at targets that change by PUT and by PATCH, killed between
//! the steps, and with a user that leaves before the end.

use std::{collections::BTreeMap, future::poll_fn, pin::pin, task::Poll};

use embedded_ldap::EmbeddedLdap;
use end_to_end::{
    EngineFixture, PersonEntry, advance_clock, clock, embedded_directory, people, workplace_group,
};
use model::{AnchorHash, Status};
use scan::ScanMode;
use serde_json::Value;
use simulator::SimulatorOptions;

use super::engine::{EngineOptions, engine_for};

/// Users with accounts, and the id of each account.
struct Swap {
    directory: EmbeddedLdap,
    people: Vec<PersonEntry>,
    engine: EngineFixture,
    ids: Vec<String>,
    /// Names of the users, in the order of the users.
    names: Vec<String>,
}

/// Dialects whose changes go by a PUT that merges, by a PATCH, and by a PUT that replaces.
fn targets() -> [(&'static str, SimulatorOptions); 3] {
    let plain = SimulatorOptions { unknown_fields: false, ..SimulatorOptions::default() };
    let put_only = SimulatorOptions { patch: false, ..SimulatorOptions::scim2() };
    [("workplace", plain), ("scim2", SimulatorOptions::scim2()), ("scim2", put_only)]
}

impl Swap {
    async fn start(users: usize, (kind, server): (&str, SimulatorOptions)) -> Self {
        let people: Vec<PersonEntry> =
            people::enabled(users, 7).into_iter().map(|it| PersonEntry { manager: None, ..it }).collect();
        let directory = embedded_directory(&people).await.unwrap();
        let engine = engine_for(&directory, EngineOptions { kind, server, ..EngineOptions::default() }).await;
        engine.sync().await.unwrap();
        let names: Vec<String> = people.iter().map(|person| person.mail.clone()).collect();
        let id = |name: &String| id_of(&engine.workplace.account(name).unwrap());
        let ids = names.iter().map(id).collect();
        Self { directory, people, engine, ids, names }
    }

    /// Gives each user the name of the next one.
    fn rotate(&mut self) {
        self.names.rotate_left(1);
        for (person, name) in self.people.iter().zip(&self.names) {
            self.directory.set(&person.dn(), "mail", &[name]).unwrap();
        }
    }

    /// Provisions until nothing is due, with time for every lease and retry to end.
    async fn settle(&self) {
        for _ in 0..3 {
            self.engine.provision_due().await.unwrap();
            advance_clock(400);
        }
        self.engine.sync().await.unwrap();
        self.engine.provision_due().await.unwrap();
    }

    /// The user name of each account, by id.
    fn account_names(&self) -> BTreeMap<String, String> {
        let accounts = self.engine.workplace.accounts();
        accounts
            .iter()
            .map(|account| (id_of(account), account["userName"].as_str().unwrap().to_owned()))
            .collect()
    }

    async fn expect_done(&self, context: &str) {
        let expected: BTreeMap<String, String> = self.ids.iter().cloned().zip(self.names.clone()).collect();
        assert_eq!(self.account_names(), expected, "{context}");
        assert!(self.engine.store.count_by_status().await.unwrap().is_empty(), "{context}");
    }

    /// Provisions due users, and is killed after this many steps. Whether it ended before.
    async fn provision_until(&self, steps: usize) -> bool {
        let mut work = pin!(self.engine.provision_due());
        let mut left = steps;
        poll_fn(|task| {
            if left == 0 {
                return Poll::Ready(false);
            }
            left -= 1;
            work.as_mut().poll(task).map(|_| true)
        })
        .await
    }
}

fn id_of(account: &Value) -> String {
    account["id"].to_string()
}

#[tokio::test]
async fn swapped_names_are_exchanged_in_one_run() {
    for users in [2, 3] {
        for (kind, server) in targets() {
            let context = format!("{users} users, {kind}, PATCH: {}", server.patch);
            let mut swap = Swap::start(users, (kind, server)).await;
            swap.rotate();
            swap.engine.sync().await.unwrap();
            swap.expect_done(&context).await;
            assert_eq!(swap.engine.sync().await.unwrap(), 0, "{context}: nothing is left");
        }
    }
}

#[tokio::test]
async fn swap_that_is_killed_at_any_step_ends_as_an_undisturbed_one() {
    for (kind, server) in targets() {
        let context = format!("{kind}, PATCH: {}", server.patch);
        let mut swap = Swap::start(3, (kind, server)).await;
        for steps in (0..).step_by(3) {
            swap.rotate();
            swap.engine.scan(ScanMode::Auto).await.unwrap();
            let has_ended = swap.provision_until(steps).await;
            advance_clock(400);
            swap.settle().await;
            swap.expect_done(&format!("{context}, {steps} steps")).await;
            if has_ended {
                assert!(steps > 20, "{context}: the run ended after {steps} steps");
                break;
            }
        }
    }
}

/// A run is killed in the middle of a swap, and one of the two users leaves. The other user gets the name.
#[tokio::test]
async fn user_gets_its_name_when_the_other_one_leaves_before_the_end_of_a_swap() {
    for (kind, server) in targets() {
        for leaver in [0, 1] {
            for steps in [0, 20, 40, 60, 80] {
                let context = format!("{kind}, PATCH: {}, user {leaver}, {steps} steps", server.patch);
                let mut swap = Swap::start(2, (kind, server.clone())).await;
                swap.rotate();
                swap.engine.scan(ScanMode::Auto).await.unwrap();
                swap.provision_until(steps).await;
                let group = workplace_group();
                swap.directory.remove_member(&group, &swap.people[leaver].dn()).unwrap();
                advance_clock(400);
                swap.engine.sync().await.unwrap();
                swap.settle().await;

                let stays = 1 - leaver;
                let names = swap.account_names();
                assert_eq!(names[&swap.ids[stays]], swap.names[stays], "{context}");
                assert!(swap.engine.store.count_by_status().await.unwrap().is_empty(), "{context}");
                let accounts = swap.engine.workplace.accounts();
                for account in &accounts {
                    let is_stays = id_of(account) == swap.ids[stays];
                    assert_eq!(account["active"], is_stays, "{context}: {account}");
                }
                // The user returns to the same account, under the name that it should have.
                swap.directory.add_member(&group, &swap.people[leaver].dn()).unwrap();
                swap.engine.sync().await.unwrap();
                swap.settle().await;
                swap.expect_done(&context).await;
            }
        }
    }
}

/// A name is freed only from an account that is linked, and only if its user wants another one.
#[tokio::test]
async fn name_of_a_foreign_account_is_not_freed() {
    for (kind, server) in targets() {
        let swap = Swap::start(2, (kind, server)).await;
        swap.engine.workplace.seed(serde_json::json!({"userName": "boss@acme.test", "active": true}));
        swap.directory.set(&swap.people[0].dn(), "mail", &["boss@acme.test"]).unwrap();
        swap.engine.sync().await.unwrap();
        swap.settle().await;
        assert!(swap.engine.workplace.account("boss@acme.test").is_some());
        assert!(swap.engine.workplace.account(&swap.names[0]).is_some());
        let due = swap.engine.store.fetch_due(clock().plus(100_000), 9).await.unwrap();
        let user: AnchorHash = due[0];
        let record = swap.engine.store.fetch_record(user).await.unwrap().unwrap();
        assert!(matches!(record.status, Status::Retrying { .. }), "{kind}: {:?}", record.status);
    }
}
