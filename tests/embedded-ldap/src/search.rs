//! Answering searches: finding the entries once, then page after page.

use std::io;

use ldap3_proto::proto::LdapOp;
use ldap3_proto::{LdapResultCode, LdapSearchScope};

use crate::dn::Key;
use crate::entry::EntryId;
use crate::fault::{LdapFault, Target};
use crate::output::{Output, result};
use crate::page::{self, Cursor, Page, PageRequest, cursor_number};
use crate::request::{Paging, SearchRequest};
use crate::root_dse::{self, root_dse};
use crate::selection::Selection;
use crate::session::{Session, Who};

/// How many unfinished paged searches a connection may keep; the oldest goes when there are more.
const MAX_CURSORS: usize = 16;

impl Session {
    /// Answers one search request, be it the first of a search or one for a further page.
    pub(crate) fn search(&mut self, request: &SearchRequest) -> io::Result<Output> {
        let id = request.id;
        if let Some(control) = request.unknown_critical_control() {
            let message = format!("the control {} is not supported", control.oid);
            return Output::search_result(id, LdapResultCode::UnavailableCriticalExtension, &message);
        }
        let Ok(paging) = request.paging() else {
            let message = "the value of the paged-results control is malformed";
            return Output::search_result(id, LdapResultCode::ProtocolError, message);
        };
        match paging {
            Some(paging) if !paging.cookie.is_empty() => self.next_page(request, &paging),
            paging => self.begin(request, paging),
        }
    }

    fn begin(&mut self, request: &SearchRequest, paging: Option<Paging>) -> io::Result<Output> {
        let id = request.id;
        self.shared.count_search();
        let Ok(base) = Key::parse(&request.base) else {
            return Output::search_result(id, LdapResultCode::InvalidDNSyntax, "the base is not a DN");
        };
        if base.is_empty() && request.scope == LdapSearchScope::Base {
            return self.read_root_dse(request);
        }
        if self.who == Who::Anonymous && !self.shared.options.allow_anonymous {
            return Output::search_result(id, LdapResultCode::InsufficentAccessRights, "bind first");
        }
        if request.scope == LdapSearchScope::Base
            && let Some(code) = self.shared.faults().refuse_read(&base)
        {
            return Output::search_result(id, code, "injected");
        }
        let Some(found) = self.find(request, &base) else {
            return self.no_such_object(id, &base);
        };
        let occasion = match (&request.scope, &paging) {
            (LdapSearchScope::Subtree, Some(_)) => Target::PagedSubtree,
            _ => Target::AnySearch,
        };
        let faults = self.shared.faults().take(occasion);
        let cursor = self.open(request, paging.is_some(), base, found, faults);
        self.answer(request, paging, cursor)
    }

    /// The entries that match, or nothing when the base isn't there.
    fn find(&self, request: &SearchRequest, base: &Key) -> Option<Vec<EntryId>> {
        let tree = self.shared.tree();
        tree.find(base)?;
        let matching = tree.in_scope(base, &request.scope).into_iter();
        Some(matching.filter(|(_, entry)| request.filter.matches(entry, &tree)).map(|(id, _)| id).collect())
    }

    /// Applies the limits, and the faults that change what there is to find.
    fn open(
        &mut self,
        request: &SearchRequest,
        paged: bool,
        base: Key,
        mut found: Vec<EntryId>,
        faults: Vec<LdapFault>,
    ) -> Cursor {
        for fault in &faults {
            if let LdapFault::StaleReplica { entries } = fault
                && found.len() > *entries
            {
                found.truncate(*entries);
                self.shared.faults().note_fired(1);
            }
        }
        let options = &self.shared.options;
        let own = options.size_limit.filter(|_| !(paged && options.size_limit_per_page));
        let asked = Some(request.size_limit).filter(|limit| *limit > 0);
        let limit = own.into_iter().chain(asked).min().unwrap_or(usize::MAX);
        let limited = found.len() > limit;
        found.truncate(limit);
        self.last_cursor = self.last_cursor.wrapping_add(1);
        Cursor::new(self.last_cursor, base, found, limited, faults)
    }

    fn next_page(&mut self, request: &SearchRequest, paging: &Paging) -> io::Result<Output> {
        let cursor = cursor_number(&paging.cookie).and_then(|number| self.cursors.remove(&number));
        let Some(cursor) = cursor.filter(|cursor| cursor.cookie() == paging.cookie) else {
            let message = "the cookie belongs to no search of this connection";
            return Output::search_result(request.id, LdapResultCode::UnwillingToPerform, message);
        };
        if paging.size == 0 {
            // That is how a client gives a paged search up.
            return Output::search_result(request.id, LdapResultCode::Success, "");
        }
        self.answer(request, Some(paging.clone()), cursor)
    }

    fn answer(
        &mut self,
        request: &SearchRequest,
        paging: Option<Paging>,
        mut cursor: Cursor,
    ) -> io::Result<Output> {
        let options = &self.shared.options;
        let cap = options.size_limit.filter(|_| options.size_limit_per_page).unwrap_or(usize::MAX);
        if paging.is_some() {
            self.shared.count_page();
        }
        let page_request = PageRequest {
            id: request.id,
            selection: Selection::new(&request.attributes, request.types_only, options.max_values),
            // A size of nought asks for no entries but a cookie would never end; one entry a page is as small as it gets.
            size: paging.map(|paging| paging.size.clamp(1, cap.max(1))),
        };
        let Page { output, ended, fired } = page::answer(&self.shared.tree(), &mut cursor, &page_request)?;
        let mut faults = self.shared.faults();
        faults.note_fired(fired);
        if ended {
            faults.search_ended(&cursor.base, &cursor.faults);
        }
        drop(faults);
        if !ended && !output.close {
            self.cursors.insert(cursor.number, cursor);
            if self.cursors.len() > MAX_CURSORS {
                self.cursors.pop_first();
            }
        }
        Ok(output)
    }

    fn no_such_object(&self, id: i32, base: &Key) -> io::Result<Output> {
        let mut answer = result(LdapResultCode::NoSuchObject, "the base does not exist");
        if let Some(nearest) = self.shared.tree().nearest(base) {
            answer.matcheddn = nearest.dn.clone();
        }
        Output::message(id, LdapOp::SearchResultDone(answer))
    }

    fn read_root_dse(&self, request: &SearchRequest) -> io::Result<Output> {
        let options = &self.shared.options;
        let server = self.shared.faults().server();
        let entry = root_dse(&self.shared.options, server);
        let mut output = Output::default();
        if request.filter.matches(&entry, &self.shared.tree()) {
            let selection = Selection::new(&request.attributes, request.types_only, options.max_values);
            let answer = selection.project_stored(&entry, root_dse::is_operational);
            output.push(request.id, LdapOp::SearchResultEntry(answer), Vec::new())?;
        }
        let done = LdapOp::SearchResultDone(result(LdapResultCode::Success, ""));
        output.push(request.id, done, Vec::new())?;
        Ok(output)
    }
}
