//! Values that the unit tests of several modules share.

use std::collections::{BTreeMap, HashSet};

use model::{
    Account, AccountId, AccountLink, Anchor, AnchorHash, AppliedState, Attributes, CompleteRead, DesiredUser,
    Entry, Freshness, FreshnessProof, Managed, ReadEvidence, ScanVersion, Status, UnixSeconds, UserName,
    UserRecord, Value, ValueKind,
};

use crate::UserRules;
use crate::mapping::{Mapping, MappingRule};
use crate::status::{AccountStatus, StatusRule};

/// The time of every test.
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// Rules with a title, a status flag and an expiry.
pub(crate) fn rules() -> UserRules {
    let text = |attribute: &str| MappingRule::plain(attribute, ValueKind::Text);
    UserRules {
        mapping: Mapping::new(text("mail"), BTreeMap::from([("title".into(), text("Title"))])),
        status: StatusRule::Flag {
            attribute: "employeeType".into(),
            value: "disabled".into(),
            means: AccountStatus::Disabled,
            default: AccountStatus::Enabled,
        },
        expires: Some("accountExpires".into()),
        provision_disabled: false,
        dialect: "test".into(),
    }
}

/// An entry with this anchor and these attributes.
pub(crate) fn entry(anchor: &str, pairs: &[(&str, &str)]) -> Entry {
    Entry {
        anchor: Anchor::from_text(anchor).unwrap(),
        dn: format!("cn={anchor}"),
        attributes: pairs.iter().copied().collect::<Attributes>(),
    }
}

/// The desired user `Ada@acme.test` with a title.
pub(crate) fn user(active: bool, title: &str) -> DesiredUser {
    DesiredUser {
        user_name: UserName::new("Ada@acme.test").unwrap(),
        active,
        attributes: BTreeMap::from([("title".into(), Managed::Set(Value::Text(title.into())))]),
        create_only: BTreeMap::new(),
    }
}

/// The account `ada@acme.test` with a title.
pub(crate) fn account(active: bool, title: &str) -> Account {
    Account {
        id: AccountId::new("1").unwrap(),
        user_name: Some("ada@acme.test".into()),
        active: Some(active),
        attributes: BTreeMap::from([("title".into(), Value::Text(title.into()))]),
        can_delete: None,
    }
}

/// A record in sync without an account.
pub(crate) fn record(anchor: &str) -> UserRecord {
    UserRecord {
        anchor: Anchor::from_text(anchor).unwrap(),
        dn: None,
        desired: None,
        version: ScanVersion(1),
        removal_released: false,
        link: None,
        create_intent: None,
        status: Status::InSync,
        attempts: 0,
        next_attempt: UnixSeconds(0),
    }
}

/// A link to an account that was last written as this user.
pub(crate) fn link(user: &DesiredUser) -> Option<AccountLink> {
    let applied = AppliedState {
        kept: BTreeMap::new(),
        fingerprint: user.update_fingerprint(),
        user_name: Some(user.user_name.clone()),
        active: user.active,
        attributes: Default::default(),
    };
    Some(AccountLink { account: AccountId::new("1").unwrap(), applied: Some(applied) })
}

/// The proof of a complete read: full, or incremental with the users that the server named.
#[expect(clippy::disallowed_methods, reason = "decisions after a complete read are under test")]
pub(crate) fn complete(named: Option<HashSet<AnchorHash>>) -> CompleteRead {
    CompleteRead::verify(ReadEvidence {
        page_results: vec![0],
        ended_by_server: true,
        base_readable: (true, true),
        named,
        freshness: Freshness::Proved(FreshnessProof::FirstRead),
        ..ReadEvidence::default()
    })
    .unwrap()
}
