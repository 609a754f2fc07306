//! `provisioner demo`: the main job on an embedded company. The directory, the state and the target run in this
//! process; everything between them is the product as it is.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use embedded_ldap::{EmbeddedLdap, company};
use serde_json::json;
use simulator::Simulator;

use scan::ScanMode;

use super::sync::SyncTask;
use super::{plan, sync};
use crate::args::StateLocation;
use crate::exit::Exit;
use crate::report::{FAINT, GOOD, HEADING, paint};
use crate::session::{Connections, Session};

/// All that there is to do each time.
const EVERYTHING: SyncTask<'static> = SyncTask::Everything(ScanMode::Auto);

/// Runs the story.
pub async fn run(out: &mut (impl Write + Send)) -> Result<Exit> {
    let folder = tempfile::tempdir().context("can't make a folder for the demo")?;
    let directory = EmbeddedLdap::start(embedded_ldap::LdapOptions::default()).await?;
    company::populate(&directory)?;
    let target = Simulator::start(simulator::SimulatorOptions::default()).await?;
    settle_accounts(&target);
    let session = open(folder.path(), &directory, &target).await?;

    say(
        out,
        "A company of twelve has an LDAP directory. The members of its group 'workplace' should have accounts.",
    )?;
    say(out, "Two of them have one already, and there is one account that the directory knows nothing of.")?;
    heading(out, "1. The plan (a dry run: nothing is written anywhere)")?;
    plan::run(&session, plan::PlanFiles::default(), false, out).await?;
    heading(out, "2. The plan, applied")?;
    sync::run(&session, EVERYTHING, false, out).await?;

    heading(
        out,
        "3. Things happen: somebody joins, is promoted, marries, is disabled, leaves the group, is deleted",
    )?;
    live(&directory)?;
    plan::run(&session, plan::PlanFiles::default(), false, out).await?;
    heading(out, "4. Applied")?;
    sync::run(&session, EVERYTHING, false, out).await?;

    heading(out, "5. Once more: nothing to do, and no call")?;
    target.clear_requests();
    sync::run(&session, EVERYTHING, false, out).await?;
    let (calls, writes) = (target.request_count(), target.writes().len());
    say(out, &format!("The target saw {calls} calls, {writes} of them writes."))?;
    ensure!(calls == 0, "an unchanged run made {calls} calls");

    heading(out, "6. A bad day: a wrong script empties the group. Nobody is switched off")?;
    disaster(&directory)?;
    let exit = sync::run(&session, EVERYTHING, false, out).await?;
    ensure!(exit == Exit::Held, "the removals were not held");

    let stranger = target.account(STRANGER).context("the stranger's account is gone")?;
    ensure!(stranger.get("active") == Some(&json!(true)), "the stranger's account was touched");
    writeln!(
        out,
        "\n{} the account that was never ours was never touched.",
        paint(GOOD, "That was the demo:")
    )?;
    say(out, "Next: write a configuration (see README.md), then `provisioner check --config FILE`.")?;
    Ok(Exit::Done)
}

/// An account that the directory knows nothing of.
const STRANGER: &str = "visitor@partner.test";

fn settle_accounts(target: &Simulator) {
    let account = |user_name: &str, formatted: &str, title: &str| json!({"userName": user_name, "active": true, "title": title, "name": {"formatted": formatted}});
    target.seed(account("grace@acme.test", "Grace Okafor", "Engineer"));
    target.seed(account("Jose@acme.test", "José Muñoz", "Engineer"));
    target.seed(account(STRANGER, "A Visitor", "Guest"));
}

async fn open(folder: &Path, directory: &EmbeddedLdap, target: &Simulator) -> Result<Session> {
    let bind = embedded_ldap::LdapOptions::default();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text);
    write("directory.json", json!({"bind_dn": bind.bind_dn, "password": bind.password}).to_string())?;
    write("target.json", json!({"access_token": target.token()}).to_string())?;
    let text = include_str!("demo.toml")
        .replace("LDAP_URL", &directory.url())
        .replace("SCIM_URL", &target.url())
        .replace("GROUP_DN", company::WORKPLACE);
    let connection = runtime::config::parse(&text, &folder.join("demo.toml"))?;
    let state = StateLocation::File(folder.join("demo.state"));
    Session::open(Connections::of(connection), &state).await
}

fn live(directory: &EmbeddedLdap) -> Result<()> {
    directory.add_member(company::WORKPLACE, company::WEI)?;
    directory.set(company::GRACE, "title", &["Chief Technology Officer"])?;
    // Zoë marries and moves to another team: another DN, another e-mail address, the same person.
    let moved = format!("cn=Zoë Lindqvist,{}", company::APPS);
    directory.rename(company::ZOE, &moved)?;
    directory.set(&moved, "sn", &["Lindqvist"])?;
    directory.set(&moved, "mail", &["zoe.lindqvist@acme.test"])?;
    directory.set(company::AISHA, "employeeType", &["disabled"])?;
    directory.remove_member(company::WORKPLACE, company::TOMASZ)?;
    directory.delete(company::JOSE)?;
    // Fatima is on leave: in the group, and disabled. Disabled users get inactive accounts here.
    directory.set(company::FATIMA, "employeeType", &["disabled"])?;
    directory.add_member(company::WORKPLACE, company::FATIMA)
}

/// Takes everybody but one out of the group at once, as a wrong script would.
fn disaster(directory: &EmbeddedLdap) -> Result<()> {
    let zoe = format!("cn=Zoë Lindqvist,{}", company::APPS);
    for member in [company::MARGARET, company::GRACE, company::SIOBHAN, company::WEI, &zoe] {
        directory.remove_member(company::WORKPLACE, member)?;
    }
    Ok(())
}

fn heading(out: &mut impl Write, text: &str) -> Result<()> {
    writeln!(out, "\n{}", paint(HEADING, text))?;
    Ok(())
}

fn say(out: &mut impl Write, text: &str) -> Result<()> {
    writeln!(out, "{}", paint(FAINT, text))?;
    Ok(())
}
