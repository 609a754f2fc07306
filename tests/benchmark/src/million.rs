//! Users generated while they are read, in any number.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{anyhow, ensure};
use bytes::Bytes;
use model::{Anchor, Attributes, Entry, UnixSeconds, ValueKind};
use plan::mapping::{Mapping, MappingRule};
use plan::status::{AccountStatus, StatusRule};
use plan::{EntryDiff, SnapshotDiff, UserRules};
use serde_json::json;
use store::{Embedded, Snapshot, SnapshotSave};
use tokio::runtime::Builder;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// A common mapping.
pub fn rules() -> UserRules {
    let text = |attribute: &str| MappingRule::plain(attribute, ValueKind::Text);
    let mapped = [
        ("name.givenName", text("givenName")),
        ("name.familyName", text("sn")),
        ("displayName", text("cn")),
        ("title", text("title")),
        ("phoneNumbers.work", text("telephoneNumber")),
        ("phoneNumbers.mobile", text("mobile")),
        ("department", text("departmentNumber")),
        ("employeeNumber", text("employeeNumber")),
        ("manager", MappingRule::plain("manager", ValueKind::Reference)),
    ];
    let mapped: BTreeMap<_, _> = mapped.into_iter().map(|(name, rule)| (name.into(), rule)).collect();
    UserRules {
        mapping: Mapping::new(text("mail"), mapped),
        status: StatusRule::Flag {
            attribute: "employeeType".into(),
            value: "disabled".into(),
            means: AccountStatus::Disabled,
            default: AccountStatus::Enabled,
        },
        expires: None,
        provision_disabled: false,
        dialect: "workplace".into(),
    }
}

/// The user with this number, in one piece of memory, as a message from a server is.
pub fn entry(number: u32) -> Entry {
    let wide = u128::from(number);
    let attributes = [
        ("mail", format!("person.{number}@acme.test")),
        ("givenname", "Grace".to_owned()),
        ("sn", format!("Hopper {number}")),
        ("cn", format!("Grace Hopper {number}")),
        ("title", "Engineer".to_owned()),
        ("telephonenumber", format!("+49 30 5550 {number:07}")),
        ("mobile", format!("+49 170 555 {number:07}")),
        ("departmentnumber", "4711".to_owned()),
        ("employeenumber", format!("{number:07}")),
        ("manager", format!("uid=person.{},ou=engineering,dc=acme,dc=test", number / 8)),
        ("employeetype", "active".to_owned()),
    ];
    let mut message =
        Bytes::from(attributes.each_ref().map(|(name, value)| [name, value.as_str()].concat()).concat());
    let mut together = Attributes::default();
    for (name, value) in attributes {
        let name = message.split_to(name.len());
        together.insert(name, [message.split_to(value.len())]);
    }
    Entry {
        anchor: Anchor::from_uuid((wide << 96 | wide.wrapping_mul(0x9e37_79b9)).to_be_bytes()),
        dn: format!("uid=person.{number},ou=engineering,ou=people,dc=acme,dc=test"),
        attributes: together,
    }
}

/// Saves the snapshot of a scan of these users.
pub fn prepare(users: u32, state: &Path) -> anyhow::Result<()> {
    let rules = rules();
    let mut planner = SnapshotDiff::new(&rules, &[], NOW);
    let mut seen = BTreeMap::new();
    for number in 0..users {
        if let EntryDiff::Changed(change) = planner.compare(&entry(number)) {
            seen.insert(change.anchor.hash(), Some(change.fingerprint));
        }
    }
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (_engine, table) = Embedded::open(state).await?;
        let store = table.connection("corp");
        let lease =
            store.take_lease("benchmark", NOW, 600).await?.map_err(|taken| anyhow!("{}", taken.owner))?;
        ensure!(
            store.save_snapshot(&lease, Snapshot::default(), seen).await? == SnapshotSave::Done,
            "outdated"
        );
        store.release(lease, None, None).await?;
        Ok(())
    })
}

/// Loads the snapshot and compares all users. Prints the time without that of generating the users.
pub fn unchanged(users: u32, state: &Path) -> anyhow::Result<()> {
    let snapshot = Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (_engine, table) = Embedded::open(state).await?;
        anyhow::Ok(table.connection("corp").fetch_snapshot().await?)
    })?;
    let rules = rules();
    let made_up = Instant::now();
    (0..users).for_each(|number| drop(std::hint::black_box(entry(number))));
    let made_up = made_up.elapsed();
    let started = Instant::now();
    let mut planner = SnapshotDiff::new(&rules, snapshot.pairs(), NOW);
    let unchanged =
        (0..users).filter(|number| matches!(planner.compare(&entry(*number)), EntryDiff::Unchanged)).count();
    let took = started.elapsed().saturating_sub(made_up);
    ensure!(unchanged == users as usize, "{unchanged} of {users} were unchanged");
    println!("{}", json!({ "seconds": took.as_secs_f64() }));
    Ok(())
}
