//! `provisioner demo`: the whole flow on an embedded directory, state and target. Nothing else is contacted.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use embedded_ldap::{EmbeddedLdap, company};
use scan::ScanMode;
use serde_json::json;
use simulator::Simulator;

use super::sync::{FirstLoadQuestion, SyncTask};
use super::{plan, sync};
use crate::args::{ConnectionArgs, DEFAULT_CONFIG, StateLocation};
use crate::exit::Exit;
use crate::output::{FAINT, GOOD, HEADING, Output, paint};
use crate::plan_file::write_private;
use crate::session::{Connections, Session};

const ALL: SyncTask<'static> = SyncTask::All(ScanMode::Auto, FirstLoadQuestion::Hold);

/// Runs the demo.
pub async fn run(is_quiet: bool) -> Result<Exit> {
    let arguments =
        ConnectionArgs { config: DEFAULT_CONFIG.into(), state: None, json: false, quiet: is_quiet };
    let output = &mut Output::of(&arguments);
    let folder = tempfile::tempdir().context("can't create a folder for the demo")?;
    let directory = EmbeddedLdap::start(embedded_ldap::LdapOptions::default()).await?;
    company::populate(&directory)?;
    let target = Simulator::start(simulator::SimulatorOptions::default()).await?;
    seed_accounts(&target);
    let session = open((folder.path(), arguments), &directory, &target).await?;

    say(output, "A company of twelve has an LDAP directory. Members of its group 'workplace' get accounts.")?;
    say(output, "Two members have an account already, and one account belongs to no entry.")?;
    heading(output, "1. The plan (a dry run: nothing is written)")?;
    plan::show(&session, plan::PlanFiles::default(), output).await?;
    heading(output, "2. The plan, applied")?;
    sync::synchronise(&session, ALL, output).await?;

    heading(
        output,
        "3. The directory changes: users join, are promoted, renamed, disabled, leave the group, are deleted",
    )?;
    change_directory(&directory)?;
    plan::show(&session, plan::PlanFiles::default(), output).await?;
    heading(output, "4. The changes, applied")?;
    sync::synchronise(&session, ALL, output).await?;

    heading(output, "5. Again: nothing to do, and no call")?;
    target.clear_requests();
    sync::synchronise(&session, ALL, output).await?;
    let (calls, writes) = (target.request_count(), target.writes().len());
    say(output, &format!("The target received {calls} calls, {writes} of them writes."))?;
    ensure!(calls == 0, "an unchanged run made {calls} calls");

    heading(
        output,
        "6. A wrong script empties the group: the removals await an approval, and no account is deactivated",
    )?;
    empty_group(&directory)?;
    let exit = sync::synchronise(&session, ALL, output).await?;
    ensure!(exit == Exit::Held, "the removals do not await an approval");

    let unlinked = target.account(UNLINKED).context("the unlinked account is gone")?;
    ensure!(unlinked.get("active") == Some(&json!(true)), "the unlinked account was changed");
    let end = paint(GOOD, "End of the demo:");
    output.line(format!("\n{end} the account that was never linked was never changed."))?;
    say(output, "Next: write a configuration (see README.md), then `provisioner check --config FILE`.")?;
    Ok(Exit::Done)
}

/// An account without an entry.
const UNLINKED: &str = "visitor@partner.test";

fn seed_accounts(target: &Simulator) {
    let account = |user_name: &str, formatted: &str, title: &str| json!({"userName": user_name, "active": true, "title": title, "name": {"formatted": formatted}});
    target.seed(account("grace@acme.test", "Grace Okafor", "Engineer"));
    target.seed(account("Jose@acme.test", "José Muñoz", "Engineer"));
    target.seed(account(UNLINKED, "A Visitor", "Guest"));
}

async fn open(
    (folder, arguments): (&Path, ConnectionArgs),
    directory: &EmbeddedLdap,
    target: &Simulator,
) -> Result<Session> {
    let bind = embedded_ldap::LdapOptions::default();
    let write = |name: &str, text: String| write_private(&folder.join(name), &text);
    write("directory.json", json!({"bind_dn": bind.bind_dn, "password": bind.password}).to_string())?;
    write("target.json", json!({"access_token": target.token()}).to_string())?;
    let text = include_str!("demo.toml")
        .replace("LDAP_URL", &directory.url())
        .replace("SCIM_URL", &target.url())
        .replace("GROUP_DN", company::WORKPLACE);
    let connection = runtime::config::parse(&text, &folder.join("demo.toml"))?;
    let state = StateLocation::File(folder.join("demo.state"));
    Session::open(Connections::of(connection, arguments), &state).await
}

fn change_directory(directory: &EmbeddedLdap) -> Result<()> {
    directory.add_member(company::WORKPLACE, company::WEI)?;
    directory.set(company::GRACE, "title", &["Chief Technology Officer"])?;
    // Zoë's entry gets another DN, name and e-mail address, and keeps its anchor.
    let moved = format!("cn=Zoë Lindqvist,{}", company::APPS);
    directory.rename(company::ZOE, &moved)?;
    directory.set(&moved, "sn", &["Lindqvist"])?;
    directory.set(&moved, "mail", &["zoe.lindqvist@acme.test"])?;
    directory.set(company::AISHA, "employeeType", &["disabled"])?;
    directory.remove_member(company::WORKPLACE, company::TOMASZ)?;
    directory.delete(company::JOSE)?;
    // Fatima's entry is in the group and disabled: the account is created inactive.
    directory.set(company::FATIMA, "employeeType", &["disabled"])?;
    directory.add_member(company::WORKPLACE, company::FATIMA)
}

/// Removes all members but one from the group.
fn empty_group(directory: &EmbeddedLdap) -> Result<()> {
    let zoe = format!("cn=Zoë Lindqvist,{}", company::APPS);
    for member in [company::MARGARET, company::GRACE, company::SIOBHAN, company::WEI, &zoe] {
        directory.remove_member(company::WORKPLACE, member)?;
    }
    Ok(())
}

fn heading(output: &mut Output, text: &str) -> Result<()> {
    Ok(output.line(format!("\n{}", paint(HEADING, text)))?)
}

fn say(output: &mut Output, text: &str) -> Result<()> {
    Ok(output.line(paint(FAINT, text))?)
}
