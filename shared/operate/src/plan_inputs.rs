//! Fingerprints of the inputs of one user's plan.

use explain::PlanInputs;
use model::{Account, AccountLink, AppliedState, Desired, DesiredUser, Fingerprinter, UserRecord};

/// The fingerprints of desired user, record and account.
pub fn of(desired: Option<&Desired>, record: Option<&UserRecord>, account: Option<&Account>) -> PlanInputs {
    PlanInputs {
        entry: desired.map(of_desired),
        record: record.map(of_record),
        account: account.map(|account| of_account(account, desired)),
    }
}

fn of_desired(desired: &Desired) -> String {
    let mut hash = Fingerprinter::new("provisioner 2026 plan: entry");
    match desired {
        Desired::Absent { user_name, reason } => {
            hash.text(reason.word());
            hash.text(user_name.as_ref().map_or("", |name| name.as_str()));
        }
        Desired::Present(user) => {
            hash.bytes(&user.update_fingerprint().0);
            for (attribute, value) in &user.create_only {
                hash.text(attribute.as_str());
                hash.value(value);
            }
        }
    }
    hash.finish().to_string()
}

/// The record without lease and attempts.
fn of_record(record: &UserRecord) -> String {
    let UserRecord {
        anchor,
        dn: _,
        desired,
        version,
        removal_released,
        link,
        status,
        create_intent,
        attempts: _,
        next_attempt: _,
    } = record;
    let mut hash = Fingerprinter::new("provisioner 2026 plan: record");
    hash.text(anchor.as_str());
    hash.text(&desired.as_ref().map(of_desired).unwrap_or_default());
    hash.bytes(&version.0.to_le_bytes());
    hash.flag(*removal_released);
    if let Some(AccountLink { account, applied }) = link {
        hash.text(account.as_str());
        if let Some(AppliedState { fingerprint, user_name: _, active, attributes: _, kept: _ }) = applied {
            hash.bytes(&fingerprint.0);
            hash.flag(*active);
        }
    }
    hash.flag(create_intent.is_some());
    hash.text(status.word());
    hash.text(&status.detail().unwrap_or_default());
    hash.finish().to_string()
}

/// The mapped attributes of the account. Other attributes may change.
fn of_account(account: &Account, desired: Option<&Desired>) -> String {
    let Account { id, user_name, active, attributes, .. } = account;
    let mut hash = Fingerprinter::new("provisioner 2026 plan: account");
    hash.text(id.as_str());
    hash.text(user_name.as_deref().unwrap_or_default());
    hash.flag(active.is_some());
    hash.flag(active.unwrap_or_default());
    if let Some(Desired::Present(DesiredUser { attributes: mapped, .. })) = desired {
        for (attribute, value) in attributes.iter().filter(|(attribute, _)| mapped.contains_key(*attribute)) {
            hash.text(attribute.as_str());
            hash.value(value);
        }
    }
    hash.finish().to_string()
}
