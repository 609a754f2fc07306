//! A target that nothing is asked of for weeks.

use end_to_end::people;
use simulator::Options;

use crate::workshop::{Workshop, directory_of, pass};

const DAY: i64 = 86_400;

#[tokio::test]
async fn a_target_is_called_before_it_switches_us_off() {
    for (kind, server, calls) in [
        ("workplace", Options::default(), 1),
        ("workplace-v1", Options::v1(), 1),
        ("scim2", Options::scim2(), 0),
    ] {
        let mut people = people::generate(3, 3);
        people.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
        let directory = directory_of(&people).await;
        let mut workshop = Workshop::speaking(&directory, kind, server, "", "").await.patient();
        workshop.scan().await;
        workshop.drive().await;
        workshop.workplace.clear_requests();

        for round in 0..3 {
            // Another process each time, none of which knows what those before it did.
            for day in [10, 20] {
                pass(10 * DAY);
                workshop.restart();
                workshop = workshop.patient();
                workshop.scan().await;
                assert_eq!(workshop.drive().await, 0, "{kind}: day {day} of round {round}");
            }
            pass(10 * DAY + 60);
            workshop.scan().await;
            workshop.drive().await;
            let requests = workshop.workplace.requests();
            assert_eq!(requests.len(), calls, "{kind}: {requests:?}");
            assert!(requests.iter().all(|request| request.method == "GET"), "{kind}: {requests:?}");
            workshop.workplace.clear_requests();
            workshop.scan().await;
            assert_eq!(workshop.drive().await, 0, "{kind}: once is enough");
        }
    }
}
