//! What can be wrong with a filter, in words for whoever wrote it.

use std::fmt;

/// Why a filter can't be used, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct FilterError {
    /// The character at which the filter stops making sense, counted from 1.
    pub position: usize,
    /// What is wrong there.
    pub problem: FilterProblem,
}

/// What is wrong with a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterProblem {
    /// There is nothing.
    Empty,
    /// A condition was to begin.
    NoOpening,
    /// A condition was to end.
    NoClosing,
    /// There is more after the end.
    Trailing,
    /// `&` or `|` without conditions: one matches everybody and the other nobody, and neither was meant.
    NoConditions,
    /// No attribute name where one belongs.
    NoAttribute,
    /// No comparison after the attribute name.
    NoComparison,
    /// A backslash that is not followed by two hexadecimal digits.
    BadEscape,
    /// A character that a value holds only in escaped form.
    Unescaped,
    /// Two asterisks in a row.
    DoubleAsterisk,
    /// White space between the parts; this is not in the grammar, though some tools accept it.
    Space,
    /// More levels than anybody can read.
    TooDeep,
}

impl fmt::Display for FilterProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the filter is empty",
            Self::NoOpening => "'(' is expected",
            Self::NoClosing => "')' is expected",
            Self::Trailing => "the filter has ended before this; is there a ')' too many?",
            Self::NoConditions => "'&' and '|' need at least one condition in parentheses",
            Self::NoAttribute => "an attribute name is expected",
            Self::NoComparison => "'=', '>=', '<=' or '~=' is expected after the attribute name",
            Self::BadEscape => {
                "'\\' must be followed by two hexadecimal digits; a backslash itself is written \\5c"
            }
            Self::Unescaped => "this must be escaped within a value: '(' as \\28, ')' as \\29, '*' as \\2a",
            Self::DoubleAsterisk => "one '*' is enough",
            Self::Space => "there must be no white space between the parts of a filter",
            Self::TooDeep => "the filter is nested too deeply",
        })
    }
}
