//! What a scan found, in numbers.

use serde::Serialize;

/// An entry that can't be identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Nameless {
    /// Where it is, as far as that could be read.
    pub dn: String,
    /// What is wrong with it.
    pub why: String,
}

/// What a scan found, in numbers of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScanSummary {
    /// In scope.
    pub read: u64,
    /// As at the last scan.
    pub unchanged: u64,
    /// New or different, and written down.
    pub changed: u64,
    /// Of those, not to be had by the mapping.
    pub unmappable: u64,
    /// Whose user name another entry has.
    pub conflicts: u64,
    /// Who took over the account of an entry that was made anew.
    pub handed_over: u64,
    /// Whose removal was released.
    pub removals: u64,
    /// Whose removal waits for a person.
    pub held: u64,
    /// Whose removal an option stops.
    pub withheld: u64,
    /// Whom the read missed although they are in scope, as a look-up by anchor showed. They are left as they are.
    pub missed: u64,
    /// Entries that came twice.
    pub repeated: u64,
    /// Entries without a usable anchor.
    pub unidentified: u64,
    /// The first of them, for whoever reads the answer. They name persons, so they go into no log and no state.
    #[serde(skip)]
    pub nameless: Vec<Nameless>,
    /// Whether the read saw everybody. If not, nobody was removed.
    pub complete: bool,
    /// Why it did not.
    pub incomplete: Option<String>,
}
