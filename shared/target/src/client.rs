//! The client.

use std::fmt;
use std::time::Duration;

use model::{AccountId, DesiredUser, Managed, OwnedAccount, UserName, Value};
use reqwest::{Method, Url};
use tokio::sync::OnceCell;

use crate::announced::Announced;
use crate::body::Body;
use crate::dialect::{Clear, Delete, Patch, Put};
use crate::errors::TargetError;
use crate::json::{self, Object};
use crate::options::{Credentials, TargetOptions};
use crate::pace::{Pacing, Slots};
use crate::patch::PatchOperation;
use crate::render::{self, Blanks};
use crate::resource::{Page, Resource};
use crate::tally::Calls;
use crate::transport::{Call, Failure, Transport};
use crate::{Dialect, changes, difference, parse, patch};

/// No account can have this name: nobody can own a domain under `.invalid` (RFC 2606).
const NOBODY: &str = "nobody@provisioner.invalid";

/// A store of accounts, by one of the [dialects](Dialect).
pub struct Target {
    dialect: &'static Dialect,
    transport: Transport,
    /// What the server says of itself, once somebody had to know.
    announced: OnceCell<Announced>,
}

/// What became of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The account is gone now.
    Done,
    /// It was gone before.
    AlreadyGone,
    /// The target keeps it; it can still be deactivated. Workplace deletes only what nobody has claimed \[doc\].
    Refused {
        /// What the target says.
        detail: String,
    },
}

impl Target {
    /// Prepares a client; nothing is called yet. The address must be https, but for loopback.
    pub fn new(
        dialect: &'static Dialect,
        options: TargetOptions,
        credentials: Credentials,
    ) -> Result<Self, TargetError> {
        let transport = Transport::new(dialect, options, credentials)?;
        Ok(Self { dialect, transport, announced: OnceCell::new() })
    }

    /// Says where new credentials come from when those in use are refused, as they are after a rotation.
    ///
    /// A call that is [`Unauthorized`](TargetError::Unauthorized) then waits for this once, and is made once more if
    /// the access token or the app secret is another one; else its error stands at once. Many calls that are refused together ask
    /// together. One after the other they ask again each, so how often the credentials are really fetched is for
    /// `renew` to limit. `None` says that there is nothing new to be had.
    #[must_use]
    pub fn with_renewal<F, R>(mut self, renew: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Option<Credentials>> + Send + 'static,
    {
        self.transport.access.set_renewal(renew);
        self
    }

    /// Says when calls may be made. `reserve` gives the next moments for some calls; `slow_down` is told each time that the
    /// target wants fewer, and how long it wants to be left alone, if it says so.
    #[must_use]
    pub fn with_pace<R, RF, S, SF>(mut self, reserve: R, slow_down: S) -> Self
    where
        R: Fn() -> RF + Send + Sync + 'static,
        RF: Future<Output = Slots> + Send + 'static,
        S: Fn(Option<Duration>) -> SF + Send + Sync + 'static,
        SF: Future<Output = ()> + Send + 'static,
    {
        self.transport.pacing = Some(Pacing::new(reserve, slow_down));
        self
    }

    /// The dialect it speaks.
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// How many calls were made so far.
    pub fn calls(&self) -> Calls {
        self.transport.tally.calls()
    }

    /// How long each attempt took that ended since this was last asked, up to the newest 1,000: until the answer was
    /// read whole, or there was none.
    pub fn take_latencies(&self) -> Vec<Duration> {
        self.transport.tally.take_latencies()
    }

    /// Proves that the address and the token are good, by using them: it looks up a name that nobody has. This also
    /// shows that filters are understood, without which no look-up could be trusted.
    pub async fn check(&self) -> Result<(), TargetError> {
        if !self.announced().await?.filter {
            return self.list(1).await.map(drop);
        }
        let found = self.search("userName", NOBODY, |_| false).await?;
        if found.resources.is_empty() && found.total.unwrap_or(0) == 0 {
            return Ok(());
        }
        Err(TargetError::Malformed { detail: "it finds accounts under a name that nobody has".to_owned() })
    }

    /// The account of this name, compared without case, or with the external id that stands in for one. Should there be
    /// several, none is taken.
    pub async fn find_by_user_name(&self, name: &UserName) -> Result<Option<Resource>, TargetError> {
        if let Some(id) = name.external_id() {
            return self.find_by_external_id(id).await;
        }
        let folded = name.folded();
        let is_it = |resource: &Object| {
            parse::user_name(resource).is_some_and(|it| it.trim().to_lowercase() == folded)
        };
        let found = self.search("userName", name.as_str(), is_it).await?;
        self.only_one(found, "userName", is_it)
    }

    /// The same by reading up to so many pages of accounts, for when the target says that it has this name and shows
    /// nobody under it: some look names up as they are spelled, although SCIM's names have no case (RFC 7643, 4.1.1).
    pub async fn find_by_reading(
        &self,
        name: &UserName,
        pages: usize,
    ) -> Result<Option<Resource>, TargetError> {
        let folded = name.folded();
        let mut start = Some(1);
        for _ in 0..pages {
            let Some(at) = start else { break };
            let page = self.list(at).await?;
            let is_it = |it: &Resource| {
                it.account.user_name.as_ref().is_some_and(|name| name.trim().to_lowercase() == folded)
            };
            if let Some(found) = page.resources.into_iter().find(is_it) {
                return Ok(Some(found));
            }
            start = page.next;
        }
        Ok(None)
    }

    /// The account with this external id. A target that can't look for one, as Meta Admin Center can't \[doc\], has
    /// found none.
    pub async fn find_by_external_id(&self, id: &str) -> Result<Option<Resource>, TargetError> {
        let is_it = |resource: &Object| parse::external_id(resource) == Some(id);
        let found = match self.search("externalId", id, is_it).await {
            Err(Failure { status: Some(400), error: TargetError::Rejected { .. } }) => return Ok(None),
            found => found?,
        };
        self.only_one(found, "externalId", is_it)
    }

    /// One account, as it is now.
    pub async fn fetch(&self, id: &AccountId) -> Result<Resource, TargetError> {
        let call = Call { method: Method::GET, url: self.user(id).await?, body: None, sent: Vec::new() };
        let body = self.transport.call(&call).await?;
        self.same(id, Resource::from_body(self.dialect, body)?)
    }

    /// A page of all accounts; the first starts at 1.
    pub async fn list(&self, start_index: u64) -> Result<Page, TargetError> {
        let start = start_index.max(1);
        let (Listed { total: _, resources }, next, total) = self.page(start).await?;
        let mut page = Page { resources: Vec::new(), unreadable: 0, next, total };
        for resource in resources {
            match resource.map(|object| Resource::from_object(self.dialect, object)) {
                Some(Ok(resource)) => page.resources.push(resource),
                Some(Err(_)) | None => page.unreadable += 1,
            }
        }
        Ok(page)
    }

    /// A page as it came, where the next one starts, and how many accounts there are.
    async fn page(&self, start: u64) -> Result<(Listed, Option<u64>, u64), Failure> {
        let count = self.announced().await?.page_size;
        let query = [("startIndex", start.to_string()), ("count", count.to_string())];
        let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
        let listed = self.listed(with_query(self.users().await?, &query), Vec::new()).await?;
        let Some(total) = listed.total else {
            let detail = "a list does not say how many accounts there are".to_owned();
            return Err(TargetError::Malformed { detail }.into());
        };
        let returned = listed.resources.len() as u64;
        let next = start.saturating_add(returned);
        Ok((listed, (returned > 0 && next <= total).then_some(next), total))
    }

    /// Creates an account.
    ///
    /// It is not tried again when the answer is lost, and nobody has recorded how a duplicate is answered. So
    /// after any failure but [`Unauthorized`](TargetError::Unauthorized) and
    /// [`RateLimited`](TargetError::RateLimited) the account may be there: look again before anything else.
    pub async fn create(&self, user: &DesiredUser) -> Result<Resource, TargetError> {
        let body = render::creation(self.dialect, user)?;
        let call =
            Call { method: Method::POST, url: self.users().await?, body: Some(body), sent: personal(user) };
        let answer = self.transport.call(&call).await.map_err(of_collection)?;
        Resource::from_body(self.dialect, answer)
    }

    /// Makes an account as it should be: all mapped attributes, the user name and whether it is active. `current`
    /// is the account as it was read just now; from it come the values that nobody mapped but that are sent along.
    ///
    /// Where PUT merges, how a value is cleared is not documented, so several ways are tried until it is gone: an empty
    /// value, then, for what is still there, a PATCH. A value that is shown even after that stays in the resource that
    /// is given back.
    ///
    /// Where PUT replaces, only what differs is sent, and nothing if nothing does; without PATCH the whole account is.
    /// Whatever somebody else changed there between the reading and the writing is then undone.
    pub async fn update(
        &self,
        account: &OwnedAccount,
        current: &Resource,
        user: &DesiredUser,
    ) -> Result<Resource, TargetError> {
        match self.dialect.put {
            Put::Merges => self.merge(account, current, user).await,
            Put::Replaces => self.replace(account, current, user).await,
        }
    }

    /// The same in one call, for an account of which it is known that it was left as `before`: what has changed since is
    /// sent, and nothing else. The account that is given back shows whether that was all.
    ///
    /// `None` says that the account has to be read for this, or that the target wants none of it, and that nothing has
    /// changed: without PATCH where PUT replaces, and where a list or the like has to be sent whole.
    pub async fn update_unread(
        &self,
        account: &OwnedAccount,
        before: &DesiredUser,
        user: &DesiredUser,
    ) -> Result<Option<Resource>, TargetError> {
        let sent: Vec<&str> = personal(before).into_iter().chain(personal(user)).collect();
        let merged = match self.dialect.put {
            Put::Merges => changes::merged(self.dialect, before, user)?,
            Put::Replaces => None,
        };
        let answer = match merged {
            Some(body) => self.put(account, body, sent).await,
            None if self.has_patch().await? => match changes::operations(self.dialect, before, user)? {
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
        let body = render::update(self.dialect, current, user, Blanks::Sent)?;
        let updated = match self.put(account, body.clone(), personal(user)).await {
            Err(TargetError::Rejected { attribute, detail }) => {
                let plainer = render::update(self.dialect, current, user, Blanks::LeftOut)?;
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
        let body = render::update(self.dialect, current, user, Blanks::LeftOut)?;
        let operations = difference::operations(self.dialect, current.raw(), &body);
        if operations.is_empty() {
            return self.same(account.id(), current.clone());
        }
        let sent: Vec<&str> = personal(user).into_iter().chain(json::texts(current.raw())).collect();
        if !self.has_patch().await? {
            return self.put(account, body, sent).await;
        }
        let removes = operations.iter().any(patch::is_removal);
        match self.send_patch(account, operations, sent.clone()).await {
            // A server may have PATCH and still take values away by PUT alone.
            Err(TargetError::Rejected { .. }) if removes => self.put(account, body, sent).await,
            Ok(patched) if removes && !self.left_to_clear(&patched, user).is_empty() => {
                self.put(account, body, sent).await
            }
            answer => answer,
        }
    }

    /// Switches an account on or off, and changes nothing else. Workplace's documented way is a PUT of nothing but
    /// `active`; a target that finds that too little is asked by PATCH. Where PUT replaces, PATCH comes first, and
    /// without it the account is read and sent back whole.
    pub async fn set_active(&self, account: &OwnedAccount, active: bool) -> Result<Resource, TargetError> {
        let by_patch = || self.send_patch(account, vec![patch::activation(active)], Vec::new());
        match self.dialect.put {
            Put::Merges => {
                match self.put(account, render::activation(self.dialect, active), Vec::new()).await {
                    Err(TargetError::Rejected { .. }) if self.has_patch().await? => by_patch().await,
                    answer => answer,
                }
            }
            Put::Replaces if self.has_patch().await? => by_patch().await,
            Put::Replaces => {
                let current = self.fetch(account.id()).await?;
                let body = render::whole_activation(self.dialect, &current, active);
                self.put(account, body, json::texts(current.raw()).collect()).await
            }
        }
    }

    /// Whether the target has PATCH.
    async fn has_patch(&self) -> Result<bool, TargetError> {
        match self.dialect.patch {
            Patch::Always => Ok(true),
            Patch::Never => Ok(false),
            Patch::Announced => Ok(self.announced().await?.patch),
        }
    }

    /// Those of these attributes that the server's own schemas don't have: what is sent of them will hardly be kept.
    pub async fn not_offered<'a>(
        &self,
        attributes: impl IntoIterator<Item = &'a str> + Send,
    ) -> Result<Vec<&'a str>, TargetError> {
        let attributes: Vec<&str> = attributes.into_iter().collect();
        let announced = self.announced().await?;
        let lacking = |attribute: &&str| {
            let field = self.dialect.field(attribute);
            field.is_some_and(|field| {
                announced.lacks(field.extension.unwrap_or(self.dialect.core), field.top())
            })
        };
        Ok(attributes.into_iter().filter(lacking).collect())
    }

    /// The address of the accounts.
    async fn users(&self) -> Result<Url, TargetError> {
        Ok(self.transport.under(&self.announced().await?.users))
    }

    /// The address of one account.
    async fn user(&self, id: &AccountId) -> Result<Url, TargetError> {
        one_of(self.users().await?, id)
    }

    /// What the server says of itself, asked once for the life of this client and only where the dialect leaves it to
    /// the server.
    async fn announced(&self) -> Result<&Announced, TargetError> {
        self.announced.get_or_try_init(|| self.fetch_announced()).await
    }

    async fn fetch_announced(&self) -> Result<Announced, TargetError> {
        let nothing = Announced::nothing(self.dialect);
        if self.dialect.patch != Patch::Announced {
            return Ok(nothing);
        }
        let (config, types, schemas) = tokio::join!(
            self.fetch_document("ServiceProviderConfig"),
            self.fetch_document("ResourceTypes"),
            self.fetch_document("Schemas"),
        );
        let base = self.transport.under::<&str>(&[]);
        let mut announced = nothing;
        if let Some(config) = config? {
            announced = announced.with_config(&config);
        }
        if let Some(types) = types? {
            announced = announced.with_resource_types(&types, base.as_str());
        }
        // Nothing that is done depends on these.
        if let Ok(Some(schemas)) = schemas {
            announced = announced.with_schemas(&schemas);
        }
        Ok(announced)
    }

    /// What the server says under this name; `None` where it says nothing, or not to us. That the token is no good
    /// shows in the first call that needs it.
    async fn fetch_document(&self, name: &str) -> Result<Option<Object>, TargetError> {
        let call =
            Call { method: Method::GET, url: self.transport.under(&[name]), body: None, sent: Vec::new() };
        match self.transport.call(&call).await {
            Ok(Body::Json(document)) => Ok(Some(document)),
            Ok(_) | Err(Failure { status: Some(403), error: TargetError::Unauthorized { .. } }) => Ok(None),
            Err(Failure {
                error: TargetError::NotFound | TargetError::Rejected { .. } | TargetError::Malformed { .. },
                ..
            }) => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    /// Changes single attributes. Without any operation nothing is changed.
    pub async fn patch(
        &self,
        account: &OwnedAccount,
        operations: &[PatchOperation],
    ) -> Result<Resource, TargetError> {
        if !self.has_patch().await? {
            let detail = format!("the {} dialect has no PATCH", self.dialect.name());
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

    /// Deletes an account. Where DELETE would only switch it off, nothing is asked of the target: then it is better to
    /// switch the account off and know so.
    pub async fn delete(&self, account: &OwnedAccount) -> Result<Deleted, TargetError> {
        if self.dialect.delete == Delete::Deactivates {
            let detail = format!("a DELETE only deactivates at {}", self.dialect.name());
            return Ok(Deleted::Refused { detail });
        }
        let url = self.user(account.id()).await?;
        let call = Call { method: Method::DELETE, url, body: None, sent: Vec::new() };
        match self.transport.call(&call).await {
            Ok(_) => Ok(Deleted::Done),
            Err(Failure { error: TargetError::NotFound, .. }) => Ok(Deleted::AlreadyGone),
            Err(Failure {
                status: Some(403 | 405 | 412 | 501),
                error: TargetError::Rejected { detail, .. },
            }) => Ok(Deleted::Refused { detail }),
            Err(failure) => Err(failure.error),
        }
    }

    async fn put(
        &self,
        account: &OwnedAccount,
        body: Object,
        sent: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        let url = self.user(account.id()).await?;
        self.write(account, Call { method: Method::PUT, url, body: Some(body), sent }).await
    }

    async fn send_patch(
        &self,
        account: &OwnedAccount,
        operations: Vec<serde_json::Value>,
        sent: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        let url = self.user(account.id()).await?;
        self.write(account, Call { method: Method::PATCH, url, body: Some(patch::body(operations)), sent })
            .await
    }

    /// A change that is answered with the account, or with nothing (RFC 7644, 3.5.2); then it is read.
    async fn write(&self, account: &OwnedAccount, call: Call<'_>) -> Result<Resource, TargetError> {
        match self.transport.call(&call).await? {
            Body::Empty => self.fetch(account.id()).await,
            body => self.same(account.id(), Resource::from_body(self.dialect, body)?),
        }
    }

    /// An answer about another account than the one asked for must not be taken for it.
    fn same(&self, id: &AccountId, resource: Resource) -> Result<Resource, TargetError> {
        if resource.account.id == *id {
            return Ok(resource);
        }
        Err(TargetError::Malformed {
            detail: "the answer shows another account than the one asked for".into(),
        })
    }

    /// What should be empty and is not yet.
    fn left_to_clear(&self, updated: &Resource, user: &DesiredUser) -> Vec<PatchOperation> {
        let shown = &updated.account.attributes;
        let is_left = |attribute: &model::TargetAttribute| {
            let clear = self.dialect.field(attribute.as_str()).map(|field| field.clear);
            let value = shown.get(attribute);
            // An account without e-mail addresses shows its user name as one \[seen\]; that can't be removed.
            let is_mirror = attribute.as_str().starts_with("emails.")
                && matches!(value, Some(Value::Text(text)) if text.to_lowercase() == user.user_name.folded());
            let is_fixed = self.dialect.immutable.contains(&attribute.as_str());
            value.is_some() && !is_mirror && !is_fixed && clear != Some(Clear::Never)
        };
        let cleared = user.attributes.iter().filter(|(_, managed)| **managed == Managed::Clear);
        cleared
            .map(|(attribute, _)| attribute)
            .filter(|attribute| is_left(attribute))
            .map(|attribute| PatchOperation::Remove { attribute: attribute.clone() })
            .collect()
    }

    /// What the target finds for an attribute's value. Only `eq` exists \[doc\]. A target without filters is read from
    /// beginning to end, and only what is looked for is kept.
    async fn search(
        &self,
        attribute: &str,
        wanted: &str,
        is_it: impl Fn(&Object) -> bool,
    ) -> Result<Listed, Failure> {
        if !self.announced().await?.filter {
            return self.search_all(is_it).await;
        }
        // A JSON string is what the filter's grammar wants (RFC 7644, 3.4.2.2); it also escapes quotes.
        let filter = format!("{attribute} eq {}", serde_json::Value::from(wanted));
        self.listed(with_query(self.users().await?, &[("filter", &filter)]), vec![wanted]).await
    }

    async fn search_all(&self, is_it: impl Fn(&Object) -> bool) -> Result<Listed, Failure> {
        let mut found = Vec::new();
        let mut start = Some(1);
        while let Some(at) = start {
            let (listed, next, _) = self.page(at).await?;
            found.extend(listed.resources.into_iter().filter(|it| it.as_ref().is_some_and(&is_it)));
            start = next;
        }
        Ok(Listed { total: Some(found.len() as u64), resources: found })
    }

    /// The one account for which `is_it` holds. What else was found is ignored: a target that ignores the filter
    /// must not give us a stranger.
    fn only_one(
        &self,
        found: Listed,
        attribute: &str,
        is_it: impl Fn(&Object) -> bool,
    ) -> Result<Option<Resource>, TargetError> {
        let Listed { total, resources } = found;
        let is_cut_off = total.is_some_and(|total| total > resources.len() as u64);
        let mut it: Option<Resource> = None;
        for object in resources.into_iter().flatten().filter(is_it) {
            let resource = Resource::from_object(self.dialect, object)?;
            if it.as_ref().is_some_and(|it| it.account.id != resource.account.id) {
                return Err(TargetError::Rejected {
                    attribute: Some(attribute.to_owned()),
                    detail: "the target shows several accounts that have the same one".to_owned(),
                });
            }
            it = Some(resource);
        }
        if it.is_none() && is_cut_off {
            return Err(TargetError::Malformed {
                detail: format!(
                    "it finds many accounts by a {attribute} that only one can have, and shows others"
                ),
            });
        }
        Ok(it)
    }

    async fn listed(&self, url: Url, sent: Vec<&str>) -> Result<Listed, Failure> {
        let call = Call { method: Method::GET, url, body: None, sent };
        let malformed = |what: &dyn fmt::Display| {
            Failure::from(TargetError::Malformed { detail: format!("a list was expected, not {what}") })
        };
        match self.transport.call(&call).await.map_err(of_collection)? {
            Body::Json(body) => Listed::read(&body).ok_or_else(|| malformed(&"other JSON")),
            other => Err(malformed(&other)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("dialect", &self.dialect.name()).finish_non_exhaustive()
    }
}

/// A list as it came; what is no object in it is `None`.
pub(crate) struct Listed {
    total: Option<u64>,
    resources: Vec<Option<Object>>,
}

impl Listed {
    /// `None` for what is no list: it must say how many there are, or show some. An empty list may lack
    /// `Resources` \[sample\].
    pub(crate) fn read(body: &Object) -> Option<Self> {
        let total = json::member(body, "totalResults").and_then(json::integer);
        let total = total.and_then(|total| u64::try_from(total).ok());
        let resources = match json::member(body, "Resources") {
            Some(serde_json::Value::Array(resources)) => Some(resources),
            _ => None,
        };
        if total.is_none() && resources.is_none() {
            return None;
        }
        let resources = resources.into_iter().flatten().map(|resource| resource.as_object().cloned());
        Some(Self { total, resources: resources.collect() })
    }
}

/// The address of one account under that of all.
fn one_of(mut users: Url, id: &AccountId) -> Result<Url, TargetError> {
    let refused =
        || TargetError::Malformed { detail: "an account's id can't stand in an address".to_owned() };
    match id.as_str() {
        // As a path these would lead elsewhere, the collection itself included.
        "." | ".." | "" => return Err(refused()),
        id => users.path_segments_mut().map_err(|()| refused())?.push(id),
    };
    Ok(users)
}

/// The collection itself can't be missing from the right address; only an account can.
fn of_collection(failure: Failure) -> Failure {
    match failure.error {
        TargetError::NotFound => {
            TargetError::Malformed { detail: "there is no /Users at this address".to_owned() }.into()
        }
        _ => failure,
    }
}

/// What a complaint must not repeat.
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

/// Adds a query. A space is written as `%20`: not everybody reads `+` as one.
fn with_query(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(pairs);
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
    url
}
