//! The files and variables that a configuration names, as `check` reads them.

use std::fmt::Display;

use runtime::SecretRef;

use super::report::CheckReport;
use crate::session::Connections;

/// Reports secret files that others can read. With `offline`, where no sign-in does, also secrets and certificates that
/// can't be used; nothing is fetched from AWS Secrets Manager.
pub(super) async fn check(connections: &Connections, offline: bool, report: &mut CheckReport) {
    for warning in connections.take_exposed_secrets() {
        report.warn("secrets", warning);
    }
    if !offline {
        return;
    }
    let Connections { connection, secrets, .. } = connections;
    match connection.directory.secret() {
        None => report.good("directory secret", "none is configured; the bind is anonymous"),
        Some(secret @ SecretRef::SecretsManager(_)) => report_unread("directory secret", secret, report),
        Some(secret) => {
            let read = connection.directory.check_secret(secrets).await;
            report_read("directory secret", secret, (read, report));
        }
    }
    if let Err(error) = connection.directory.check_ca() {
        report.bad("directory CA", error.to_string());
    }
    match connection.target.secret() {
        secret @ SecretRef::SecretsManager(_) => report_unread("target secret", secret, report),
        secret => {
            let read = connection.target.check_secret(secrets).await;
            report_read("target secret", secret, (read, report));
        }
    }
}

fn report_unread(tried: &'static str, secret: &SecretRef, report: &mut CheckReport) {
    report.good(tried, format!("{secret}; it is not fetched offline"));
}

/// A variable belongs to the environment of a run, which may be another one.
fn report_read<E: Display>(
    tried: &'static str,
    secret: &SecretRef,
    (read, report): (Result<(), E>, &mut CheckReport),
) {
    match (secret, read) {
        (_, Ok(())) => report.good(tried, format!("{secret} holds what is expected")),
        (SecretRef::Env(_), Err(error)) => report.warn(tried, error.to_string()),
        (_, Err(error)) => report.bad(tried, error.to_string()),
    }
}
