//! The answers: given as options, or asked for.

use std::path::Path;

use anyhow::Result;
use directory::ServerDescription;
use scim::Dialect;
use serde_json::json;

use super::prompt::Prompt;
use super::{usage, write_new_private};
use crate::args::InitAnswers;

/// How to reach the directory and sign in.
#[derive(Clone, Debug)]
pub(super) struct DirectoryAnswers {
    pub(super) url: String,
    pub(super) start_tls: bool,
    /// Place of the secret; `None` for an anonymous bind.
    pub(super) secret: Option<String>,
    pub(super) ca: Option<String>,
}

/// Where accounts are.
#[derive(Clone, Debug)]
pub(super) struct TargetAnswers {
    /// Name of the dialect.
    pub(super) kind: String,
    pub(super) url: String,
    pub(super) secret: String,
}

impl TargetAnswers {
    /// A target to which nothing is sent.
    pub(super) fn placeholder() -> Self {
        Self { kind: WORKPLACE.to_owned(), url: WORKPLACE_URL.to_owned(), secret: "file:none".to_owned() }
    }
}

/// The default target.
const WORKPLACE: &str = "workplace";
const WORKPLACE_URL: &str = "https://scim.workplace.com";

/// Asks for the directory. `None`: no address, so the example is wanted.
pub(super) fn directory_answers(
    prompt: &mut Prompt,
    given: &InitAnswers,
    (name, file): (&str, &Path),
) -> Result<Option<DirectoryAnswers>> {
    // Without TLS from the first byte, StartTLS is set, unless the server is on this machine.
    let checked = |url: &str| directory::check_address(url, true).map_err(|error| error.to_string());
    let url = match &given.url {
        Some(url) => url.clone(),
        None if prompt.can_ask() => {
            let question = "1/6  Address of the directory, ldaps://HOST (empty: write an example to edit)";
            prompt.ask(question, None, |url| if url.is_empty() { Ok(()) } else { checked(url) })?
        }
        None => return Err(usage(&"the address of the directory is not given; add --url ldaps://HOST")),
    };
    if url.is_empty() {
        return Ok(None);
    }
    checked(&url).map_err(|problem| usage(&problem))?;
    let start_tls = directory::check_address(&url, false).is_err();
    let secret = match (&given.secret, &given.bind_dn) {
        (Some(secret), _) => Some(secret.clone()),
        (None, Some(bind_dn)) => Some(directory_secret(prompt, bind_dn, (name, file))?),
        (None, None) if prompt.can_ask() => {
            let question = "2/6  DN of the account that reads the directory (empty: anonymous)";
            let bind_dn = prompt.ask(question, None, |_| Ok(()))?;
            if bind_dn.is_empty() { None } else { Some(directory_secret(prompt, &bind_dn, (name, file))?) }
        }
        (None, None) => None,
    };
    Ok(Some(DirectoryAnswers { url, start_tls, secret, ca: given.ca.clone() }))
}

/// Asks for the password and stores it in a file beside the configuration.
fn directory_secret(prompt: &mut Prompt, bind_dn: &str, (name, file): (&str, &Path)) -> Result<String> {
    let place = format!("{name}-directory.json");
    let content = |password: &str| json!({ "bind_dn": bind_dn, "password": password });
    if !prompt.can_ask() {
        let problem = "the password is asked for on a terminal only; name the place of both with --secret, such as --secret file:PATH";
        return Err(usage(&problem));
    }
    stored(prompt, (&place, file), "     Password", content)
}

/// Stores a hidden answer in a file, unless the file exists. Returns the place of the secret.
fn stored(
    prompt: &mut Prompt,
    (place, file): (&str, &Path),
    question: &str,
    content: impl Fn(&str) -> serde_json::Value,
) -> Result<String> {
    let path = file.with_file_name(place);
    if path.exists() {
        prompt.say(format!("     {} exists and is used", path.display()))?;
        return Ok(format!("file:{place}"));
    }
    let answer = prompt.ask_hidden(question)?;
    if !answer.is_empty() {
        write_new_private(&path, &content(&answer).to_string())?;
        prompt.say(format!("     stored in {}, which you alone can read", path.display()))?;
    }
    Ok(format!("file:{place}"))
}

/// The base DN: given, or the server's naming context, which may be changed.
pub(super) fn base_dn(
    prompt: &mut Prompt,
    given: &InitAnswers,
    description: Option<&ServerDescription>,
) -> Result<String> {
    let proposed = description.and_then(|description| description.base_dn.as_deref());
    match (&given.base_dn, proposed) {
        (Some(base_dn), _) => Ok(base_dn.clone()),
        (None, proposed) if prompt.can_ask() => {
            prompt.ask("3/6  DN of the entry under which users are", proposed, checked_dn)
        }
        (None, Some(proposed)) => Ok(proposed.to_owned()),
        (None, None) => Err(usage(&"the base DN is not known; add --base-dn DN")),
    }
}

fn checked_dn(dn: &str) -> Result<(), String> {
    if directory::is_dn(dn) { Ok(()) } else { Err(format!("{dn:?} is no DN, such as dc=corp,dc=example")) }
}

/// The line of the scope.
pub(super) fn scope(prompt: &mut Prompt, given: &InitAnswers) -> Result<String> {
    let checked = |text: &str| match text.starts_with('(') {
        true => directory::check_filter(text).map_err(|error| error.to_string()),
        false => checked_dn(text),
    };
    let text = match (&given.group, &given.filter) {
        (Some(group), _) => group.clone(),
        (None, Some(filter)) => filter.clone(),
        (None, None) if prompt.can_ask() => {
            let question = "4/6  DN of the group of the users to provision, or an LDAP filter in parentheses";
            prompt.ask(question, None, checked)?
        }
        (None, None) => return Err(usage(&"the users are not given; add --group DN or --filter FILTER")),
    };
    checked(&text).map_err(|problem| usage(&problem))?;
    let key = if text.starts_with('(') { "filter" } else { "group" };
    Ok(format!("{key} = {}", json!(text)))
}

/// Asks for the target.
pub(super) fn target_answers(
    prompt: &mut Prompt,
    given: &InitAnswers,
    (name, file): (&str, &Path),
) -> Result<TargetAnswers> {
    let names: Vec<&str> = Dialect::all().map(|dialect| dialect.name).collect();
    let names = names.join(", ");
    let known = |kind: &str| match Dialect::named(kind) {
        Some(_) => Ok(()),
        None => Err(format!("{kind:?} is not one of: {names}")),
    };
    let kind = match &given.target {
        Some(kind) => kind.clone(),
        None if prompt.can_ask() => prompt.ask(&format!("5/6  Target ({names})"), Some(WORKPLACE), known)?,
        None => WORKPLACE.to_owned(),
    };
    known(&kind).map_err(|problem| usage(&problem))?;
    let proposed = (kind == WORKPLACE).then_some(WORKPLACE_URL);
    let checked = |url: &str| scim::check_url(url).map_err(|error| error.to_string());
    let url = match (&given.target_url, proposed) {
        (Some(url), _) => url.clone(),
        (None, proposed) if prompt.can_ask() => {
            prompt.ask("     Its base URL, https://", proposed, checked)?
        }
        (None, Some(proposed)) => proposed.to_owned(),
        (None, None) => return Err(usage(&"the address of the target is not given; add --target-url URL")),
    };
    checked(&url).map_err(|problem| usage(&problem))?;
    let place = format!("{name}-target.json");
    let secret = match &given.target_secret {
        Some(secret) => secret.clone(),
        None if prompt.can_ask() => {
            let question = "6/6  Access token of the target (empty: store it later)";
            stored(prompt, (&place, file), question, |token| json!({ "access_token": token }))?
        }
        None => format!("file:{place}"),
    };
    Ok(TargetAnswers { kind, url, secret })
}
