//! Fixtures: a table, and users to write.
#![allow(
    dead_code,
    missing_docs,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

pub mod dump;
pub mod faults;
pub mod place;

use std::ops::Range;

use model::{
    Account, AccountId, Anchor, AppliedState, CompleteRead, DeprovisionReason, Desired, DesiredUser, DnKey,
    Fingerprint, Freshness, FreshnessProof, GoneAccount, Managed, MatchedAccount, ReadEvidence, Status,
    UnixSeconds, UserName, UserRecord, Value,
};
use plan::{ReleasedRemoval, RemovalCandidate, SafeguardInputs, SafetyLimits, check_removals};
use store::{
    DesiredWrite, RecordWrite, ScanLease, StatusWrite, Store, Table, TransferWrite, UserLease, UserOutcome,
    UserReferences,
};

pub use place::Place;

pub const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// A connection in its own table. The table lives as long as the place.
pub async fn corp() -> (Place, Table, Store) {
    let place = Place::new().await;
    let table = place.table();
    let store = table.connection("corp");
    (place, table, store)
}

pub async fn scan(store: &Store) -> ScanLease {
    store.take_lease("scan", NOW, 900).await.unwrap().unwrap()
}

/// The entry that owns a user name.
pub async fn name_owner(store: &Store, name: &UserName) -> Option<Anchor> {
    store.fetch_name_owners(std::slice::from_ref(name), UnixSeconds(0)).await.unwrap().remove(&name.folded())
}

pub fn anchor(name: &str) -> Anchor {
    Anchor::from_text(&format!("anchor-{name}")).unwrap()
}

pub fn user_name(name: &str) -> UserName {
    UserName::new(&format!("{name}@example.test")).unwrap()
}

pub fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

/// The proof that an account has the asked-for name.
pub fn matched(id: &str) -> MatchedAccount {
    let name = user_name("a");
    let account = Account {
        id: account(id),
        user_name: Some(name.to_string()),
        active: Some(true),
        attributes: Default::default(),
        can_delete: None,
    };
    MatchedAccount::matching(&name, &account).unwrap()
}

/// The proof that an account is gone.
pub fn gone(id: &str) -> GoneAccount {
    GoneAccount::verified(account(id))
}

pub fn dn(name: &str) -> DnKey {
    DnKey::of(&format!("uid={name},dc=example,dc=test"))
}

pub fn present(name: &str) -> Desired {
    Desired::Present(DesiredUser {
        user_name: user_name(name),
        active: true,
        attributes: [
            ("displayName".into(), Managed::Set(Value::Text(format!("The {name}")))),
            ("title".into(), Managed::Clear),
            ("manager".into(), Managed::Set(Value::Reference(dn("boss")))),
        ]
        .into(),
        create_only: [("startDate".into(), Value::Integer(7))].into(),
    })
}

pub fn absent(name: &str) -> Desired {
    Desired::Absent { user_name: Some(user_name(name)), reason: DeprovisionReason::Deleted }
}

pub fn applied(name: &str, active: bool) -> AppliedState {
    AppliedState {
        kept: Default::default(),
        fingerprint: Fingerprint([3; 16]),
        user_name: Some(user_name(name)),
        active,
        attributes: Default::default(),
    }
}

/// The write of the desired user of an entry.
pub fn write(user: &str, desired: Desired, previous: Option<UserRecord>) -> DesiredWrite {
    DesiredWrite { anchor: anchor(user), dn: Some(dn(user)), desired, status: Status::Pending, previous }
}

/// Writes a user like a scan that has read the record.
pub async fn want(store: &Store, lease: &ScanLease, user: &str, desired: Desired) -> RecordWrite {
    let previous = record_of(store, user).await;
    store.write_desired(lease, write(user, desired, previous)).await.unwrap()
}

pub async fn record_of(store: &Store, user: &str) -> Option<UserRecord> {
    store.fetch_record(anchor(user).hash()).await.unwrap()
}

pub async fn lease(store: &Store, user: &str) -> UserLease {
    store.lease_user(anchor(user).hash(), "worker", minute(NOW)).await.unwrap().unwrap()
}

/// A minute from this time.
pub fn minute(start: UnixSeconds) -> Range<UnixSeconds> {
    start..start.plus(60)
}

/// The write of a status that leaves the DN.
pub fn status_of(user: &str, status: Status) -> StatusWrite {
    StatusWrite { anchor: anchor(user), dn: None, status }
}

/// The transfer from an entry that was deleted.
pub fn transfer_of<'a>(from: &'a UserRecord, to: &'a UserRecord) -> TransferWrite<'a> {
    TransferWrite { from, to, reason: DeprovisionReason::Deleted }
}

/// References without an account.
pub fn missing(dns: &[DnKey]) -> UserReferences {
    dns.iter().map(|dn| (*dn, None)).collect()
}

pub fn in_sync(applied: Option<AppliedState>) -> UserOutcome {
    UserOutcome {
        applied,
        status: Status::InSync,
        attempts: 1,
        next_attempt: UnixSeconds(0),
        references: UserReferences::new(),
        event: None,
    }
}

/// Provisions a user: links the account and records it as applied.
pub async fn provision(store: &Store, user: &str, id: &str) {
    let mut lease = lease(store, user).await;
    store.claim_account(&mut lease, &matched(id)).await.unwrap();
    store.write_outcome(lease, in_sync(Some(applied(user, true))), NOW).await.unwrap();
}

/// Provisions a released removal; the account becomes inactive.
pub async fn deprovision(store: &Store, scan: &ScanLease, user: &str) {
    store.write_removal(scan, &released(user)).await.unwrap();
    let lease = lease(store, user).await;
    store.write_outcome(lease, in_sync(Some(applied(user, false))), NOW).await.unwrap();
}

/// A removal that the safeguard released.
pub fn released(user: &str) -> ReleasedRemoval {
    let proof = CompleteRead::verify(ReadEvidence {
        page_results: vec![0],
        ended_by_server: true,
        unfollowed_referrals: 0,
        undecodable_entries: 0,
        base_readable: (true, true),
        server: ("a".into(), "a".into()),
        freshness: Freshness::Proved(FreshnessProof::FirstRead),
        ..ReadEvidence::default()
    });
    let candidate = RemovalCandidate {
        anchor: anchor(user),
        dn: None,
        user_name: Some(user_name(user)),
        reason: DeprovisionReason::Deleted,
        desired: absent(user),
        never_written: false,
    };
    let limits = SafetyLimits::default();
    let seen = SafeguardInputs { enabled_accounts: 1_000, ..SafeguardInputs::default() };
    check_removals(vec![candidate], &proof.unwrap(), &limits, &seen).released.pop().unwrap()
}
