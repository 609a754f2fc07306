//! A scope of one group that lists all users, as OpenLDAP's groups do.

use anyhow::ensure;
use end_to_end::{GroupEntry, TestConfiguration};

use crate::company::BenchmarkCompany;
use crate::figure::{FigureTarget, Figures, millis};

const USERS: usize = 100_000;

/// Measures a full and an incremental scan of such a group.
pub fn measure(rounds: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let company = BenchmarkCompany::in_one_group(USERS)?;
    company.save_snapshot_of_all()?;
    company.sync(true)?;
    let (mut ratio, mut full, mut peak, mut nothing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let tool = company.slapd.ldapsearch_all()?;
        let (said, finished) = company.sync(true)?;
        ensure!(said["unchanged"] == USERS && said["mode"] == "full", "{said}");
        ratio.push(finished.duration.as_secs_f64() / tool.as_secs_f64());
        full.push(millis(finished.duration));
        peak.push(finished.peak_rss_kib as f64 / 1024.0);
        let (said, finished) = company.sync(false)?;
        ensure!(said["read"] == 0 && said["mode"] == "incremental", "{said}");
        nothing.push(millis(finished.duration));
    }
    // A changed group leads to a comparison of its members.
    let (admin, group) = (company.slapd.admin(), GroupEntry::of("workplace", []).dn());
    let (mut touched, mut peak_touched) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        admin.set(&group, "description", &[&format!("Round {round}")])?;
        let (said, finished) = company.sync(false)?;
        ensure!(said["complete"] == true && said["mode"] == "incremental", "{said}");
        touched.push(millis(finished.duration));
        peak_touched.push(finished.peak_rss_kib as f64 / 1024.0);
    }
    let name = format!("A group that lists {USERS} members in OpenLDAP");
    let most_memory = Some(FigureTarget::AtMost(64.0));
    figures.add([&name, "full scan, nothing changed", "ms"], &full, None);
    figures.add([&name, "full scan: ratio to ldapsearch", "×"], &ratio, Some(FigureTarget::AtMost(2.0)));
    figures.add([&name, "full scan: peak memory", "MB"], &peak, most_memory);
    figures.add([&name, "incremental scan, no change", "ms"], &nothing, Some(FigureTarget::AtMost(50.0)));
    figures.add([&name, "incremental scan, group changed", "ms"], &touched, None);
    figures.add([&name, "incremental scan, group changed: peak memory", "MB"], &peak_touched, most_memory);
    Ok(())
}

/// The same people, attributes and pages as [`TestConfiguration::scope_all_people`], with the group as the scope.
pub fn by_group(configuration: &mut TestConfiguration) {
    let scope = configuration.scope.clone();
    configuration.scope_all_people();
    configuration.scope = scope;
}
