//! A target without requests for weeks.

use end_to_end::{advance_clock, embedded_directory, people};
use scan::ScanMode;
use simulator::SimulatorOptions;

use super::engine::{EngineOptions, engine_for};

const DAY: i64 = 86_400;

#[tokio::test]
async fn idle_target_receives_a_keep_alive() {
    for (kind, server, calls) in [
        ("workplace", SimulatorOptions::default(), 1),
        ("workplace-v1", SimulatorOptions::v1(), 1),
        ("scim2", SimulatorOptions::scim2(), 0),
    ] {
        let mut people = people::generate(3, 3);
        people.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
        let directory = embedded_directory(&people).await.unwrap();
        let mut engine =
            engine_for(&directory, EngineOptions { kind, server, ..EngineOptions::default() }).await;
        engine.sync().await.unwrap();
        engine.workplace.clear_requests();

        for round in 0..3 {
            // A new process for each scan, with nothing but the stored state.
            for day in [10, 20] {
                advance_clock(10 * DAY);
                engine.restart().unwrap();
                engine.scan(ScanMode::Auto).await.unwrap();
                assert_eq!(engine.provision_due().await.unwrap(), 0, "{kind}: day {day} of round {round}");
            }
            advance_clock(10 * DAY + 60);
            engine.sync().await.unwrap();
            let requests = engine.workplace.requests();
            assert_eq!(requests.len(), calls, "{kind}: {requests:?}");
            assert!(requests.iter().all(|request| request.method == "GET"), "{kind}: {requests:?}");
            engine.workplace.clear_requests();
            engine.scan(ScanMode::Auto).await.unwrap();
            assert_eq!(engine.provision_due().await.unwrap(), 0, "{kind}: one call is enough");
        }
    }
}
