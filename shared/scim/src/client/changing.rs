//! Creation, update and deletion of accounts.

use model::{AppliedChanges, DesiredUser, Managed, OwnedAccount, Value};
use reqwest::Method;

use super::{Target, users_not_found};
use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::{self, JsonObject};
use crate::patch::PatchOperation;
use crate::render::{self, EmptyText};
use crate::resource::Resource;
use crate::transport::{CallFailure, TargetCall};
use crate::{changes, difference, patch};
use dialect::{DialectClear, DialectDelete, DialectPut};

/// Result of a DELETE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The account was deleted.
    Deleted,
    /// The account did not exist any more.
    AlreadyGone,
    /// The target keeps the account; it can still be deactivated. Workplace deletes only accounts that were never
    /// claimed \[doc\].
    Refused {
        /// Explanation from the target.
        detail: String,
    },
}

impl Target {
    /// Creates an account.
    ///
    /// The request is not repeated when its response is lost, and the response to a duplicate is not recorded. So after
    /// any error but [`Unauthorized`](TargetError::Unauthorized) and [`RateLimited`](TargetError::RateLimited) the
    /// account may exist: the caller must look it up first.
    pub async fn create(&self, user: &DesiredUser) -> Result<Resource, TargetError> {
        let body = render::creation(self.dialect, user)?;
        let url = self.users_url().await?;
        let call = TargetCall::new(Method::POST, url).with_body(body).redacting(personal(user));
        let answer = self.transport.call(&call).await.map_err(users_not_found)?;
        Resource::from_body(self.dialect, answer)
    }

    /// Updates all mapped attributes, the user name and `active`. `current` is the account as just read; unmapped
    /// values that must be sent too come from it.
    ///
    /// Where PUT merges, the way to clear a value is not documented: an empty value is sent first, then a PATCH removes
    /// values that remain. A value that still remains is part of the returned resource.
    ///
    /// Where PUT replaces, only differences are sent, or nothing. Without PATCH the whole account is sent, which
    /// reverts changes made at the target since `current` was read.
    pub async fn update(
        &self,
        account: &OwnedAccount,
        current: &Resource,
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        match self.dialect.put {
            DialectPut::Merges => self.merge(account, current, user).await,
            DialectPut::Replaces => self.replace(account, current, user).await,
        }
    }

    /// Updates an account without reading it: sends `changes`, and nothing else. The answer shows the account, so that
    /// the caller can compare it with the whole user.
    ///
    /// `None` if nothing was changed, because the account has to be read or the target refuses the request: without
    /// PATCH where PUT replaces, and where a list or a structured attribute has to be sent whole.
    pub async fn update_blind(
        &self,
        account: &OwnedAccount,
        changes: &AppliedChanges,
        user: &DesiredUser,
    ) -> Result<Option<Resource>, TargetError> {
        let previous_name = changes.previous_user_name.as_ref().map(|name| name.as_str());
        let sent: Vec<&str> = previous_name.into_iter().chain(personal(user)).collect();
        let merged = match self.dialect.put {
            DialectPut::Merges => changes::merged(self.dialect, changes, user)?,
            DialectPut::Replaces => None,
        };
        let answer = match merged {
            Some(body) => self.put(account, body, sent).await,
            None if self.has_patch().await? => match changes::operations(self.dialect, changes, user)? {
                Some(operations) if !operations.is_empty() => {
                    self.send_patch(account, operations, sent).await
                }
                _ => return Ok(None),
            },
            None => return Ok(None),
        };
        match answer {
            Err(TargetError::Rejected { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    async fn merge(
        &self,
        account: &OwnedAccount,
        current: &Resource,
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        let body = render::update(self.dialect, current, user, EmptyText::Sent)?;
        let updated = match self.put(account, body.clone(), personal(user)).await {
            Err(TargetError::Rejected { attribute, detail }) => {
                let plainer = render::update(self.dialect, current, user, EmptyText::Omitted)?;
                if plainer == body {
                    return Err(TargetError::Rejected { attribute, detail });
                }
                self.put(account, plainer, personal(user)).await?
            }
            answer => answer?,
        };
        let left = self.left_to_clear(&updated, user);
        if left.is_empty() || !self.has_patch().await? {
            Ok(updated)
        } else {
            self.patch(account, &left).await
        }
    }

    async fn replace(
        &self,
        account: &OwnedAccount,
        current: &Resource,
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        let body = render::update(self.dialect, current, user, EmptyText::Omitted)?;
        let operations = difference::operations(self.dialect, current.raw(), &body);
        if operations.is_empty() {
            return self.check_id(account.id(), current.clone());
        }
        let sent: Vec<&str> = personal(user).into_iter().chain(json::texts(current.raw())).collect();
        if !self.has_patch().await? {
            return self.put(account, body, sent).await;
        }
        let removes = operations.iter().any(patch::is_removal);
        match self.send_patch(account, operations, sent.clone()).await {
            // Some servers clear values by PUT only.
            Err(TargetError::Rejected { .. }) if removes => self.put(account, body, sent).await,
            Ok(patched) if removes && !self.left_to_clear(&patched, user).is_empty() => {
                self.put(account, body, sent).await
            }
            answer => answer,
        }
    }

    /// Sets `active`, and changes nothing else. Workplace's documented way is a PUT of `active` alone; if the target
    /// rejects it, a PATCH follows. Where PUT replaces, PATCH is used; without PATCH the whole account is read and sent.
    pub async fn set_active(&self, account: &OwnedAccount, active: bool) -> Result<Resource, TargetError> {
        let by_patch = || self.send_patch(account, vec![patch::activation(active)], Vec::new());
        match self.dialect.put {
            DialectPut::Merges => {
                match self.put(account, render::activation(self.dialect, active), Vec::new()).await {
                    Err(TargetError::Rejected { .. }) if self.has_patch().await? => by_patch().await,
                    answer => answer,
                }
            }
            DialectPut::Replaces if self.has_patch().await? => by_patch().await,
            DialectPut::Replaces => {
                let current = self.fetch(account.id()).await?;
                let body = render::whole_activation(self.dialect, &current, active);
                self.put(account, body, json::texts(current.raw()).collect()).await
            }
        }
    }

    /// Changes single attributes. Without operations, the account is only read.
    pub async fn patch(
        &self,
        account: &OwnedAccount,
        operations: &[PatchOperation],
    ) -> Result<Resource, TargetError> {
        if !self.has_patch().await? {
            let detail = format!("the {} dialect has no PATCH", self.dialect.name);
            return Err(TargetError::Rejected { attribute: None, detail });
        }
        let sent = operations.iter().filter_map(|operation| match operation {
            PatchOperation::Replace { attribute: _, value: Value::Text(text) } => Some(text.as_str()),
            PatchOperation::Replace { .. } | PatchOperation::Remove { .. } => None,
        });
        let rendered = patch::operations(self.dialect, operations)?;
        if rendered.is_empty() {
            self.fetch(account.id()).await
        } else {
            self.send_patch(account, rendered, sent.collect()).await
        }
    }

    /// Deletes an account. Where DELETE only deactivates, no call is made, so that the caller deactivates explicitly.
    pub async fn delete(&self, account: &OwnedAccount) -> Result<DeleteOutcome, TargetError> {
        if self.dialect.delete == DialectDelete::Deactivates {
            let detail = format!("DELETE only deactivates accounts at {}", self.dialect.name);
            return Ok(DeleteOutcome::Refused { detail });
        }
        let url = self.user_url(account.id()).await?;
        match self.transport.call(&TargetCall::new(Method::DELETE, url)).await {
            Ok(_) => Ok(DeleteOutcome::Deleted),
            Err(CallFailure { error: TargetError::NotFound, .. }) => Ok(DeleteOutcome::AlreadyGone),
            Err(CallFailure {
                status: Some(403 | 405 | 412 | 501),
                error: TargetError::Rejected { detail, .. },
            }) => Ok(DeleteOutcome::Refused { detail }),
            Err(failure) => Err(failure.error),
        }
    }

    async fn put(
        &self,
        account: &OwnedAccount,
        body: JsonObject,
        sent: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        let url = self.user_url(account.id()).await?;
        self.write(account, TargetCall::new(Method::PUT, url).with_body(body).redacting(sent)).await
    }

    async fn send_patch(
        &self,
        account: &OwnedAccount,
        operations: Vec<serde_json::Value>,
        sent: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        let url = self.user_url(account.id()).await?;
        self.write(
            account,
            TargetCall::new(Method::PATCH, url).with_body(patch::body(operations)).redacting(sent),
        )
        .await
    }

    /// Sends a change. If the response has no body (RFC 7644, 3.5.2), the account is read.
    async fn write(&self, account: &OwnedAccount, call: TargetCall<'_>) -> Result<Resource, TargetError> {
        match self.transport.call(&call).await? {
            ResponseBody::Empty => self.fetch(account.id()).await,
            body => self.check_id(account.id(), Resource::from_body(self.dialect, body)?),
        }
    }

    /// Removals of values that should be cleared and are still shown.
    fn left_to_clear(&self, updated: &Resource, user: &DesiredUser) -> Vec<PatchOperation> {
        let shown = &updated.account.attributes;
        let is_left = |attribute: &model::TargetAttribute| {
            let clear = self.dialect.field(attribute.as_str()).map(|field| field.clear);
            let value = shown.get(attribute);
            // An account without e-mail addresses shows its user name as one \[seen\]; it can't be removed.
            let is_mirror = attribute.as_str().starts_with("emails.")
                && matches!(value, Some(Value::Text(text)) if text.to_lowercase() == user.user_name.folded());
            let is_immutable = self.dialect.immutable.contains(&attribute.as_str());
            value.is_some() && !is_mirror && !is_immutable && clear != Some(DialectClear::Never)
        };
        let cleared = user.attributes.iter().filter(|(_, managed)| **managed == Managed::Clear);
        cleared
            .map(|(attribute, _)| attribute)
            .filter(|attribute| is_left(attribute))
            .map(|attribute| PatchOperation::Remove { attribute: attribute.clone() })
            .collect()
    }
}

/// Values of a user that are redacted from error texts.
fn personal(user: &DesiredUser) -> Vec<&str> {
    let DesiredUser { user_name, active: _, attributes, create_only } = user;
    let managed = attributes.values().filter_map(|managed| match managed {
        Managed::Set(value) => Some(value),
        Managed::Clear => None,
    });
    let values = managed.chain(create_only.values()).filter_map(|value| match value {
        Value::Text(text) => Some(text.as_str()),
        Value::Integer(_) | Value::Boolean(_) | Value::Reference(_) | Value::Account(_) => None,
    });
    std::iter::once(user_name.as_str()).chain(values).collect()
}
