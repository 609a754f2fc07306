//! Lines that fit a terminal.

/// Place in a line at which it is folded first, if it is too long. Values from outside contain no control characters.
pub const FOLD: char = '\u{1f}';

/// Indentation of a folded line.
const INDENT: usize = 6;

/// Lines with a command to copy begin like this, and stay whole.
const COMMAND: &str = "  provisioner ";

/// The text in lines of at most this many columns; without a width, each line stays one.
pub fn fitted(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width > 3 * INDENT) else { return text.replace(FOLD, " ") };
    let lines: Vec<String> = text.split('\n').map(|line| fitted_line(line, width)).collect();
    lines.join("\n")
}

fn fitted_line(line: &str, width: usize) -> String {
    if columns(line) <= width || line.starts_with(COMMAND) {
        return line.replace(FOLD, " ");
    }
    let parts: Vec<String> = match line.split_once(FOLD) {
        Some((first, rest)) => vec![wrapped(first, width), wrapped(&format!("{:INDENT$}{rest}", ""), width)],
        None => vec![wrapped(line, width)],
    };
    parts.join("\n")
}

/// Breaks a line at spaces. A longer word is cut into pieces.
fn wrapped(line: &str, width: usize) -> String {
    let own = line.chars().take_while(|c| *c == ' ').count();
    let indent = if own == 0 { INDENT } else { own };
    let (mut text, mut at) = (" ".repeat(own), own);
    let mut is_first = true;
    for word in line.trim_start().split_inclusive(' ') {
        let shown = columns(word.trim_end());
        if !is_first && at + shown > width {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            at = indent;
        }
        is_first = false;
        for (c, is_shown) in characters(word) {
            if is_shown && c != ' ' && at >= width {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                at = indent;
            }
            text.push(c);
            at += usize::from(is_shown);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Number of columns that the text takes, styles left out.
fn columns(text: &str) -> usize {
    characters(text).filter(|(_, is_shown)| *is_shown).count()
}

/// The characters, and whether each is shown: a style begins with an escape character and ends with a letter.
fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut is_style = false;
    text.chars().map(move |c| {
        let was_style = is_style;
        is_style = c == '\u{1b}' || is_style && !c.is_ascii_alphabetic();
        (c, !is_style && !was_style)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_folded_where_it_says_so_and_then_at_spaces() {
        let line = format!("! ada@acme.test   failed{FOLD}target rejects the request: HTTP 400");
        for (width, expected) in [
            (None, "! ada@acme.test   failed target rejects the request: HTTP 400"),
            (Some(61), "! ada@acme.test   failed target rejects the request: HTTP 400"),
            (Some(60), "! ada@acme.test   failed\n      target rejects the request: HTTP 400"),
            (Some(30), "! ada@acme.test   failed\n      target rejects the\n      request: HTTP 400"),
        ] {
            assert_eq!(fitted(&line, width), expected);
        }
    }

    #[test]
    fn no_line_is_longer_than_the_width() {
        let long = "x".repeat(200);
        for text in
            ["Plan: 1 create, 2 update, 4 awaiting approval, 3 in sync", &long, &format!("a {long} b")]
        {
            for width in [20, 33, 80] {
                let fitted = fitted(text, Some(width));
                assert!(fitted.lines().all(|line| line.chars().count() <= width), "{fitted}");
                let joined: String = fitted.chars().filter(|c| !c.is_whitespace()).collect();
                assert_eq!(joined, text.replace(' ', ""));
            }
        }
    }

    #[test]
    fn style_takes_no_column_and_a_command_stays_whole() {
        let styled = "\u{1b}[1m\u{1b}[31mtwelve chars\u{1b}[0m";
        assert_eq!(fitted(&format!("{styled} 12345"), Some(20)), format!("{styled} 12345"));
        let command = "  provisioner approve 41661c54d257 --config corp.toml";
        assert_eq!(fitted(command, Some(30)), command);
    }
}
