//! Searches: entries are found once and answered page by page.

use directory::wire::{LdapMessage, SearchScope};

use crate::dn::DnPath;
use crate::entry::EntryId;
use crate::fault::{FaultTarget, LdapFault};
use crate::page::{self, PageAnswer, PageRequest, PagedSearch, search_number};
use crate::request::{PagingRequest, SearchRequest};
use crate::response::{LdapResponse, LdapResultParts, OK, ResultCode};
use crate::root_dse::{self, root_dse};
use crate::selection::AttributeSelection;
use crate::session::{BoundIdentity, ClientSession};

/// Unfinished paged searches of a connection. The oldest is dropped beyond that.
const MAX_SEARCHES: usize = 16;

impl ClientSession {
    /// Answers a search request for the first or a further page.
    pub(crate) fn search(&mut self, request: &SearchRequest) -> LdapResponse {
        let done = |code, text: &str| LdapResponse::search_done(request.id, code, text);
        if let Some(control) = request.unknown_critical_control() {
            let text = format!("the control {} is not supported", control.oid);
            return done(ResultCode::UnavailableCriticalExtension, &text);
        }
        match request.paging() {
            None => self.begin(request, None),
            Some(None) => done(ResultCode::ProtocolError, "the paged-results control is malformed"),
            Some(Some(paging)) if paging.cookie.is_empty() => self.begin(request, Some(paging)),
            Some(Some(paging)) => self.next_page(request, paging),
        }
    }

    fn begin(&mut self, request: &SearchRequest, paging: Option<PagingRequest>) -> LdapResponse {
        let done = |code, text| LdapResponse::search_done(request.id, code, text);
        self.state.count_search();
        let Ok(base) = DnPath::parse(&request.base) else {
            return done(ResultCode::InvalidDnSyntax, "the base is not a DN");
        };
        if base.is_root() && request.scope == SearchScope::Base {
            return self.read_root_dse(request);
        }
        if self.identity == BoundIdentity::Anonymous && !self.state.options.allow_anonymous {
            return done(ResultCode::InsufficientAccessRights, "bind first");
        }
        if request.scope == SearchScope::Base
            && let Some(code) = self.state.faults().refused_read(&base)
        {
            return done(code, "injected");
        }
        let Some(mut found) = self.find(request, &base) else {
            return self.no_such_object(request.id, &base);
        };
        let target = match (&request.scope, &paging) {
            (SearchScope::Subtree, Some(_)) => FaultTarget::PagedSubtree,
            _ => FaultTarget::AnySearch,
        };
        let faults = self.state.faults().take(target);
        for fault in &faults {
            if let LdapFault::HiddenEntry { dn } = fault {
                let hidden = self.state.tree().id_of(dn).ok();
                let visible = found.len();
                found.retain(|id| Some(*id) != hidden);
                self.state.faults().add_fired(visible - found.len());
            }
            if let LdapFault::StaleReplica { entries } = fault
                && found.len() > *entries
            {
                found.truncate(*entries);
                self.state.faults().add_fired(1);
            }
        }
        let limit = self.size_limit(request, paging.is_some());
        let limited = found.len() > limit;
        found.truncate(limit);
        self.last_search = self.last_search.wrapping_add(1);
        let search = PagedSearch::new(self.last_search, found, limited, faults);
        self.answer(request, paging, search)
    }

    /// Matching entries; `None` if the base does not exist.
    fn find(&self, request: &SearchRequest, base: &DnPath) -> Option<Vec<EntryId>> {
        let tree = self.state.tree();
        tree.find(base)?;
        let matching = tree.in_scope(base, request.scope).into_iter();
        Some(matching.filter(|(_, entry)| request.filter.matches(entry, &tree)).map(|(id, _)| id).collect())
    }

    /// The smaller one of the server's and the request's size limit.
    fn size_limit(&self, request: &SearchRequest, paged: bool) -> usize {
        let options = &self.state.options;
        let own = options.size_limit.filter(|_| !(paged && options.size_limit_per_page));
        let requested = Some(request.size_limit).filter(|limit| *limit > 0);
        own.into_iter().chain(requested).min().unwrap_or(usize::MAX)
    }

    fn next_page(&mut self, request: &SearchRequest, paging: PagingRequest) -> LdapResponse {
        let search = search_number(&paging.cookie).and_then(|number| self.searches.remove(&number));
        let Some(search) = search.filter(|search| search.cookie() == paging.cookie) else {
            let text = "the cookie belongs to no search of this connection";
            return LdapResponse::search_done(request.id, ResultCode::UnwillingToPerform, text);
        };
        if paging.size == 0 {
            // A size of 0 abandons the search.
            return LdapResponse::search_done(request.id, ResultCode::Success, "");
        }
        self.answer(request, Some(paging), search)
    }

    fn answer(
        &mut self,
        request: &SearchRequest,
        paging: Option<PagingRequest>,
        mut search: PagedSearch,
    ) -> LdapResponse {
        let options = &self.state.options;
        let cap = options.size_limit.filter(|_| options.size_limit_per_page).unwrap_or(usize::MAX);
        if paging.is_some() {
            self.state.count_page();
        }
        let page_request = PageRequest {
            id: request.id,
            selection: AttributeSelection::new(&request.attributes, request.types_only, options.max_values),
            // A page of 0 entries would never end the search.
            size: paging.map(|paging| paging.size.clamp(1, cap.max(1))),
        };
        let PageAnswer { response, ended, fired } =
            page::answer(&self.state.tree(), &mut search, &page_request);
        let mut faults = self.state.faults();
        faults.add_fired(fired);
        if ended {
            let base = DnPath::parse(&request.base).unwrap_or_else(|_| DnPath::root());
            faults.search_ended(&base, &search.faults);
        }
        drop(faults);
        if !ended && !response.close {
            self.searches.insert(search.number, search);
            if self.searches.len() > MAX_SEARCHES {
                self.searches.pop_first();
            }
        }
        response
    }

    fn no_such_object(&self, id: i32, base: &DnPath) -> LdapResponse {
        let tree = self.state.tree();
        let matched_dn = tree.nearest(base).map_or("", |nearest| nearest.dn.as_str());
        let (code, text) = (ResultCode::NoSuchObject, "the base does not exist");
        let result = LdapResultParts { code, matched_dn, text };
        LdapResponse::message(id, &result.encode(LdapMessage::SEARCH_DONE, &[]))
    }

    fn read_root_dse(&self, request: &SearchRequest) -> LdapResponse {
        let options = &self.state.options;
        let server = self.state.faults().server();
        let entry = root_dse(options, server);
        let mut response = LdapResponse::default();
        if request.filter.matches(&entry, &self.state.tree()) {
            let selection =
                AttributeSelection::new(&request.attributes, request.types_only, options.max_values);
            let answer = selection.project_stored(&entry, root_dse::is_operational);
            response.push(request.id, &answer.encode(), &[]);
        }
        response.push(request.id, &OK.encode(LdapMessage::SEARCH_DONE, &[]), &[]);
        response
    }
}
