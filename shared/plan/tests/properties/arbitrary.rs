//! Arbitrary inputs of planning.

use std::collections::BTreeMap;

use model::{
    Account, AccountId, Anchor, CompleteRead, DeprovisionReason, Desired, DesiredUser, DnKey, Freshness,
    FreshnessProof, Managed, Options, ReadEvidence, RemoveAction, TargetAttribute, UserName, Value,
};
use plan::RemovalCandidate;
use proptest::{collection::btree_map, option, prelude::*, sample::select};

/// One of a few attributes, so that equal ones occur.
fn attribute() -> impl Strategy<Value = TargetAttribute> {
    select(vec!["title", "displayName", "department", "manager"]).prop_map(TargetAttribute::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(vec!["Engineer", "engineer", "Chief", ""]).prop_map(|text| Value::Text(text.to_owned())),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => (0..3_u8).prop_map(|number| Value::Account(AccountId::new(number.to_string()).unwrap())),
        1 => (0..3_u8).prop_map(|number| Value::Reference(DnKey::of(&format!("uid={number}")))),
    ]
}

fn user_name() -> impl Strategy<Value = UserName> {
    select(vec!["ada@acme.test", "Ada@Acme.Test", "grace@acme.test"])
        .prop_map(|name| UserName::new(name).unwrap())
}

fn reason() -> impl Strategy<Value = DeprovisionReason> {
    select(vec![
        DeprovisionReason::Deleted,
        DeprovisionReason::OutOfScope,
        DeprovisionReason::MovedOutOfBase,
        DeprovisionReason::Disabled,
    ])
}

pub fn desired() -> impl Strategy<Value = Desired> {
    let managed = prop_oneof![3 => value().prop_map(Managed::Set), 1 => Just(Managed::Clear)];
    let attributes = btree_map(attribute(), managed, 0..4);
    let create_only = btree_map(attribute(), value(), 0..2);
    let user = (user_name(), any::<bool>(), attributes, create_only).prop_map(
        |(user_name, active, attributes, create_only)| {
            Desired::Present(DesiredUser { user_name, active, attributes, create_only })
        },
    );
    let absent = (option::of(user_name()), reason())
        .prop_map(|(user_name, reason)| Desired::Absent { user_name, reason });
    prop_oneof![2 => user, 1 => absent]
}

pub fn account() -> impl Strategy<Value = Account> {
    let attributes = btree_map(attribute(), value(), 0..4);
    (option::of(user_name()), option::of(any::<bool>()), attributes, option::of(any::<bool>())).prop_map(
        |(user_name, active, attributes, can_delete)| Account {
            id: AccountId::new("7").unwrap(),
            user_name: user_name.map(|name| name.as_str().to_owned()),
            active,
            attributes,
            can_delete,
        },
    )
}

pub fn options() -> impl Strategy<Value = Options> {
    let remove_action = select(vec![RemoveAction::Disable, RemoveAction::Delete]);
    (any::<[bool; 4]>(), remove_action).prop_map(|(switches, remove_action)| {
        let [create, update, deprovision, provision_disabled] = switches;
        Options { create, update, deprovision, provision_disabled, remove_action, ..Options::default() }
    })
}

pub fn candidate(number: usize) -> RemovalCandidate {
    let desired = Desired::Absent { user_name: None, reason: DeprovisionReason::Deleted };
    let anchor = Anchor::from_text(&format!("anchor-{number}")).unwrap();
    let reason = DeprovisionReason::Deleted;
    RemovalCandidate { anchor, dn: None, user_name: None, reason, desired, never_written: false }
}

/// The account that equals this user.
pub fn account_of(user: &DesiredUser) -> Account {
    let set = user.attributes.iter().filter_map(|(attribute, managed)| match managed {
        Managed::Set(Value::Reference(_)) | Managed::Clear => None,
        Managed::Set(value) => Some((attribute.clone(), value.clone())),
    });
    Account {
        id: AccountId::new("7").unwrap(),
        user_name: Some(user.user_name.as_str().to_owned()),
        active: Some(user.active),
        attributes: set.collect::<BTreeMap<_, _>>(),
        can_delete: None,
    }
}

/// The proof of a complete read.
#[expect(clippy::disallowed_methods, reason = "decisions after a complete read are under test")]
pub fn complete() -> CompleteRead {
    CompleteRead::verify(ReadEvidence {
        page_results: vec![0],
        ended_by_server: true,
        base_readable: (true, true),
        freshness: Freshness::Proved(FreshnessProof::FirstRead),
        ..ReadEvidence::default()
    })
    .unwrap()
}
