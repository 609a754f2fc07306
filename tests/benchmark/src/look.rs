//! Duration of the terminal's reading commands in a directory of a hundred thousand users without accounts, when most
//! users are pending.

use anyhow::ensure;

use crate::company::BenchmarkCompany;
use crate::figure::{FigureTarget, Figures, millis};

const USERS: usize = 100_000;

/// Measures the terminal's commands, from start to end.
pub fn measure(rounds: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let company = BenchmarkCompany::of(USERS)?;
    company.write_records()?;
    let (mut status, mut explain, mut history) = (Vec::new(), Vec::new(), Vec::new());
    for person in company.people.iter().step_by(USERS / rounds) {
        for (arguments, measured) in [
            (vec!["status"], &mut status),
            (vec!["explain", &person.mail], &mut explain),
            (vec!["history", &person.mail], &mut history),
        ] {
            let finished = company.run(&arguments)?;
            // Exit code 3 means pending users, not a failed command.
            ensure!(matches!(finished.exit_code, Some(0 | 3)), "{arguments:?} ended with {finished}");
            measured.push(millis(finished.duration));
        }
    }
    let group = format!("A look at {USERS} users, none of them provisioned");
    let most = Some(FigureTarget::AtMost(200.0));
    figures.add([&group, "status", "ms"], &status, most);
    figures.add([&group, "explain", "ms"], &explain, most);
    figures.add([&group, "history", "ms"], &history, None);
    Ok(())
}
