//! Scans of a directory without changes, or with few.

use anyhow::ensure;
use serde_json::Value;

use crate::company::BenchmarkCompany;
use crate::figure::{FigureTarget, Figures, millis};

/// Users that are provisioned first. For more, only the snapshot is saved, which is all that an unchanged scan reads.
const PROVISIONED: usize = 10_000;

/// Measures a directory of this many users.
pub fn measure(users: usize, rounds: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let company = BenchmarkCompany::of(users)?;
    let provisioned = users <= PROVISIONED;
    if !provisioned {
        company.save_snapshot_of_all()?;
    }
    company.sync(true)?;
    company.target.clear_requests();
    unchanged(&company, users, rounds, figures)?;
    nothing_new(&company, users, rounds, figures)?;
    figures.add(
        [&group(users), "calls to the target", ""],
        &[company.target.request_count() as f64],
        Some(FigureTarget::AtMost(0.0)),
    );
    if provisioned {
        some_changed(&company, users, rounds, figures)?;
    }
    Ok(())
}

fn group(users: usize) -> String {
    format!("Scan of {users} users in OpenLDAP")
}

fn units(said: &Value, which: &str) -> f64 {
    said["state"][which].as_f64().unwrap_or(f64::NAN)
}

/// Measures an unchanged full scan, in turns with `ldapsearch`.
fn unchanged(
    company: &BenchmarkCompany,
    users: usize,
    rounds: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (mut tool, mut full, mut cpu, mut peak) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut ratio, mut reads, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let took = millis(company.slapd.ldapsearch_all()?);
        let (said, finished) = company.sync(true)?;
        ensure!(said["unchanged"] == users && said["mode"] == "full", "{said}");
        tool.push(took);
        full.push(millis(finished.duration));
        ratio.push(millis(finished.duration) / took);
        cpu.push(millis(finished.cpu));
        peak.push(finished.peak_rss_kib as f64 / 1024.0);
        reads.push(units(&said, "scan_read_units"));
        writes.push(units(&said, "scan_write_units"));
    }
    let of_all = |most: f64| (users == 100_000).then_some(FigureTarget::AtMost(most));
    let group = group(users);
    figures.add([&group, "ldapsearch, the same entries, attributes and pages", "ms"], &tool, None);
    figures.add([&group, "full scan, nothing changed", "ms"], &full, None);
    figures.add([&group, "full scan: ratio to ldapsearch", "×"], &ratio, of_all(1.3));
    figures.add([&group, "full scan: processor time", "ms"], &cpu, None);
    figures.add([&group, "full scan: peak memory", "MB"], &peak, of_all(64.0));
    figures.add([&group, "full scan: read units", ""], &reads, of_all(500.0));
    figures.add([&group, "full scan: write units", ""], &writes, None);
    Ok(())
}

/// Measures an incremental scan without changes.
fn nothing_new(
    company: &BenchmarkCompany,
    users: usize,
    rounds: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (mut took, mut reads, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (said, finished) = company.sync(false)?;
        ensure!(said["read"] == 0 && said["mode"] == "incremental", "{said}");
        took.push(millis(finished.duration));
        reads.push(units(&said, "scan_read_units"));
        writes.push(units(&said, "scan_write_units"));
    }
    let of_all = |most: f64| (users == 100_000).then_some(FigureTarget::AtMost(most));
    let group = group(users);
    figures.add([&group, "incremental scan, no change", "ms"], &took, of_all(50.0));
    figures.add([&group, "incremental scan, no change: read units", ""], &reads, of_all(10.0));
    figures.add([&group, "incremental scan, no change: write units", ""], &writes, None);
    Ok(())
}

/// Measures an incremental scan with one changed user in a hundred.
fn some_changed(
    company: &BenchmarkCompany,
    users: usize,
    rounds: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (changed, admin) = (users / 100, company.slapd.admin());
    let (mut took, mut reads, mut writes, mut calls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        for person in &company.people[round * changed..(round + 1) * changed] {
            admin.set(&person.dn(), "title", &["Changed"])?;
        }
        company.target.clear_requests();
        let (said, finished) = company.sync(false)?;
        ensure!(said["updated"] == changed, "{said}");
        let each = |total: f64| total / changed as f64;
        took.push(millis(finished.duration));
        reads.push(each(units(&said, "read_units")));
        writes.push(each(units(&said, "write_units")));
        calls.push(each(company.target.request_count() as f64));
    }
    let group = group(users);
    figures.add([&group, "incremental scan and provisioning, 1 % changed", "ms"], &took, None);
    figures.add([&group, "read units per changed user", ""], &reads, None);
    figures.add([&group, "write units per changed user", ""], &writes, None);
    figures.add([&group, "calls per changed user", ""], &calls, None);
    Ok(())
}
