//! Errors in filters.

use std::fmt;

/// Error in a filter, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct FilterError {
    /// Position of the error in characters, from 1.
    pub position: usize,
    /// Problem at the position.
    pub problem: FilterProblem,
}

/// Problem in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterProblem {
    /// The filter is empty.
    Empty,
    /// A condition must begin here.
    NoOpening,
    /// A condition must end here.
    NoClosing,
    /// Text follows the end.
    Trailing,
    /// `&` or `|` without conditions, which match every entry or none.
    NoConditions,
    /// An attribute name is missing.
    NoAttribute,
    /// A comparison is missing after the attribute name.
    NoComparison,
    /// A backslash without two hexadecimal digits.
    BadEscape,
    /// A character that must be escaped in a value.
    Unescaped,
    /// Two consecutive asterisks.
    DoubleAsterisk,
    /// White space between the parts, which the grammar does not allow.
    Space,
    /// Nested too deeply.
    TooDeep,
}

impl fmt::Display for FilterProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the filter is empty",
            Self::NoOpening => "'(' is expected",
            Self::NoClosing => "')' is expected",
            Self::Trailing => "the filter has ended before this; remove a ')' if there is one too many",
            Self::NoConditions => "'&' and '|' need at least one condition in parentheses",
            Self::NoAttribute => "an attribute name is expected",
            Self::NoComparison => "'=', '>=', '<=' or '~=' is expected after the attribute name",
            Self::BadEscape => {
                "'\\' must be followed by two hexadecimal digits; a backslash itself is written \\5c"
            }
            Self::Unescaped => "this must be escaped within a value: '(' as \\28, ')' as \\29, '*' as \\2a",
            Self::DoubleAsterisk => "write one '*' instead of two",
            Self::Space => "there must be no white space between the parts of a filter",
            Self::TooDeep => "the filter is nested too deeply",
        })
    }
}
