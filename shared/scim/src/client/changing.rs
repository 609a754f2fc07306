//! Creation, update and deletion of accounts.

use model::{AppliedChanges, AppliedState, DesiredUser, Managed, OwnedAccount, Value};
use reqwest::Method;

use super::verbs::ChangeVerb;
use super::{Target, users_not_found};
use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::features::ServerFeatures;
use crate::json::{self, JsonObject};
use crate::patch::PatchOperation;
use crate::render::{self, EmptyText};
use crate::resource::{InactiveResource, Resource};
use crate::transport::{CallFailure, TargetCall};
use crate::{changes, difference, patch, recognise};
use dialect::{DialectClear, DialectPut};

/// Change of an account where PUT replaces.
struct Replacement {
    body: JsonObject,
    operations: Vec<serde_json::Value>,
}

impl Target {
    /// Creates an account.
    ///
    /// The request is not repeated when its response is lost, and the response to a duplicate is not recorded. So after
    /// any error but [`Unauthorized`](TargetError::Unauthorized) and [`RateLimited`](TargetError::RateLimited) the
    /// account may exist: the caller must look it up first.
    pub async fn create(&self, user: &DesiredUser) -> Result<Resource, TargetError> {
        let body = self.features().await?.served(render::creation(self.dialect, user)?);
        let url = self.users_url().await?;
        let call = TargetCall::new(Method::POST, url).with_body(body).redacting(personal(user));
        let answer = self.transport.call(&call).await.map_err(users_not_found)?;
        match Resource::from_body(self.dialect, answer)? {
            created if created.has_name() => Ok(created),
            created => self.fetch(&created.account.id).await,
        }
    }

    /// Updates all mapped attributes, the user name and `active`. Unmapped values that must be sent too come from
    /// `current`, the account as just read, or from a GET if that answer may be partial. The returned account shows
    /// `active` as it was sent; else the call has failed.
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
        self.update_applied(account, (current, None), user).await
    }

    /// The same update for an account with an applied state: elements of lists are recognised by the values sent before.
    pub async fn update_applied(
        &self,
        account: &OwnedAccount,
        (current, applied): (&Resource, Option<&AppliedState>),
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        let recognise = |shown: &Resource| {
            let raw = recognise::recognised(self.dialect, shown.raw(), user, applied);
            shown.with_raw(self.dialect, raw)
        };
        let current = &recognise(current)?;
        let features = self.features().await?;
        if self.dialect.put == DialectPut::Replaces
            && self.replacement(current, user, features)?.operations.is_empty()
        {
            return self.check_id(account.id(), current.clone());
        }
        let fetched = match current.is_whole() {
            true => None,
            false => Some(recognise(&self.fetch_hiding(account.id(), hidden(user, current)).await?)?),
        };
        let current = fetched.as_ref().unwrap_or(current);
        let updated = match self.dialect.put {
            DialectPut::Merges => self.merge(account, current, user).await?,
            DialectPut::Replaces => self.replace(account, current, user).await?,
        };
        let updated = if updated.has_name() { updated } else { self.fetch(account.id()).await? };
        match (updated.account.active, user.active) {
            (Some(shown), active) if shown == active => Ok(updated),
            (None, true) => Ok(updated),
            (_, true) => self.activate(account).await,
            (_, false) => self.deactivate(account).await.map(InactiveResource::into_resource),
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
            Ok(shown) if !shown.has_name() => self.fetch(account.id()).await.map(Some),
            Err(TargetError::Rejected { .. } | TargetError::Unsupported { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    async fn merge(
        &self,
        account: &OwnedAccount,
        current: &Resource,
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        let features = self.features().await?;
        let body = features.served(render::update(self.dialect, current, user, EmptyText::Sent)?);
        let updated = match self.put(account, body.clone(), hidden(user, current)).await {
            Err(TargetError::Rejected { attribute, detail }) => {
                let plainer =
                    features.served(render::update(self.dialect, current, user, EmptyText::Omitted)?);
                if plainer == body {
                    return Err(TargetError::Rejected { attribute, detail });
                }
                self.put(account, plainer, hidden(user, current)).await?
            }
            Err(refusal @ TargetError::Unsupported { .. }) => {
                self.merge_by_patch(account, (current, body), user).await.map_err(|_| refusal)?
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

    /// The whole account as it is to become, and what differs.
    fn replacement(
        &self,
        current: &Resource,
        user: &DesiredUser,
        features: &ServerFeatures,
    ) -> Result<Replacement, TargetError> {
        let body = features.served(render::update(self.dialect, current, user, EmptyText::Omitted)?);
        let before = features.served(current.raw().clone());
        let mut operations = difference::operations(self.dialect, &before, &body);
        // Some servers show `active` as a number or a text.
        if current.account.active == Some(user.active) {
            let is_active = |path: &str| path.eq_ignore_ascii_case("active");
            operations
                .retain(|it| !it.get("path").and_then(serde_json::Value::as_str).is_some_and(is_active));
        }
        Ok(Replacement { body, operations })
    }

    /// Sends the body of a PUT that merges as a PATCH, for a target that does not support PUT.
    async fn merge_by_patch(
        &self,
        account: &OwnedAccount,
        (current, body): (&Resource, JsonObject),
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        let mut after = current.raw().clone();
        after.extend(body);
        let operations = difference::operations(self.dialect, current.raw(), &after);
        if operations.is_empty() {
            return Ok(current.clone());
        }
        self.send_patch(account, operations, hidden(user, current)).await
    }

    async fn replace(
        &self,
        account: &OwnedAccount,
        current: &Resource,
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        let Replacement { body, operations } = self.replacement(current, user, self.features().await?)?;
        if operations.is_empty() {
            return self.check_id(account.id(), current.clone());
        }
        let sent = hidden(user, current);
        if !self.has_patch().await? {
            return match self.put(account, body, sent.clone()).await {
                Err(refusal @ TargetError::Unsupported { .. }) => {
                    self.send_patch(account, operations, sent).await.map_err(|_| refusal)
                }
                answer => answer,
            };
        }
        let removes = operations.iter().any(patch::is_removal);
        match self.send_patch(account, operations, sent.clone()).await {
            Err(refusal @ TargetError::Unsupported { .. }) => {
                self.put(account, body, sent).await.map_err(|_| refusal)
            }
            // Some servers clear values by PUT only.
            Err(refusal @ TargetError::Rejected { .. }) if removes => {
                self.put(account, body, sent).await.map_err(|_| refusal)
            }
            Ok(patched) if removes && !self.left_to_clear(&patched, user).is_empty() => {
                self.put(account, body, sent).await
            }
            answer => answer,
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
            return Err(TargetError::Unsupported { detail });
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

    pub(super) async fn put(
        &self,
        account: &OwnedAccount,
        body: JsonObject,
        sent: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        self.write(account, (ChangeVerb::Put, body), sent).await
    }

    pub(super) async fn send_patch(
        &self,
        account: &OwnedAccount,
        operations: Vec<serde_json::Value>,
        sent: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        self.write(account, (ChangeVerb::Patch, patch::body(operations)), sent).await
    }

    /// Sends a change. A success without an account in the body (RFC 7644, 3.5.2) is followed by a GET. A 404 for an
    /// account that a GET finds means that the verb has no route.
    async fn write(
        &self,
        account: &OwnedAccount,
        (verb, body): (ChangeVerb, JsonObject),
        sent: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        self.check_verb(verb)?;
        let url = self.user_url(account.id()).await?;
        let call = TargetCall::new(verb.method(), url).with_body(body).redacting(sent);
        match self.transport.call(&call).await {
            Ok(ResponseBody::Json(raw)) => match Resource::from_object(self.dialect, raw) {
                Ok(resource) => self.check_id(account.id(), resource),
                Err(_) => self.fetch(account.id()).await,
            },
            Ok(_) => self.fetch(account.id()).await,
            Err(CallFailure { error: TargetError::NotFound, .. }) => {
                self.fetch(account.id()).await?;
                self.note_unsupported(verb);
                let detail = format!("{verb} is answered with 404, and the account exists");
                Err(TargetError::Unsupported { detail })
            }
            Err(CallFailure { status, error, .. }) => {
                if matches!(status, Some(405 | 501)) {
                    self.note_unsupported(verb);
                }
                Err(error)
            }
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
                && matches!(value, Some(Value::Text(text)) if user.user_name.is_spelled(text));
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

/// Values of a user and of its account that are redacted from error texts.
fn hidden<'a>(user: &'a DesiredUser, current: &'a Resource) -> Vec<&'a str> {
    personal(user).into_iter().chain(json::texts(current.raw())).collect()
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
