//! Changes of one attribute, verified by an answer of the target: activation, deactivation and another user name.

use model::{OwnedAccount, UserName};
use serde_json::{Value, json};

use super::Target;
use super::verbs::ChangeVerb;
use crate::errors::TargetError;
use crate::redact::Redactor;
use crate::resource::{InactiveResource, Resource};
use crate::{json, patch, render};
use dialect::DialectPut;

impl Target {
    /// Activates an account. A target that never shows `active` is believed.
    pub async fn activate(&self, account: &OwnedAccount) -> Result<Resource, TargetError> {
        self.change_active(account, true).await
    }

    /// Deactivates an account. An answer of the target shows the account inactive: the answer to the change, or to a
    /// GET after it. If the account stays active, or the target refuses the request, the other verb is tried.
    pub async fn deactivate(&self, account: &OwnedAccount) -> Result<InactiveResource, TargetError> {
        let shown = self.change_active(account, false).await?;
        InactiveResource::shown(shown).ok_or_else(|| not_applied(false))
    }

    /// Sets `active` by each verb in turn until an answer shows it. The first refusal is the one reported.
    async fn change_active(&self, account: &OwnedAccount, active: bool) -> Result<Resource, TargetError> {
        let mut first = None;
        for verb in self.verbs().await? {
            let error = match self.send_single(account, verb, ("active", &json!(active))).await {
                Ok(shown) => match self.with_active(account, shown, active).await? {
                    shown if shown.account.active == Some(active) => return Ok(shown),
                    shown if active && shown.account.active.is_none() => return Ok(shown),
                    _ => not_applied(active),
                },
                Err(error) if error.is_refusal() => error,
                Err(error) => return Err(first.unwrap_or(error)),
            };
            first.get_or_insert(error);
        }
        let error = first.unwrap_or_else(|| not_applied(active));
        Err(self.without_account_values(account, error).await)
    }

    /// Gives an account another user name, and nothing else. An answer of the target shows the name.
    pub async fn rename(&self, account: &OwnedAccount, name: &UserName) -> Result<(), TargetError> {
        let mut first = None;
        for verb in self.verbs().await? {
            let error = match self.send_single(account, verb, ("userName", &json!(name.as_str()))).await {
                Ok(shown) => {
                    let shown = if shown.has_name() { shown } else { self.fetch(account.id()).await? };
                    let is_shown = |shown: &String| name.is_spelled(shown);
                    if shown.account.user_name.as_ref().is_some_and(is_shown) {
                        return Ok(());
                    }
                    TargetError::NotApplied { detail: "the account still has its user name".to_owned() }
                }
                Err(error) if error.is_refusal() => error,
                Err(error) => return Err(first.unwrap_or(error)),
            };
            first.get_or_insert(error);
        }
        let detail = "the target supports neither PATCH nor PUT".to_owned();
        let error = first.unwrap_or(TargetError::Unsupported { detail });
        Err(self.without_account_values(account, error).await)
    }

    /// Sends a plain attribute alone. Workplace's documented way for `active` is a PUT of it; where PUT replaces, the whole
    /// account is read and sent back.
    async fn send_single(
        &self,
        account: &OwnedAccount,
        verb: ChangeVerb,
        (name, value): (&str, &Value),
    ) -> Result<Resource, TargetError> {
        let sent = value.as_str().into_iter().collect();
        match (verb, self.dialect.put) {
            (ChangeVerb::Patch, _) => {
                self.send_patch(account, vec![patch::replacement(name, value)], sent).await
            }
            (ChangeVerb::Put, DialectPut::Merges) => {
                self.put(account, render::single(self.dialect, (name, value)), sent).await
            }
            (ChangeVerb::Put, DialectPut::Replaces) => {
                let current = self.fetch(account.id()).await?;
                let body = render::whole_with(self.dialect, &current, (name, value));
                self.put(account, body, json::texts(current.raw()).chain(sent).collect()).await
            }
        }
    }

    /// The account with its present `active`. An answer to a change may be partial, or show the account as it was.
    async fn with_active(
        &self,
        account: &OwnedAccount,
        shown: Resource,
        active: bool,
    ) -> Result<Resource, TargetError> {
        if shown.account.active == Some(active) || shown.is_whole() && shown.account.active.is_some() {
            return Ok(shown);
        }
        let mut whole = if shown.is_whole() { shown } else { self.fetch(account.id()).await? };
        if whole.account.active.is_none() && !active && self.leaves_out_inactive().await? {
            whole.account.active = Some(false);
        }
        Ok(whole)
    }

    /// Whether the target shows `active` for active accounts only: on the first page of the list some accounts are
    /// active, and none is shown inactive.
    async fn leaves_out_inactive(&self) -> Result<bool, TargetError> {
        let is_left_out = self.leaves_out_inactive.get_or_try_init(|| async {
            let accounts = self.list(1).await?.resources;
            let shows = |active| accounts.iter().any(|resource| resource.account.active == Some(active));
            Ok::<_, TargetError>(shows(true) && !shows(false))
        });
        is_left_out.await.copied()
    }

    /// A refusal without values of the account, which the target may name and the caller does not know. If the account
    /// can't be read, the explanation is left out.
    async fn without_account_values(&self, account: &OwnedAccount, error: TargetError) -> TargetError {
        if matches!(error, TargetError::NotApplied { .. }) {
            return error;
        }
        match self.fetch(account.id()).await {
            Ok(current) => {
                let redactor = Redactor::new([], json::texts(current.raw()));
                error.explained(|detail| redactor.clean(detail))
            }
            Err(_) => error.explained(|detail| {
                let status = detail.split(':').next().unwrap_or_default();
                format!("{status} (explanation left out, because the account can't be read)")
            }),
        }
    }
}

fn not_applied(active: bool) -> TargetError {
    let is = if active { "inactive" } else { "active" };
    TargetError::NotApplied { detail: format!("the account is still {is}") }
}
