//! Start times of the functions, taken from the output of `tests/cold-start`.

use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::figure::{FigureTarget, Figures};

/// Runs `tests/cold-start` and reads its figures.
pub fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let output = Command::new("tests/cold-start").output().context("cannot run tests/cold-start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for line in said.lines() {
        let Some((name, rest)) = line.split_once(": binary ") else { continue };
        let mut numbers = rest.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
        let (Some(size), Some(init), Some(first)) = (numbers.next(), numbers.next(), numbers.next()) else {
            bail!("tests/cold-start said: {line}");
        };
        let at_most = |most: f64| Some(FigureTarget::AtMost(most));
        let group = "Cold start, under Lambda's emulator";
        figures.add([group, &format!("{name}: binary"), "MB"], &[size], at_most(10.0));
        figures.add([group, &format!("{name}: start"), "ms"], &[init], at_most(60.0));
        figures.add(
            [group, &format!("{name}: first invocation after start"), "ms"],
            &[first],
            at_most(150.0),
        );
    }
    Ok(())
}
