//! First load: users a second, beside what the target's own time allows.

use std::time::Duration;

use anyhow::ensure;

use crate::company::BenchmarkCompany;
use crate::figure::{FigureTarget, Figures};

/// Users, latency of a call in milliseconds, and concurrent users. Larger numbers take longer and give the same
/// answer.
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

/// More rounds take too long, because each starts with a full scan.
const MOST_ROUNDS: usize = 3;

/// Measures each case; the longest has ten thousand users.
pub fn measure(rounds: usize, figures: &mut Figures) -> anyhow::Result<()> {
    for (users, latency, workers) in CASES {
        let loads: Vec<FirstLoad> = (0..rounds.min(MOST_ROUNDS))
            .map(|_| load(users, latency, workers))
            .collect::<anyhow::Result<_>>()?;
        let of = |value: fn(&FirstLoad) -> f64| loads.iter().map(value).collect::<Vec<_>>();
        let group = "First load";
        let name = format!("{users} users, {latency} ms a call, {workers} at once");
        figures.add([group, &name, "users/s"], &of(|load| load.users_a_second), None);
        if latency > 0 {
            let target = (users, latency, workers) == (10_000, 20, 32);
            let share = target.then_some(FigureTarget::AtLeast(85.0));
            figures.add([group, &format!("{name}: share of the ideal"), "%"], &of(|load| load.share), share);
        }
        let most = Some(FigureTarget::AtMost(2.0));
        figures.add([group, &format!("{name}: calls per user"), ""], &of(|load| load.calls_a_user), most);
    }
    Ok(())
}

/// One first load.
struct FirstLoad {
    users_a_second: f64,
    /// What the target's own time would allow, as a part of the time that it took, in percent.
    share: f64,
    calls_a_user: f64,
}

fn load(users: usize, latency: u64, workers: usize) -> anyhow::Result<FirstLoad> {
    let mut company = BenchmarkCompany::without_managers(users)?;
    company
        .configure(|configuration| configuration.target.push_str(&format!("concurrency = {workers}\n")))?;
    company.target.set_latency(Duration::from_millis(latency));
    let (said, _) = company.sync(true)?;
    ensure!(said["created"] == users, "{said}");
    let requests = company.target.requests();
    // From the first call to the last: what goes before is the scan, measured elsewhere.
    let times = requests.iter().map(|request| request.at);
    let (first, last) = (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default());
    let latency = latency as f64 / 1000.0;
    let took = (last - first).as_secs_f64() + latency;
    Ok(FirstLoad {
        users_a_second: users as f64 / took,
        share: latency * requests.len() as f64 / workers as f64 / took * 100.0,
        calls_a_user: requests.len() as f64 / users as f64,
    })
}
