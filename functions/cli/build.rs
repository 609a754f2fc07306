//! Sets the commit for `--version`: that of the environment (`PROVISIONER_COMMIT`), else the one that git shows.

use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build has no other input")]
fn main() {
    println!("cargo::rerun-if-env-changed=PROVISIONER_COMMIT");
    let named = std::env::var("PROVISIONER_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = named.or_else(|| {
        // The log of HEAD changes with each commit.
        if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
            println!("cargo::rerun-if-changed={log}");
        }
        git(&["rev-parse", "--short=12", "HEAD"])
    });
    let text = commit.map_or("built without git".to_owned(), |commit| format!("commit {commit}"));
    println!("cargo::rustc-env=PROVISIONER_COMMIT={text}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
