//! `provisioner explain`: all facts about one user, and what would be done.

use std::io::Write;

use anyhow::Result;
use directory::{MembershipPath, ScopeCondition, ScopeConditionKind};
use model::UnixSeconds;
use operate::Explanation;
use plan::mapping::{AttributeExplained, TransformStep, ValueOrigin};
use plan::status::AccountStatus;
use plan::{StatusComparison, StatusExplained};
use provision::{AccountExplanation, AppliedExplanation, AttributeComparison, RecordExplanation, Wait};
use scan::EntryExplanation;

use super::history::line;
use crate::exit::Exit;
use crate::report::{BAD, FAINT, GOOD, HEADING, moment, paint, plain};
use crate::session::Session;

/// Explains one user.
pub async fn run(session: &Session, user: &str, json: bool, out: &mut (impl Write + Send)) -> Result<Exit> {
    let explanation = fetch(session, user).await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&explanation)?)?;
    } else {
        print(&explanation, out)?;
    }
    let is_known = explanation.entry.is_some() || explanation.account.record.is_some();
    Ok(if is_known { Exit::Done } else { Exit::CouldNotRun })
}

/// Explains one user from directory, state and target.
pub async fn fetch(session: &Session, user: &str) -> Result<Explanation> {
    let target = session.connections.target().await?;
    let mut directory = session.connections.directory().await?;
    Ok(operate::explain(&session.account_context(&target), &mut directory, user).await?)
}

fn print(explanation: &Explanation, out: &mut impl Write) -> Result<()> {
    let Explanation { verdict, several, entry, account } = explanation;
    writeln!(out, "{}", paint(HEADING, &plain(verdict)))?;
    several.iter().try_for_each(|anchor| writeln!(out, "  {anchor}"))?;
    if let Some(entry) = entry {
        print_entry(entry, out)?;
    }
    print_account(account, out)
}

fn print_entry(entry: &EntryExplanation, out: &mut impl Write) -> Result<()> {
    let scope = if entry.in_scope { "in scope" } else { "out of scope" };
    writeln!(out, "entry    {} {}", plain(&entry.dn), paint(FAINT, &entry.anchor))?;
    writeln!(out, "         {scope}, {}", entry.says)?;
    if let Some(problem) = &entry.problem {
        writeln!(out, "         {}", paint(BAD, &plain(problem)))?;
    }
    for ScopeCondition { kind, asked, met, how } in &entry.scope {
        let what = match kind {
            ScopeConditionKind::Base => "under the base",
            ScopeConditionKind::UserFilter => "a user:",
            ScopeConditionKind::Filter => "matches",
            ScopeConditionKind::Group => "in the group",
        };
        let path = match how {
            None => String::new(),
            Some(MembershipPath::Direct) => ", directly".to_owned(),
            Some(MembershipPath::Nested(through)) => format!(", through {}", plain(&through.join(" and "))),
            Some(MembershipPath::PrimaryGroup) => ", as the primary group".to_owned(),
        };
        let met = if *met { paint(GOOD, "yes") } else { paint(BAD, "no ") };
        writeln!(out, "scope    {met} {what} {}{path}", plain(asked))?;
    }
    print_status(&entry.status, out)?;
    if let Some(expiry) = &entry.expiry {
        let verdict = match (expiry.expired, &expiry.problem) {
            (_, Some(problem)) => problem.as_str(),
            (Some(true), None) => "expired",
            _ => "not expired",
        };
        writeln!(out, "expiry   {} {}: {verdict}", expiry.attribute, quoted(&expiry.values))?;
    }
    entry.mapping.iter().try_for_each(|attribute| print_attribute(attribute, out))
}

fn print_status(status: &StatusExplained, out: &mut impl Write) -> Result<()> {
    let word = |status: &AccountStatus| match status {
        AccountStatus::Enabled => "enabled",
        AccountStatus::Disabled => "disabled",
    };
    let verdict = match &status.verdict {
        Some(verdict) => word(verdict),
        None => status.problem.as_deref().unwrap_or_default(),
    };
    let compared = match &status.comparison {
        StatusComparison::None => "every entry is".to_owned(),
        StatusComparison::Bits { disabled } => format!("bits {disabled:#x} mean disabled:"),
        StatusComparison::Value { value, means, default } => {
            format!("\"{}\" means {}, no value means {}:", plain(value), word(means), word(default))
        }
    };
    let default = if status.used_default { " (by default)" } else { "" };
    let attribute = status.attribute.as_ref();
    let source = attribute.map(|attribute| format!("{attribute} {}, ", quoted(&status.values)));
    writeln!(out, "status   {}{compared} {verdict}{default}", source.unwrap_or_default())?;
    Ok(())
}

fn print_attribute(explained: &AttributeExplained, out: &mut impl Write) -> Result<()> {
    let result = match &explained.problem {
        Some(problem) => paint(BAD, &plain(problem)),
        None => text(&explained.result),
    };
    writeln!(out, "mapping  {:<28} {result}", explained.attribute.as_str())?;
    let mut notes = match &explained.from {
        ValueOrigin::Attributes(_) => Vec::new(),
        ValueOrigin::Expression(expression) => vec![plain(expression)],
        ValueOrigin::Constant(_) => vec!["a constant".to_owned()],
        ValueOrigin::NameParts => vec!["the parts of the name".to_owned()],
    };
    let sources = explained.sources.iter();
    notes.extend(sources.map(|source| format!("{} {}", source.attribute, quoted(&source.values))));
    notes.extend(explained.steps.iter().map(|step| {
        let word = match step {
            TransformStep::CnFromDn => "the CN",
            TransformStep::UserNameFromEmail => "the part before the @",
            TransformStep::Trim => "trimmed",
            TransformStep::Lower => "in lower case",
            TransformStep::Upper => "in upper case",
        };
        word.to_owned()
    }));
    notes.extend(explained.used_default.then(|| "the default is used".to_owned()));
    notes.extend(explained.create_only.then(|| "at creation only".to_owned()));
    writeln!(out, "         {:<28} {}", "", paint(FAINT, &format!("from {}", notes.join("; "))))?;
    Ok(())
}

fn print_account(explained: &AccountExplanation, out: &mut impl Write) -> Result<()> {
    let AccountExplanation { record, account, attributes, waits, would, target_error, history } = explained;
    record.iter().try_for_each(|record| print_record(record, out))?;
    if let Some(account) = account {
        let active = if account.active { "active" } else { "inactive" };
        writeln!(out, "account  {} {active}", plain(&account.id))?;
        for part in &account.differs {
            writeln!(out, "         {:<28} {} → {}", part.attribute, text(&part.from), text(&part.to))?;
        }
    }
    if let Some(error) = target_error {
        writeln!(out, "target   {}", paint(BAD, &plain(error)))?;
    }
    print_comparison(attributes, out)?;
    for Wait { what: _, why, approve, until } in waits {
        let until = until.map(|at| format!(", until {}", moment(UnixSeconds(at)))).unwrap_or_default();
        let approve = approve.as_ref().map(|hash| format!("; to approve: provisioner approve {hash}"));
        writeln!(out, "waits    {}{until}{}", plain(why), approve.unwrap_or_default())?;
    }
    let next = if would.is_empty() { "nothing".to_owned() } else { plain(&would.join("; then ")) };
    writeln!(out, "would    {next}")?;
    history.iter().try_for_each(|event| writeln!(out, "history  {}", line(event)))?;
    Ok(())
}

fn print_record(record: &RecordExplanation, out: &mut impl Write) -> Result<()> {
    let account = record.account.as_deref().unwrap_or("none");
    let desired = record.says.map(|says| format!(", desired {says}")).unwrap_or_default();
    writeln!(
        out,
        "record   {}{desired}, account {}, scan {}",
        record.status,
        plain(account),
        record.version
    )?;
    if let Some(why) = &record.why {
        writeln!(out, "         {}", plain(why))?;
    }
    if let Some(at) = record.next_attempt {
        let at = moment(UnixSeconds(at));
        writeln!(out, "         {} failed attempts, next at {at}", record.attempts)?;
    }
    if let Some(AppliedExplanation { user_name, active, as_recorded }) = &record.applied {
        let active = if *active { "active" } else { "inactive" };
        let same = if *as_recorded { "equal to the record" } else { "different from the record" };
        writeln!(out, "applied  {} {active}, {same}", text(user_name))?;
    }
    Ok(())
}

/// Attributes that are not the same on all sides.
fn print_comparison(attributes: &[AttributeComparison], out: &mut impl Write) -> Result<()> {
    let differs =
        |part: &&AttributeComparison| part.directory != part.recorded || part.directory != part.account;
    let differing: Vec<_> = attributes.iter().filter(differs).collect();
    if !differing.is_empty() {
        let heading = "attribute: directory | record | account";
        writeln!(out, "differs  {}", paint(FAINT, heading))?;
    }
    for AttributeComparison { attribute, directory, recorded, account } in differing {
        let sides = [directory, recorded, account].map(text).join(" | ");
        writeln!(out, "         {attribute:<28} {sides}")?;
    }
    Ok(())
}

fn text(value: &Option<String>) -> String {
    value.as_deref().map_or("(empty)".to_owned(), plain)
}

fn quoted(values: &[String]) -> String {
    if values.is_empty() {
        return "(empty)".to_owned();
    }
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{}\"", plain(value))).collect();
    quoted.join(", ")
}
