//! What goes wrong in directories, on demand.
//!
//! Real servers do all of this, but not when a test asks them to. Each fault is something after which a read must not count
//! as complete, or must at least not be believed without a safety check.

use std::collections::BTreeMap;
use std::time::Duration;

pub use ldap3_proto::LdapResultCode as ResultCode;

use crate::dn::Key;

/// One way of answering wrongly.
///
/// Pages count from 1. A fault of page 3 does nothing to a search that ends with its second;
/// [`faults_fired`](crate::EmbeddedLdap::faults_fired) tells whether it did something.
#[derive(Debug, Clone, PartialEq)]
pub enum LdapFault {
    /// The connection closes after this many entries of a search, all pages together.
    CutAfterEntries {
        /// How many entries still arrive whole.
        entries: usize,
    },
    /// The connection closes after this many bytes of a search's answers, usually inside a message.
    CutAfterBytes {
        /// How many bytes still arrive.
        bytes: usize,
    },
    /// A page ends with a result code of its own after some of its entries, and the search with it.
    FailPage {
        /// The page that fails.
        page: usize,
        /// How many of its entries are sent first.
        entries: usize,
        /// What the result says: `Busy`, `TimeLimitExceeded`, `InsufficentAccessRights` … `Referral` names another server.
        code: ResultCode,
    },
    /// A page begins with a search result reference: a part of the tree is said to live elsewhere. No entry is left out.
    Referral {
        /// The page that carries it.
        page: usize,
    },
    /// The search succeeds, but knows only the first so many entries: a replica that is behind. Nothing in the protocol gives
    /// it away.
    StaleReplica {
        /// How many entries there seem to be.
        entries: usize,
    },
    /// A page that has successors comes with success and an empty cookie, as if it were the last.
    EndEarly {
        /// The page that seems to be the last.
        page: usize,
    },
    /// A page comes with success but without the paged-results control.
    MissingControl {
        /// The page that lacks it.
        page: usize,
    },
    /// A page's paged-results control holds bytes that are no such value.
    MalformedControl {
        /// The page with the broken control.
        page: usize,
    },
    /// The cookie of a page leads to the same page again, so often, before the search goes on.
    RepeatPage {
        /// The page that comes again.
        page: usize,
        /// How often it comes again; `usize::MAX` for ever.
        times: usize,
    },
    /// Every answer to the search waits.
    Slow {
        /// How long each page takes.
        delay: Duration,
    },
    /// An entry comes without entryUUID, objectGUID and nsUniqueId.
    WithoutUuid {
        /// The entry's name.
        dn: String,
    },
    /// An entry comes with another one's entryUUID, objectGUID and nsUniqueId.
    DuplicateUuid {
        /// The name of the entry that answers with the wrong identity.
        dn: String,
        /// The name of the entry that the identity belongs to.
        of: String,
    },
    /// The first entry of a page is a well-formed message whose inside is not what the protocol says.
    GarbledEntry {
        /// The page it comes in.
        page: usize,
    },
    /// From the search's beginning on, the root DSE is that of another server: a load balancer has switched over. Each search
    /// that the fault applies to brings a further server.
    OtherServer,
    /// The first base-scope read of the search's base, after the search has been answered to its end, is refused.
    BaseUnreadable {
        /// With what; usually `NoSuchObject` or `InsufficentAccessRights`.
        code: ResultCode,
    },
    /// A bind with the right password is refused. This one counts binds, not searches.
    RefuseBind {
        /// With what; an expired password is `InvalidCredentials`.
        code: ResultCode,
    },
}

impl LdapFault {
    /// Only the first search that it applies to.
    pub fn once(self) -> Injection {
        Injection::from(self).times(1)
    }

    /// Only the first so many searches that it applies to.
    pub fn times(self, times: usize) -> Injection {
        Injection::from(self).times(times)
    }

    /// Not before so many searches, that it would have applied to, went well.
    pub fn after(self, searches: usize) -> Injection {
        Injection::from(self).after(searches)
    }

    /// Any search but of the root DSE, not only paged ones over a subtree.
    pub fn on_any_search(self) -> Injection {
        Injection::from(self).on_any_search()
    }
}

/// A fault together with the searches it applies to.
///
/// A plain [`LdapFault`] becomes one that applies to every paged search of subtree scope until
/// [`clear_faults`](crate::EmbeddedLdap::clear_faults); all pages of such a search count as one.
#[derive(Debug, Clone)]
pub struct Injection {
    fault: LdapFault,
    skip: usize,
    left: usize,
    target: Target,
}

/// What is being answered, as far as faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    PagedSubtree,
    AnySearch,
    Bind,
}

impl From<LdapFault> for Injection {
    fn from(fault: LdapFault) -> Injection {
        let target = match fault {
            LdapFault::RefuseBind { .. } => Target::Bind,
            _ => Target::PagedSubtree,
        };
        Injection { fault, skip: 0, left: usize::MAX, target }
    }
}

impl Injection {
    /// Only so many searches.
    pub fn times(mut self, times: usize) -> Injection {
        self.left = times;
        self
    }

    /// Not before so many searches, that it would have applied to, went well.
    pub fn after(mut self, searches: usize) -> Injection {
        self.skip = searches;
        self
    }

    /// Any search but of the root DSE, not only paged ones over a subtree.
    pub fn on_any_search(mut self) -> Injection {
        self.target = Target::AnySearch;
        self
    }

    /// Counts one occasion and says whether the fault applies to it.
    fn take(&mut self, occasion: Target) -> bool {
        let searching = self.target == Target::AnySearch && occasion != Target::Bind;
        if self.target != occasion && !searching {
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

/// The faults in force, and what past ones left behind.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    injections: Vec<Injection>,
    unreadable: BTreeMap<Key, ResultCode>,
    server: usize,
    fired: usize,
}

impl Faults {
    pub(crate) fn inject(&mut self, injection: Injection) {
        self.injections.push(injection);
    }

    /// Forgets everything but the count of what has fired.
    pub(crate) fn clear(&mut self) {
        *self = Faults { fired: self.fired, ..Faults::default() };
    }

    /// The faults of an occasion that begins now.
    pub(crate) fn take(&mut self, occasion: Target) -> Vec<LdapFault> {
        let applying = self.injections.iter_mut().filter_map(|injection| {
            let applies = injection.take(occasion);
            applies.then(|| injection.fault.clone())
        });
        let faults: Vec<LdapFault> = applying.collect();
        if faults.contains(&LdapFault::OtherServer) {
            self.server += 1;
            self.fired += 1;
        }
        faults
    }

    /// Counts effects that clients can see.
    pub(crate) fn note_fired(&mut self, count: usize) {
        self.fired += count;
    }

    pub(crate) fn fired(&self) -> usize {
        self.fired
    }

    /// Which of the servers behind the address is answering; 0 is the one it began with.
    pub(crate) fn server(&self) -> usize {
        self.server
    }

    /// A search has been answered to its end.
    pub(crate) fn search_ended(&mut self, base: &Key, faults: &[LdapFault]) {
        for fault in faults {
            if let LdapFault::BaseUnreadable { code } = fault {
                self.unreadable.insert(base.clone(), code.clone());
            }
        }
    }

    /// Whether this base-scope read is the one to refuse.
    pub(crate) fn refuse_read(&mut self, base: &Key) -> Option<ResultCode> {
        let code = self.unreadable.remove(base)?;
        self.fired += 1;
        Some(code)
    }
}
