//! Look-up and listing of accounts.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use model::{AccountId, UserName};
use reqwest::{Method, Url};

use super::{Target, users_not_found};
use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::{self, JsonObject};
use crate::parse;
use crate::resource::{AccountPage, Resource};
use crate::transport::{CallFailure, TargetCall};

/// User name that no account can have: `.invalid` is reserved (RFC 2606).
const UNUSED_NAME: &str = "no-account@provisioner.invalid";

impl Target {
    /// Checks URL, token and filter support by looking up a user name that no account can have.
    pub async fn check(&self) -> Result<(), TargetError> {
        if !self.features().await?.filter {
            return self.list(1).await.map(drop);
        }
        let found = self.search("userName", UNUSED_NAME, |_| false).await?;
        if found.resources.is_empty() && found.total.unwrap_or(0) == 0 {
            return Ok(());
        }
        let detail = "a look-up of a user name that no account has finds accounts".to_owned();
        Err(TargetError::Malformed { detail })
    }

    /// Asks the list of accounts for one answer: whether the target serves this client now. An error is one of the
    /// connection, and not of one user.
    pub async fn probe(&self) -> Result<(), TargetError> {
        let features = self.features().await?;
        let filter = format!("userName eq {}", serde_json::Value::from(UNUSED_NAME));
        let query = if features.filter { ("filter", filter.as_str()) } else { ("count", "1") };
        let url = with_query(self.users_url().await?, &[query]);
        match self.transport.call(&TargetCall::new(Method::GET, url).once()).await {
            Ok(ResponseBody::Json(body)) if ListResponse::read(&body).is_some() => Ok(()),
            Ok(other) => Err(TargetError::Malformed { detail: format!("expected a list, received {other}") }),
            Err(CallFailure { error: TargetError::NotFound, .. }) if self.is_listed().await => Ok(()),
            Err(failure) => Err(users_not_found(failure).error),
        }
    }

    /// Account with this user name, compared without case, or with the external id that replaces it. Several matching
    /// accounts are an error.
    pub async fn find_by_user_name(&self, name: &UserName) -> Result<Option<Resource>, TargetError> {
        if let Some(id) = name.external_id() {
            return self.find_by_external_id(id).await;
        }
        let matches =
            |resource: &JsonObject| parse::user_name(resource).is_some_and(|shown| name.is_spelled(shown));
        let found = self.search("userName", name.as_str(), matches).await?;
        self.single_match(found, "userName", matches)
    }

    /// Account with this user name, searched in the list of all accounts, up to a number of pages. For targets that
    /// report the name as taken but compare case in look-ups, contrary to RFC 7643, 4.1.1.
    pub async fn find_by_listing(
        &self,
        name: &UserName,
        pages: usize,
    ) -> Result<Option<Resource>, TargetError> {
        let matches = |resource: &Resource| {
            let shown = resource.account.user_name.as_ref();
            shown.is_some_and(|shown| name.is_spelled(shown))
        };
        let (mut next, mut listed) = (Some(1), ListedAccounts::default());
        for _ in 0..pages {
            let Some(start) = next else { break };
            let page = self.list(start).await?;
            if !listed.has_new(page.resources.iter().map(|resource| resource.account.id.as_str())) {
                break;
            }
            if let Some(found) = page.resources.into_iter().find(matches) {
                return Ok(Some(found));
            }
            next = page.next;
        }
        Ok(None)
    }

    /// Account with this external id. A target that can't filter by external id, as Meta Admin Center \[doc\], finds
    /// none.
    pub async fn find_by_external_id(&self, id: &str) -> Result<Option<Resource>, TargetError> {
        let matches = |resource: &JsonObject| parse::external_id(resource) == Some(id);
        let found = match self.search("externalId", id, matches).await {
            Err(CallFailure {
                status: Some(400 | 405 | 501),
                error: TargetError::Rejected { .. } | TargetError::Unsupported { .. },
                ..
            }) => return Ok(None),
            found => found?,
        };
        self.single_match(found, "externalId", matches)
    }

    /// Reads one account.
    pub async fn fetch(&self, id: &AccountId) -> Result<Resource, TargetError> {
        self.fetch_hiding(id, Vec::new()).await
    }

    /// Reads one account, of which these values are known and must not appear in an error.
    pub(super) async fn fetch_hiding(
        &self,
        id: &AccountId,
        known: Vec<&str>,
    ) -> Result<Resource, TargetError> {
        let call = TargetCall::new(Method::GET, self.user_url(id).await?).redacting(known);
        let body = self.transport.call(&call).await?;
        self.check_id(id, Resource::from_body(self.dialect, body)?).map(Resource::whole)
    }

    /// One page of the list of all accounts; the first page starts at 1.
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

    /// A page as received, the start of the next page, and the total number of accounts.
    async fn page(&self, start: u64) -> Result<(ListResponse, Option<u64>, u64), CallFailure> {
        let count = self.features().await?.page_size;
        let query = [("startIndex", start.to_string()), ("count", count.to_string())];
        let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
        let list = self.fetch_list(with_query(self.users_url().await?, &query), Vec::new()).await?;
        let Some(total) = list.total else {
            let detail = "a list has no totalResults".to_owned();
            return Err(TargetError::Malformed { detail }.into());
        };
        let returned = list.resources.len() as u64;
        let next = start.saturating_add(returned);
        Ok((list, (returned > 0 && next <= total).then_some(next), total))
    }

    /// Resources with this value of an attribute. Only the operator `eq` exists \[doc\]. Without filter support, all
    /// accounts are listed and the matching ones are kept.
    async fn search(
        &self,
        attribute: &str,
        value: &str,
        matches: impl Fn(&JsonObject) -> bool,
    ) -> Result<ListResponse, CallFailure> {
        if !self.features().await?.filter {
            return self.search_all(matches).await;
        }
        // The filter grammar takes a JSON string (RFC 7644, 3.4.2.2).
        let filter = format!("{attribute} eq {}", serde_json::Value::from(value));
        // Some servers return no resources without `count`.
        let count = self.features().await?.page_size.to_string();
        let url = with_query(self.users_url().await?, &[("filter", &filter), ("count", &count)]);
        match self.send_list(url, vec![value]).await {
            Err(CallFailure { error: TargetError::NotFound, .. }) if self.is_listed().await => {
                Ok(ListResponse::empty())
            }
            found => found.map_err(users_not_found),
        }
    }

    /// Whether the list of accounts is served without a filter. Some servers answer a filter that matches no account with
    /// 404; a gateway, or a wrong URL, answers the list so too.
    async fn is_listed(&self) -> bool {
        let Ok(users) = self.users_url().await else { return false };
        self.fetch_list(with_query(users, &[("startIndex", "1"), ("count", "1")]), Vec::new()).await.is_ok()
    }

    async fn search_all(&self, matches: impl Fn(&JsonObject) -> bool) -> Result<ListResponse, CallFailure> {
        let mut found = Vec::new();
        let (mut next, mut listed) = (Some(1), ListedAccounts::default());
        while let Some(start) = next {
            let (list, after, _) = self.page(start).await?;
            let ids: Vec<String> = list.ids().collect();
            if !listed.has_new(ids.iter().map(String::as_str)) {
                break;
            }
            let resources = list.resources.into_iter();
            found.extend(resources.filter(|resource| resource.as_ref().is_some_and(&matches)));
            next = after;
        }
        Ok(ListResponse { total: Some(found.len() as u64), resources: found })
    }

    /// The one matching account. Other results are dropped: a target may ignore the filter.
    fn single_match(
        &self,
        found: ListResponse,
        attribute: &str,
        matches: impl Fn(&JsonObject) -> bool,
    ) -> Result<Option<Resource>, TargetError> {
        let ListResponse { total, resources } = found;
        let is_incomplete = total.is_some_and(|total| total > resources.len() as u64);
        let mut single: Option<Resource> = None;
        for object in resources.into_iter().flatten().filter(matches) {
            let resource = Resource::from_object(self.dialect, object)?;
            if single.as_ref().is_some_and(|single| single.account.id != resource.account.id) {
                return Err(TargetError::Rejected {
                    attribute: Some(attribute.to_owned()),
                    detail: "several accounts at the target have the same value".to_owned(),
                });
            }
            single = Some(resource);
        }
        if single.is_none() && is_incomplete {
            return Err(TargetError::Malformed {
                detail: format!("a look-up by {attribute} returns several accounts, none of them matching"),
            });
        }
        Ok(single)
    }

    async fn fetch_list(&self, url: Url, sent: Vec<&str>) -> Result<ListResponse, CallFailure> {
        self.send_list(url, sent).await.map_err(users_not_found)
    }

    async fn send_list(&self, url: Url, sent: Vec<&str>) -> Result<ListResponse, CallFailure> {
        let call = TargetCall::new(Method::GET, url).redacting(sent);
        let malformed = |received: &dyn fmt::Display| {
            let detail = format!("expected a list, received {received}");
            CallFailure::from(TargetError::Malformed { detail })
        };
        match self.transport.call(&call).await? {
            ResponseBody::Json(body) => ListResponse::read(&body).ok_or_else(|| malformed(&"other JSON")),
            other => Err(malformed(&other)),
        }
    }

    /// The resource, if it is the requested account.
    pub(super) fn check_id(&self, id: &AccountId, resource: Resource) -> Result<Resource, TargetError> {
        if resource.account.id == *id {
            return Ok(resource);
        }
        Err(TargetError::Malformed {
            detail: "the response shows another account than the requested one".into(),
        })
    }
}

/// Accounts of the pages of a list so far, as hashes. A server that shows the same accounts on every page never ends.
#[derive(Debug, Default)]
pub struct ListedAccounts {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl ListedAccounts {
    /// Adds a page; whether one of its accounts was not listed before.
    pub fn has_new<'a>(&mut self, ids: impl Iterator<Item = &'a str>) -> bool {
        let mut is_new = false;
        for id in ids {
            is_new |= self.hashes.insert(self.hasher.hash_one(id));
        }
        is_new
    }
}

/// List as received; elements that are no objects are `None`.
pub(crate) struct ListResponse {
    total: Option<u64>,
    resources: Vec<Option<JsonObject>>,
}

impl ListResponse {
    fn empty() -> Self {
        Self { total: Some(0), resources: Vec::new() }
    }

    fn ids(&self) -> impl Iterator<Item = String> {
        let accounts = self.resources.iter().flatten();
        accounts.filter_map(|account| json::member(account, "id").and_then(json::id))
    }

    /// `None` if the body has neither `totalResults` nor `Resources`. An empty list may lack `Resources` \[sample\].
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

/// Adds a query. A space is written as `%20`, because not every server decodes `+`.
fn with_query(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(pairs);
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
    url
}
