//! Faults of directories, on demand. After each of them a read must not count as complete, or must not be trusted without a
//! safeguard.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dn::DnPath;
use crate::response::ResultCode;

/// Fault of a server. Pages count from 1.
///
/// A fault of page 3 has no effect on a search of two pages; [`faults_fired`](crate::EmbeddedLdap::faults_fired) tells
/// whether it had one.
#[derive(Debug, Clone, PartialEq)]
pub enum LdapFault {
    /// The connection closes after this many entries of a search, over all pages.
    CutAfterEntries {
        /// Entries that arrive completely.
        entries: usize,
    },
    /// The connection closes after this many bytes of a search's answers, usually inside a message.
    CutAfterBytes {
        /// Bytes that arrive.
        bytes: usize,
    },
    /// A page ends with a result code after some of its entries, and the search with it.
    FailPage {
        /// Page that fails.
        page: usize,
        /// Entries that are sent before.
        entries: usize,
        /// Result code. `Referral` names another server.
        code: ResultCode,
    },
    /// A page begins with a search result reference. All entries are sent too.
    Referral {
        /// Page with the reference.
        page: usize,
    },
    /// The search succeeds with the first entries alone, as on a lagging replica.
    StaleReplica {
        /// Entries that the server knows.
        entries: usize,
    },
    /// An access rule hides an attribute of all entries, or of one.
    HiddenAttribute {
        /// Name of the attribute.
        attribute: String,
        /// DN of the only entry that the rule applies to.
        of: Option<String>,
    },
    /// An access rule hides an entry, or the entry has not been replicated.
    HiddenEntry {
        /// DN of the entry.
        dn: String,
    },
    /// A page before the last has an empty cookie.
    EndEarly {
        /// Page that seems to be the last.
        page: usize,
    },
    /// A page succeeds without the paged-results control.
    MissingControl {
        /// Page without the control.
        page: usize,
    },
    /// The paged-results control of a page can't be decoded.
    MalformedControl {
        /// Page with the malformed control.
        page: usize,
    },
    /// The cookie of a page leads to the same page again.
    RepeatPage {
        /// Page that is repeated.
        page: usize,
        /// Number of repetitions; `usize::MAX` repeats without end.
        times: usize,
    },
    /// Every page is delayed.
    Slow {
        /// Delay of each page.
        delay: Duration,
    },
    /// An entry has no entryUUID, objectGUID and nsUniqueId.
    WithoutUuid {
        /// DN of the entry.
        dn: String,
    },
    /// An entry has the entryUUID, objectGUID and nsUniqueId of another.
    DuplicateUuid {
        /// DN of the entry with the wrong ids.
        dn: String,
        /// DN of the entry that owns the ids.
        of: String,
    },
    /// The first entry of a page is a valid message with invalid content.
    GarbledEntry {
        /// Page of the entry.
        page: usize,
    },
    /// From the start of the search on the root DSE is that of another server, as behind a load balancer. Each affected
    /// search switches to a further server.
    OtherServer,
    /// The first base-scope read of the search's base after the search has ended is refused.
    BaseUnreadable {
        /// Result code, usually `NoSuchObject` or `InsufficientAccessRights`.
        code: ResultCode,
    },
    /// A bind with the right password is refused. It counts binds instead of searches.
    RefuseBind {
        /// Result code; an expired password is `InvalidCredentials`.
        code: ResultCode,
    },
}

impl LdapFault {
    /// Limits the fault to the first matching search.
    pub fn once(self) -> FaultInjection {
        FaultInjection::from(self).times(1)
    }

    /// Limits the fault to the first `times` matching searches.
    pub fn times(self, times: usize) -> FaultInjection {
        FaultInjection::from(self).times(times)
    }

    /// Starts the fault after `searches` matching searches.
    pub fn after(self, searches: usize) -> FaultInjection {
        FaultInjection::from(self).after(searches)
    }

    /// Applies the fault to every search except of the root DSE, instead of paged subtree searches alone.
    pub fn on_any_search(self) -> FaultInjection {
        FaultInjection::from(self).on_any_search()
    }
}

/// Fault with the searches that it applies to.
///
/// A plain [`LdapFault`] applies to every paged subtree search until
/// [`clear_faults`](crate::EmbeddedLdap::clear_faults). All pages of a search count as one.
#[derive(Debug, Clone)]
pub struct FaultInjection {
    fault: LdapFault,
    skip: usize,
    left: usize,
    target: FaultTarget,
}

/// Operation that a fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultTarget {
    PagedSubtree,
    AnySearch,
    Bind,
}

impl From<LdapFault> for FaultInjection {
    fn from(fault: LdapFault) -> Self {
        let target = match fault {
            LdapFault::RefuseBind { .. } => FaultTarget::Bind,
            _ => FaultTarget::PagedSubtree,
        };
        Self { fault, skip: 0, left: usize::MAX, target }
    }
}

impl FaultInjection {
    /// Limits the fault to the first `times` matching searches.
    pub fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }

    /// Starts the fault after `searches` matching searches.
    pub fn after(mut self, searches: usize) -> Self {
        self.skip = searches;
        self
    }

    /// Applies the fault to every search except of the root DSE, instead of paged subtree searches alone.
    pub fn on_any_search(mut self) -> Self {
        self.target = FaultTarget::AnySearch;
        self
    }

    /// Counts an operation and tells whether the fault applies to it.
    fn take(&mut self, operation: FaultTarget) -> bool {
        let any_search = self.target == FaultTarget::AnySearch && operation != FaultTarget::Bind;
        if self.target != operation && !any_search {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let applies = self.left > 0;
        self.left = self.left.saturating_sub(1);
        applies
    }
}

/// Active faults and their lasting effects.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    injections: Vec<FaultInjection>,
    unreadable: BTreeMap<DnPath, ResultCode>,
    server: usize,
    fired: usize,
}

impl ActiveFaults {
    pub(crate) fn inject(&mut self, injection: FaultInjection) {
        self.injections.push(injection);
    }

    /// Removes everything except the count of fired faults.
    pub(crate) fn clear(&mut self) {
        *self = Self { fired: self.fired, ..Self::default() };
    }

    /// Faults of an operation that begins now.
    pub(crate) fn take(&mut self, operation: FaultTarget) -> Vec<LdapFault> {
        let applying = self.injections.iter_mut().filter_map(|injection| {
            let applies = injection.take(operation);
            applies.then(|| injection.fault.clone())
        });
        let faults: Vec<LdapFault> = applying.collect();
        if faults.contains(&LdapFault::OtherServer) {
            self.server += 1;
            self.fired += 1;
        }
        faults
    }

    /// Counts visible effects.
    pub(crate) fn add_fired(&mut self, count: usize) {
        self.fired += count;
    }

    pub(crate) fn fired(&self) -> usize {
        self.fired
    }

    /// Number of the answering server; 0 is the first.
    pub(crate) fn server(&self) -> usize {
        self.server
    }

    /// Applies the faults that follow the end of a search.
    pub(crate) fn search_ended(&mut self, base: &DnPath, faults: &[LdapFault]) {
        for fault in faults {
            if let LdapFault::BaseUnreadable { code } = fault {
                self.unreadable.insert(base.clone(), *code);
            }
        }
    }

    /// Result code for a base-scope read that is to be refused.
    pub(crate) fn refused_read(&mut self, base: &DnPath) -> Option<ResultCode> {
        let code = self.unreadable.remove(base)?;
        self.fired += 1;
        Some(code)
    }
}
