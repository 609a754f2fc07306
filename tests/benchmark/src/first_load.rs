//! Everybody is new: how many users a second, beside what the target's own time allows.

use std::time::Duration;

use anyhow::ensure;

use crate::company::Company;
use crate::figure::{Figures, Target};

/// How many users, how long the target takes for a call, and how many are provisioned at once. With more of each the
/// measurement takes longer, not the answer.
const CASES: [(usize, u64, usize); 8] = [
    (500, 0, 1),
    (2_000, 0, 8),
    (100, 20, 1),
    (1_000, 20, 8),
    (10_000, 20, 32),
    (2_000, 20, 64),
    (500, 100, 8),
    (2_000, 100, 64),
];

/// Measures each case once; the longest has ten thousand users.
pub fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    for (users, latency, workers) in CASES {
        let mut company = Company::without_managers(users)?;
        company.configure(|configuration| {
            configuration.target.push_str(&format!("concurrency = {workers}\n"));
        })?;
        company.target.set_latency(Duration::from_millis(latency));
        let (said, _) = company.sync(true)?;
        ensure!(said["created"] == users, "{said}");
        let requests = company.target.requests();
        let calls = requests.len() as f64 / users as f64;
        // From the first call to the last: what goes before is the scan, measured elsewhere.
        let times: Vec<_> = requests.iter().map(|request| request.at).collect();
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { continue };
        let took = (*last - *first).as_secs_f64() + latency as f64 / 1000.0;
        let group = "First load";
        let name = format!("{users} users, {latency} ms a call, {workers} at once");
        figures.add(group, &name, "users/s", &[users as f64 / took], None);
        if latency > 0 {
            let ideal = latency as f64 / 1000.0 * calls * users as f64 / workers as f64;
            let target = (users, latency, workers) == (10_000, 20, 32);
            let share = target.then_some(Target::AtLeast(85.0));
            figures.add(group, &format!("{name}: share of the ideal"), "%", &[ideal / took * 100.0], share);
        }
        figures.add(group, &format!("{name}: calls a user"), "", &[calls], Some(Target::AtMost(2.0)));
    }
    Ok(())
}
