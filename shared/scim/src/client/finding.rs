//! Looking for accounts, and reading them.

use std::fmt;

use model::{AccountId, UserName};
use reqwest::{Method, Url};

use super::{Target, of_collection};
use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::{self, JsonObject};
use crate::parse;
use crate::resource::{AccountPage, Resource};
use crate::transport::{CallFailure, TargetCall};

/// No account can have this name: nobody can own a domain under `.invalid` (RFC 2606).
const NOBODY: &str = "nobody@provisioner.invalid";

impl Target {
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
        let is_it = |resource: &JsonObject| {
            parse::user_name(resource).is_some_and(|it| it.trim().to_lowercase() == folded)
        };
        let found = self.search("userName", name.as_str(), is_it).await?;
        self.only_one(found, "userName", is_it)
    }

    /// The same by reading up to so many pages of accounts, for when the target says that it has this name and shows
    /// nobody under it: some look names up as they are spelled, although SCIM's names have no case (RFC 7643, 4.1.1).
    pub async fn find_by_listing(
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
        let is_it = |resource: &JsonObject| parse::external_id(resource) == Some(id);
        let found = match self.search("externalId", id, is_it).await {
            Err(CallFailure { status: Some(400), error: TargetError::Rejected { .. } }) => return Ok(None),
            found => found?,
        };
        self.only_one(found, "externalId", is_it)
    }

    /// One account, as it is now.
    pub async fn fetch(&self, id: &AccountId) -> Result<Resource, TargetError> {
        let call =
            TargetCall { method: Method::GET, url: self.user(id).await?, body: None, sent: Vec::new() };
        let body = self.transport.call(&call).await?;
        self.same(id, Resource::from_body(self.dialect, body)?)
    }

    /// A page of all accounts; the first starts at 1.
    pub async fn list(&self, start_index: u64) -> Result<AccountPage, TargetError> {
        let start = start_index.max(1);
        let (ListResponse { total: _, resources }, next, total) = self.page(start).await?;
        let mut page = AccountPage { resources: Vec::new(), unreadable: 0, next, total };
        for resource in resources {
            match resource.map(|object| Resource::from_object(self.dialect, object)) {
                Some(Ok(resource)) => page.resources.push(resource),
                Some(Err(_)) | None => page.unreadable += 1,
            }
        }
        Ok(page)
    }

    /// A page as it came, where the next one starts, and how many accounts there are.
    async fn page(&self, start: u64) -> Result<(ListResponse, Option<u64>, u64), CallFailure> {
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

    /// What the target finds for an attribute's value. Only `eq` exists \[doc\]. A target without filters is read from
    /// beginning to end, and only what is looked for is kept.
    async fn search(
        &self,
        attribute: &str,
        wanted: &str,
        is_it: impl Fn(&JsonObject) -> bool,
    ) -> Result<ListResponse, CallFailure> {
        if !self.announced().await?.filter {
            return self.search_all(is_it).await;
        }
        // A JSON string is what the filter's grammar wants (RFC 7644, 3.4.2.2); it also escapes quotes.
        let filter = format!("{attribute} eq {}", serde_json::Value::from(wanted));
        self.listed(with_query(self.users().await?, &[("filter", &filter)]), vec![wanted]).await
    }

    async fn search_all(&self, is_it: impl Fn(&JsonObject) -> bool) -> Result<ListResponse, CallFailure> {
        let mut found = Vec::new();
        let mut start = Some(1);
        while let Some(at) = start {
            let (listed, next, _) = self.page(at).await?;
            found.extend(listed.resources.into_iter().filter(|it| it.as_ref().is_some_and(&is_it)));
            start = next;
        }
        Ok(ListResponse { total: Some(found.len() as u64), resources: found })
    }

    /// The one account for which `is_it` holds. What else was found is ignored: a target that ignores the filter
    /// must not give us a stranger.
    fn only_one(
        &self,
        found: ListResponse,
        attribute: &str,
        is_it: impl Fn(&JsonObject) -> bool,
    ) -> Result<Option<Resource>, TargetError> {
        let ListResponse { total, resources } = found;
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

    async fn listed(&self, url: Url, sent: Vec<&str>) -> Result<ListResponse, CallFailure> {
        let call = TargetCall { method: Method::GET, url, body: None, sent };
        let malformed = |what: &dyn fmt::Display| {
            CallFailure::from(TargetError::Malformed { detail: format!("a list was expected, not {what}") })
        };
        match self.transport.call(&call).await.map_err(of_collection)? {
            ResponseBody::Json(body) => ListResponse::read(&body).ok_or_else(|| malformed(&"other JSON")),
            other => Err(malformed(&other)),
        }
    }

    /// An answer about another account than the one asked for must not be taken for it.
    pub(super) fn same(&self, id: &AccountId, resource: Resource) -> Result<Resource, TargetError> {
        if resource.account.id == *id {
            return Ok(resource);
        }
        Err(TargetError::Malformed {
            detail: "the answer shows another account than the one asked for".into(),
        })
    }
}

/// A list as it came; what is no object in it is `None`.
pub(crate) struct ListResponse {
    total: Option<u64>,
    resources: Vec<Option<JsonObject>>,
}

impl ListResponse {
    /// `None` for what is no list: it must say how many there are, or show some. An empty list may lack
    /// `Resources` \[sample\].
    pub(crate) fn read(body: &JsonObject) -> Option<Self> {
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

/// Adds a query. A space is written as `%20`: not everybody reads `+` as one.
fn with_query(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(pairs);
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
    url
}
