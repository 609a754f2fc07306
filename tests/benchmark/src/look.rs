//! How long an administrator waits who only looks, in a company of a hundred thousand of whom nobody is provisioned yet:
//! that is when most users wait for something.

use anyhow::ensure;

use crate::company::BenchmarkCompany;
use crate::figure::{FigureTarget, Figures, millis};

const USERS: usize = 100_000;

/// Measures the terminal's commands, from start to end.
pub fn measure(rounds: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let company = BenchmarkCompany::of(USERS)?;
    company.write_everybody_down()?;
    let (mut status, mut explain, mut history) = (Vec::new(), Vec::new(), Vec::new());
    for person in company.people.iter().step_by(USERS / rounds) {
        for (arguments, measured) in [
            (vec!["status"], &mut status),
            (vec!["explain", &person.mail], &mut explain),
            (vec!["history", &person.mail], &mut history),
        ] {
            let finished = company.run(&arguments)?;
            // Who has work waiting is no failure of the command.
            ensure!(matches!(finished.exit_code, Some(0 | 3)), "{arguments:?} ended with {finished}");
            measured.push(millis(finished.duration));
        }
    }
    let group = format!("A look at {USERS} users, none of them provisioned");
    let most = Some(FigureTarget::AtMost(200.0));
    figures.add(&group, "status", "ms", &status, most);
    figures.add(&group, "explain", "ms", &explain, most);
    figures.add(&group, "history", "ms", &history, None);
    Ok(())
}
