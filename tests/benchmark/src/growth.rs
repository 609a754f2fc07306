//! Time and memory of a scan as the number of users grows to a million.

use std::env;

use end_to_end::ProgramCall;

use crate::figure::{FigureTarget, Figures, median};

const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Measures the planner with the snapshot, in a process of its own for each size.
pub fn measure(rounds: usize, figures: &mut Figures) -> anyhow::Result<()> {
    const GROUP: &str = "Growth: an unchanged scan of generated users, without directory and target";
    let dir = tempfile::tempdir()?;
    let program = env::current_exe()?;
    let (mut smallest, mut largest) = (0.0, 0.0);
    for users in SIZES {
        let state = dir.path().join(format!("{users}.state"));
        let run = |part: &str| {
            let arguments =
                [part.as_ref(), users.to_string().as_ref(), state.as_os_str()].map(std::ffi::OsStr::to_owned);
            ProgramCall::of(&program, dir.path(), arguments).run()
        };
        let prepared = run("prepare")?;
        anyhow::ensure!(prepared.exit_code == Some(0), "{prepared}");
        let (mut seconds, mut peak) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let finished = run("unchanged")?;
            anyhow::ensure!(finished.exit_code == Some(0), "{finished}");
            seconds.push(finished.json()?["seconds"].as_f64().unwrap_or(f64::NAN) * 1e9 / f64::from(users));
            peak.push(finished.peak_rss_kib as f64 / 1024.0);
        }
        let most = (users == 1_000_000).then_some(FigureTarget::AtMost(100.0));
        figures.add([GROUP, &format!("{users} users: time per user"), "ns"], &seconds, None);
        figures.add([GROUP, &format!("{users} users: peak memory"), "MB"], &peak, most);
        if users == SIZES[0] {
            smallest = median(&peak);
        }
        largest = median(&peak);
    }
    let users = f64::from(SIZES[3] - SIZES[0]);
    let each = (largest - smallest) * 1024.0 * 1024.0 / users;
    figures.add([GROUP, "memory per additional user", "bytes"], &[each], Some(FigureTarget::AtMost(100.0)));
    Ok(())
}
