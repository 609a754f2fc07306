//! Two entries with one anchor on different pages of a first load that takes two invocations.

use anyhow::Result;
use end_to_end::{
    EngineFixture, NO_LIMITS, Slapd, SlapdOptions, TestConfiguration, advance_clock, clock, enabled_people,
};
use scan::{ScanContext, ScanMode, ScanSummary};
use simulator::SimulatorOptions;

/// Scans, and runs out of time after the first page.
async fn scan_one_page(engine: &EngineFixture) -> Result<ScanSummary> {
    let context = ScanContext { stop_at: Some(clock().plus(60)), ..engine.context() };
    let mut directory = engine.open_directory().await?;
    let summary = scan::scan(&context, &mut directory, ScanMode::Auto, |_| advance_clock(60)).await?;
    engine.provision_due().await?;
    Ok(summary)
}

async fn scan(engine: &EngineFixture) -> Result<ScanSummary> {
    let summary = engine.scan(ScanMode::Auto).await?;
    engine.provision_due().await?;
    Ok(summary)
}

#[tokio::test]
async fn entries_with_one_anchor_on_different_pages_are_frozen() {
    let mut people = enabled_people(6);
    people[5].employee_number = people[0].employee_number.clone();
    let slapd = Slapd::start(SlapdOptions { people: people.clone(), ..SlapdOptions::default() }).unwrap();
    let mut configuration = TestConfiguration::openldap(&slapd, "");
    configuration.directory += "anchor = \"employeeNumber\"\npage_size = 2\n";
    configuration.scope = "filter = \"(mail=*)\"\n".to_owned();
    configuration.safety = NO_LIMITS.to_owned();
    let server = SimulatorOptions::default();
    let engine = EngineFixture::start(&configuration, &slapd.reader_secret(), server).await.unwrap();

    // The second entry is on the third page, so the first one gets its account.
    let summary = scan_one_page(&engine).await.unwrap();
    assert!(summary.out_of_time && summary.read < 5, "{summary:?}");
    let first = engine.workplace.account(&people[0].mail);
    assert!(first.is_some(), "{summary:?}");

    let summary = scan(&engine).await.unwrap();
    assert_eq!((summary.complete, summary.conflicts, summary.duplicates), (true, 1, 1), "{summary:?}");
    // From now on neither of the two entries changes the account, whichever changes, in any kind of scan.
    for person in [&people[5], &people[0]] {
        slapd.admin().set(&person.dn(), "title", &["Another title"]).unwrap();
        for mode in [ScanMode::Incremental, ScanMode::Full] {
            let summary = engine.scan(mode).await.unwrap();
            engine.provision_due().await.unwrap();
            assert_eq!((summary.complete, summary.conflicts), (true, 1), "{summary:?}");
            assert_eq!(engine.workplace.account(&people[0].mail), first, "{summary:?}");
            assert_eq!(engine.workplace.account(&people[5].mail), None, "{summary:?}");
        }
    }
    assert_eq!(engine.workplace.accounts().len(), 5);
}
