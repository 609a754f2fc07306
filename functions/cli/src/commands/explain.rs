//! `provisioner explain`: everything that is known about one user, and what would be done.

use std::io::Write;

use anyhow::Result;
use directory::{MembershipPath, ScopeCondition, ScopeConditionKind};
use model::UnixSeconds;
use operate::explain;
use operate::explanation::{AppliedPart, BesidePart, EntryPart, Explanation, RecordPart, WaitPart};
use plan::mapping::{AttributeExplained, TransformStep, ValueOrigin};
use plan::status::AccountStatus;
use plan::{ExpiryExplained, StatusComparison, StatusExplained};

use super::history::line;
use crate::exit::Exit;
use crate::report::{BAD, FAINT, GOOD, HEADING, moment, paint, plain};
use crate::session::Session;

/// Explains one user.
pub async fn run(session: &Session, user: &str, json: bool, out: &mut (impl Write + Send)) -> Result<Exit> {
    let told = fetch(session, user).await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
    } else {
        print(&told, out)?;
    }
    let is_known = told.entry.is_some() || told.record.is_some();
    Ok(if is_known { Exit::Done } else { Exit::CouldNotRun })
}

/// Everything that is known about one user, as directory, state and target have it now.
pub async fn fetch(session: &Session, user: &str) -> Result<Explanation> {
    let target = session.connections.target().await?;
    let mut directory = session.connections.directory().await?;
    Ok(explain(&session.explaining(&target), &mut directory, user).await?)
}

fn print(told: &Explanation, out: &mut impl Write) -> Result<()> {
    let Explanation {
        verdict,
        entry,
        several,
        record,
        account,
        attributes,
        waits,
        would,
        target_error,
        history,
    } = told;
    writeln!(out, "{}", paint(HEADING, &plain(verdict)))?;
    several.iter().try_for_each(|anchor| writeln!(out, "  {anchor}"))?;
    if let Some(entry) = entry {
        print_entry(entry, out)?;
    }
    if let Some(record) = record {
        print_record(record, out)?;
    }
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
    print_beside(attributes, out)?;
    for WaitPart { what: _, why, approve, until } in waits {
        let until = until.map(|at| format!(", until {}", moment(UnixSeconds(at)))).unwrap_or_default();
        let approve = approve.as_ref().map(|hash| format!("; if that is right: provisioner approve {hash}"));
        writeln!(out, "waits    {}{until}{}", plain(why), approve.unwrap_or_default())?;
    }
    let next = if would.is_empty() { "nothing".to_owned() } else { plain(&would.join("; then ")) };
    writeln!(out, "would    {next}")?;
    history.iter().try_for_each(|event| writeln!(out, "history  {}", line(event)))?;
    Ok(())
}

fn print_entry(entry: &EntryPart, out: &mut impl Write) -> Result<()> {
    let EntryPart { anchor, dn, in_scope, scope, says, problem, status, expiry, mapping } = entry;
    let in_or_out = if *in_scope { "in scope" } else { "out of scope" };
    writeln!(out, "entry    {} {}", plain(dn), paint(FAINT, anchor))?;
    writeln!(out, "         {in_or_out}, {says}")?;
    if let Some(problem) = problem {
        writeln!(out, "         {}", paint(BAD, &plain(problem)))?;
    }
    for ScopeCondition { kind, asked, met, how } in scope {
        let what = match kind {
            ScopeConditionKind::Base => "under the base",
            ScopeConditionKind::UserFilter => "a user:",
            ScopeConditionKind::Filter => "matches",
            ScopeConditionKind::Group => "in the group",
        };
        let how = match how {
            None => String::new(),
            Some(MembershipPath::Direct) => ", directly".to_owned(),
            Some(MembershipPath::Nested(through)) => format!(", through {}", plain(&through.join(" and "))),
            Some(MembershipPath::PrimaryGroup) => ", as the primary group".to_owned(),
        };
        writeln!(out, "scope    {} {what} {}{how}", yes_or_no(*met), plain(asked))?;
    }
    print_status(status, out)?;
    if let Some(ExpiryExplained { attribute, values, expired, problem }) = expiry {
        let verdict = match (expired, problem) {
            (_, Some(problem)) => problem.as_str(),
            (Some(true), None) => "expired",
            _ => "not expired",
        };
        writeln!(out, "expiry   {attribute} {}: {verdict}", several_values(values))?;
    }
    mapping.iter().try_for_each(|attribute| print_attribute(attribute, out))
}

fn print_status(status: &StatusExplained, out: &mut impl Write) -> Result<()> {
    let StatusExplained { attribute, values, comparison, used_default, verdict, problem } = status;
    let word = |status: &AccountStatus| match status {
        AccountStatus::Enabled => "enabled",
        AccountStatus::Disabled => "disabled",
    };
    let verdict = match (verdict, problem) {
        (Some(verdict), _) => word(verdict),
        (None, problem) => problem.as_deref().unwrap_or_default(),
    };
    let compared = match comparison {
        StatusComparison::None => "everybody counts as".to_owned(),
        StatusComparison::Bits { disabled } => format!("bits {disabled:#x} mean disabled:"),
        StatusComparison::Value { value, means, default } => {
            format!("\"{}\" means {}, nothing means {}:", plain(value), word(means), word(default))
        }
    };
    let default = if *used_default { " (by default)" } else { "" };
    match attribute {
        None => writeln!(out, "status   {compared} {verdict}")?,
        Some(attribute) => {
            writeln!(out, "status   {attribute} {}, {compared} {verdict}{default}", several_values(values))?;
        }
    }
    Ok(())
}

fn print_attribute(explained: &AttributeExplained, out: &mut impl Write) -> Result<()> {
    let AttributeExplained {
        attribute,
        from,
        sources,
        steps,
        default: _,
        used_default,
        create_only,
        masked: _,
        result,
        problem,
    } = explained;
    let result = match problem {
        Some(problem) => paint(BAD, &plain(problem)),
        None => text(result),
    };
    writeln!(out, "mapping  {:<28} {result}", attribute.as_str())?;
    let mut notes = match from {
        ValueOrigin::Attributes(_) => Vec::new(),
        ValueOrigin::Expression(expression) => vec![plain(expression)],
        ValueOrigin::Constant(_) => vec!["the same for everybody".to_owned()],
        ValueOrigin::NameParts => vec!["made of the parts of the name".to_owned()],
    };
    notes.extend(
        sources.iter().map(|source| format!("{} {}", source.attribute, several_values(&source.values))),
    );
    notes.extend(steps.iter().map(|step| {
        let word = match step {
            TransformStep::CnFromDn => "the CN is taken",
            TransformStep::UserNameFromEmail => "the part before the @ is taken",
            TransformStep::Trim => "trimmed",
            TransformStep::Lower => "in lower case",
            TransformStep::Upper => "in upper case",
        };
        word.to_owned()
    }));
    notes.extend(used_default.then(|| "the default stands in".to_owned()));
    notes.extend(create_only.then(|| "at creation only".to_owned()));
    writeln!(out, "         {:<28} {}", "", paint(FAINT, &format!("from {}", notes.join("; "))))?;
    Ok(())
}

fn print_record(record: &RecordPart, out: &mut impl Write) -> Result<()> {
    let RecordPart { anchor: _, status, why, version, says, attempts, next_attempt, account, applied } =
        record;
    let account = account.as_deref().unwrap_or("none");
    let says = says.map(|says| format!(", to be {says}")).unwrap_or_default();
    writeln!(out, "record   {status}{says}, account {}, scan {version}", plain(account))?;
    if let Some(why) = why {
        writeln!(out, "         {}", plain(why))?;
    }
    if let Some(at) = next_attempt {
        writeln!(out, "         tried {attempts} times, again at {}", moment(UnixSeconds(*at)))?;
    }
    if let Some(AppliedPart { user_name, active, as_recorded }) = applied {
        let active = if *active { "active" } else { "inactive" };
        let as_recorded =
            if *as_recorded { "as the last scan wrote it" } else { "not as the last scan wrote it" };
        writeln!(out, "applied  {} {active}, {as_recorded}", text(user_name))?;
    }
    Ok(())
}

/// What is not the same on all sides. The rest stands under the mapping.
fn print_beside(attributes: &[BesidePart], out: &mut impl Write) -> Result<()> {
    let differs = |part: &&BesidePart| part.directory != part.recorded || part.directory != part.account;
    let mut differing = attributes.iter().filter(differs).peekable();
    if differing.peek().is_some() {
        writeln!(
            out,
            "beside   {}",
            paint(FAINT, "attribute: the directory now | the last scan | the account")
        )?;
    }
    for BesidePart { attribute, directory, recorded, account } in differing {
        let sides = [directory, recorded, account].map(text).join(" | ");
        writeln!(out, "         {attribute:<28} {sides}")?;
    }
    Ok(())
}

fn yes_or_no(met: bool) -> String {
    if met { paint(GOOD, "yes") } else { paint(BAD, "no ") }
}

fn text(value: &Option<String>) -> String {
    value.as_deref().map_or("(empty)".to_owned(), plain)
}

fn several_values(values: &[String]) -> String {
    if values.is_empty() {
        return "(empty)".to_owned();
    }
    let quoted: Vec<String> = values.iter().map(|value| format!("\"{}\"", plain(value))).collect();
    quoted.join(", ")
}
