use model::Entry;

/// One item of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadItem {
    /// User in scope.
    Entry(Entry),
    /// Entry without a readable anchor that may be in scope. It makes the read incomplete, because it may be any user that
    /// is missing.
    Unidentified {
        /// Distinguished name, as far as it is readable. It names a person, so it must not be logged.
        dn: String,
        /// Problem of the entry.
        why: String,
    },
}
