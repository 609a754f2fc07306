//! Text from a directory, a target or a foreign file, made safe to show.
//!
//! Control characters can move a terminal's cursor, and format characters can reverse or hide what an approver reads. Each is
//! shown as U+FFFD. Every output passes here: the terminal's in [`crate::output`], pages by [`html_formatter`].

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, Output, State};

/// Characters that change how others are shown: Unicode's bidirectional controls, zero-width characters, line and paragraph
/// separators, and tags.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character is unsafe to show.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || is_format(c)
}

/// One line of text without unsafe characters.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// JSON with unsafe characters escaped. The value stays the same.
pub fn json(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            let mut units = [0; 2];
            clean.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            clean.push(c);
        }
    }
    clean
}

/// Adds the formatter of HTML pages: each value is escaped and has no unsafe characters. Templates are not changed.
pub fn clean_html(environment: &mut Environment<'_>) {
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(html_formatter);
}

fn html_formatter(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str().filter(|text| !value.is_safe() && text.contains(is_unsafe)) {
        Some(text) => minijinja::escape_formatter(out, state, &Value::from(plain(text))),
        None => minijinja::escape_formatter(out, state, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_are_replaced() {
        assert_eq!(plain("a\u{1b}[8mb\nc\u{7f}\u{9b}"), "a\u{fffd}[8mb\u{fffd}c\u{fffd}\u{fffd}");
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200f}', '\u{feff}', '\u{ad}', '\u{e0041}'] {
            assert_eq!(plain(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
        let ordinary = "Zoë Müller-Łukasz 李小龙 שלום عمر 👩 é";
        assert_eq!(plain(ordinary), ordinary);
    }

    #[test]
    fn json_keeps_its_value() {
        for text in ["a\u{202e}b\u{7f}", "tag \u{e0041}", "\u{1b}[8m\n", "Zoë \"1\""] {
            let clean = json(&serde_json::to_string(text).unwrap());
            assert!(!clean.contains(is_unsafe), "{clean}");
            assert_eq!(serde_json::from_str::<String>(&clean).unwrap(), text);
        }
    }

    #[test]
    fn html_values_are_escaped_and_clean() {
        let mut environment = Environment::new();
        clean_html(&mut environment);
        let text = environment
            .render_str("<b>{{ x }}</b>\n{{ n }}", minijinja::context! { x => "<i>\u{202e}", n => 1 });
        assert_eq!(text.unwrap(), "<b>&lt;i&gt;\u{fffd}</b>\n1");
    }
}
