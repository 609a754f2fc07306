//! Complete commands to copy, for messages that name the next step.

use std::borrow::Cow;

use runtime::environment;

use crate::args::{ConnectionArgs, DEFAULT_CONFIG, StateLocation};

/// A command of this program on the same connection, quoted for a shell: the words, then `--config` and `--state` where they
/// are not the defaults.
pub fn next_command(arguments: &ConnectionArgs, words: &[&str]) -> String {
    let ConnectionArgs { config, state, json: _, quiet: _ } = arguments;
    let mut command = vec![Cow::Borrowed("provisioner")];
    command.extend(words.iter().map(|word| quoted(word)));
    let is_default = *config == *DEFAULT_CONFIG && environment::variable(environment::CONFIG).is_none();
    if !is_default {
        command.extend(["--config".into(), Cow::Owned(quoted(&config.to_string_lossy()).into_owned())]);
    }
    if let Some(state) = state {
        let state = match state {
            StateLocation::File(file) => file.to_string_lossy().into_owned(),
            StateLocation::DynamoDb(table) => format!("dynamodb:{table}"),
        };
        command.extend(["--state".into(), Cow::Owned(quoted(&state).into_owned())]);
    }
    command.join(" ")
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

/// A message of an engine, with the command in it completed.
pub fn with_command(message: &str, next: impl Fn(&[&str]) -> String) -> String {
    let completed = message.split_once("`provisioner ").and_then(|(before, rest)| {
        let (words, after) = rest.split_once('`')?;
        Some(format!("{before}`{}`{after}", next(&words.split(' ').collect::<Vec<_>>())))
    });
    completed.unwrap_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_the_connection_and_is_quoted_for_a_shell() {
        let arguments = |config: &str, state: Option<&str>| ConnectionArgs {
            config: config.into(),
            state: state.map(|state| state.parse().unwrap()),
            json: true,
            quiet: false,
        };
        for (arguments, words, expected) in [
            (
                arguments("corp.toml", None),
                &["approve", "1f2e"][..],
                "provisioner approve 1f2e --config corp.toml",
            ),
            (
                arguments("my corp.toml", Some("it's.state")),
                &["explain", "cn=Ada, ou=people"],
                r"provisioner explain 'cn=Ada, ou=people' --config 'my corp.toml' --state 'it'\''s.state'",
            ),
            (
                arguments("/etc/corp.toml", Some("dynamodb:users")),
                &["retry", "--failed"],
                "provisioner retry --failed --config /etc/corp.toml --state dynamodb:users",
            ),
            (arguments("a.toml", None), &["explain", ""], "provisioner explain '' --config a.toml"),
            (arguments("a.toml", None), &["explain", "$(x)"], "provisioner explain '$(x)' --config a.toml"),
        ] {
            assert_eq!(next_command(&arguments, words), expected);
        }
    }

    #[test]
    fn default_configuration_is_not_named() {
        let arguments =
            ConnectionArgs { config: "provisioner.toml".into(), state: None, json: false, quiet: false };
        assert_eq!(next_command(&arguments, &["sync"]), "provisioner sync");
    }

    #[test]
    fn command_in_a_message_is_completed() {
        let next = |words: &[&str]| format!("provisioner {} -c x", words.join("-"));
        assert_eq!(with_command("a; `provisioner b c` d", next), "a; `provisioner b-c -c x` d");
        assert_eq!(with_command("no `other` command", next), "no `other` command");
    }
}
