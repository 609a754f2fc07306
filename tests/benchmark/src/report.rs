//! The report: a file for programs, a table, a plot, and the figures that got worse.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, FigureTarget, Figures};

/// Figures of a run, and their context.
#[derive(Debug, Serialize, Deserialize)]
pub struct BenchmarkReport {
    /// The machine.
    machine: String,
    /// Versions of the other programs.
    versions: Vec<String>,
    /// The command that makes them anew.
    command: String,
    figures: Vec<Figure>,
}

impl BenchmarkReport {
    pub fn of(figures: Figures) -> Self {
        let versions =
            [("rustc", "--version"), ("slapd", "-VV"), ("uname", "-sr")].map(|(program, option)| {
                let output = Command::new(program).arg(option).output();
                let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                let line = text.lines().find(|line| !line.is_empty()).unwrap_or("unknown");
                line.trim_matches(|c: char| c == '@' || c == '$' || c.is_whitespace()).to_owned()
            });
        Self {
            machine: machine(),
            versions: versions.into(),
            command: "./tests/bench".to_owned(),
            figures: figures.0,
        }
    }

    /// Writes all files, and prints what is worse than the baseline.
    pub fn finish(&self, out: &Path, baseline: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(out)?;
        fs::write(out.join("result.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(out.join("table.md"), self.table())?;
        fs::write(out.join("growth.svg"), self.plot())?;
        println!("\n{}", self.table());
        for figure in self.figures.iter().filter(|figure| figure.holds() == Some(false)) {
            println!("target missed: {}: {} {}", figure.group, figure.name, figure.shown());
        }
        match fs::read_to_string(baseline) {
            Ok(text) => self.compare(&serde_json::from_str(&text).context("the baseline can't be read")?),
            Err(_) => println!("there is no {} to compare with", baseline.display()),
        }
        Ok(())
    }

    fn compare(&self, before: &Self) {
        if before.machine != self.machine {
            println!(
                "the baseline is another machine's ({}): ratios and units can be compared, times can't",
                before.machine
            );
        }
        let mut worse = 0;
        for figure in &self.figures {
            let same = |other: &&Figure| other.group == figure.group && other.name == figure.name;
            let Some(other) = before.figures.iter().find(same) else { continue };
            if let Some(share) = figure.worse_than(other) {
                worse += 1;
                let percent = share * 100.0;
                println!(
                    "worse by {percent:.0} %: {}: {} {}, was {}",
                    figure.group,
                    figure.name,
                    figure.shown(),
                    other.shown()
                );
            }
        }
        println!(
            "{worse} of {} figures are worse than the baseline's by more than noise",
            self.figures.len()
        );
    }

    fn table(&self) -> String {
        let mut table = String::from("| | measured | target |\n| --- | ---: | ---: |\n");
        let mut group = "";
        for figure in &self.figures {
            if figure.group != group {
                group = &figure.group;
                let _ = writeln!(table, "| **{group}** | | |");
            }
            let target = match figure.target {
                None => String::new(),
                Some(FigureTarget::AtMost(most)) => format!("≤ {most}"),
                Some(FigureTarget::AtLeast(least)) => format!("≥ {least}"),
            };
            let missed = if figure.holds() == Some(false) { " (missed)" } else { "" };
            let _ = writeln!(table, "| {} | {} | {target}{missed} |", figure.name, figure.shown());
        }
        let _ = writeln!(table, "\n`{}` on {}; {}.", self.command, self.machine, self.versions.join("; "));
        table
    }

    /// Time and memory against the number of users, both axes in powers of ten.
    #[expect(clippy::too_many_lines, reason = "a drawing, element by element")]
    fn plot(&self) -> String {
        let points = |ending: &str| -> Vec<(f64, f64)> {
            let of_growth = self.figures.iter().filter(|figure| figure.group.starts_with("Growth"));
            of_growth
                .filter_map(|figure| {
                    let users: f64 = figure.name.strip_suffix(ending)?.parse().ok()?;
                    Some((users, figure.value))
                })
                .collect()
        };
        let times: Vec<(f64, f64)> = points(" users: time per user")
            .iter()
            .map(|(users, each)| (*users, users * each / 1e6))
            .collect();
        let memory = points(" users: peak memory");
        let mut svg = String::from(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 360\" role=\"img\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<title>Time and memory of an unchanged scan by the number of users</title>\n\
             <rect width=\"640\" height=\"360\" fill=\"#fff\"/>\n",
        );
        // From 1,000 to 1,000,000 users, and from 0.1 to 10,000.
        let x = |users: f64| 70.0 + (users.log10() - 3.0) * 170.0;
        let y = |value: f64| 310.0 - (value.max(0.1).log10() + 1.0) * 56.0;
        for power in 3..=6 {
            let at = x(10f64.powi(power));
            let label = ["1,000", "10,000", "100,000", "1,000,000"]
                .get(power as usize - 3)
                .copied()
                .unwrap_or_default();
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.0} 30V310\" stroke=\"#ddd\"/><text x=\"{at:.0}\" y=\"330\" text-anchor=\"middle\">{label}</text>"
            );
        }
        for power in -1..=4 {
            let at = y(10f64.powi(power));
            let _ = writeln!(
                svg,
                "<path d=\"M70 {at:.0}H580\" stroke=\"#ddd\"/><text x=\"62\" y=\"{:.0}\" text-anchor=\"end\">{}</text>",
                at + 4.0,
                10f64.powi(power)
            );
        }
        for (series, colour, name, row) in
            [(&times, "#0550ae", "time, ms", 0.0), (&memory, "#953800", "memory, MB", 20.0)]
        {
            let path: Vec<String> =
                series.iter().map(|(users, value)| format!("{:.0} {:.0}", x(*users), y(*value))).collect();
            if path.is_empty() {
                continue;
            }
            let _ = writeln!(
                svg,
                "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.join("L")
            );
            let _ = writeln!(
                svg,
                "<path d=\"M90 {0:.0}h24\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"122\" y=\"{1:.0}\" fill=\"{colour}\">{name}</text>",
                44.0 + row,
                48.0 + row
            );
        }
        svg.push_str("<text x=\"325\" y=\"352\" text-anchor=\"middle\">users</text>\n</svg>\n");
        svg
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    format!("{cores} cores, {}", model.unwrap_or("unknown processor"))
}
