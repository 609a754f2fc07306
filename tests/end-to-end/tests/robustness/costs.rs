//! What everything costs in calls, in every dialect, as the target counts them.

use end_to_end::people;
use simulator::Options;

use crate::site::group_dn;
use crate::workshop::{Workshop, directory_of};

/// What Workvivo and Slack demand beyond the others.
const MAPPING: &str = "externalId = \"employeeNumber\"\n\"name.givenName\" = \"givenName\"\n\
                       \"name.familyName\" = \"sn\"\n\"emails.work\" = \"mail\"\n";

/// The calls since the last time, reads and writes.
async fn cost(workshop: &Workshop) -> (usize, usize) {
    workshop.scan().await;
    workshop.drive().await;
    let writes = workshop.workplace.writes().len();
    let reads = workshop.workplace.request_count() - writes;
    workshop.workplace.clear_requests();
    (reads, writes)
}

#[tokio::test]
async fn nothing_costs_more_than_it_must() {
    let without_patch = Options { patch: false, ..Options::scim2() };
    for (kind, server, switching) in [
        ("workplace", Options::default(), (1, 1)),
        ("workplace-v1", Options::v1(), (1, 1)),
        ("scim2", Options::scim2(), (1, 1)),
        // All of the account goes back, so it is read once more.
        ("scim2", without_patch, (2, 1)),
        ("workvivo", Options::workvivo(), (1, 1)),
        ("slack", Options { patch_removes: true, ..Options::slack() }, (1, 1)),
    ] {
        let mut people = people::generate(3, 3);
        people.iter_mut().for_each(|person| {
            person.employee_type = "active".to_owned();
            person.manager = None;
        });
        let directory = directory_of(&people).await;
        let workshop = Workshop::speaking(&directory, kind, server, "", MAPPING).await;
        // What the server says of itself is not counted: it is asked once.
        workshop.target.check().await.unwrap();
        workshop.workplace.clear_requests();

        let created = cost(&workshop).await;
        assert_eq!(created, (3, 3), "{kind}: a look-up and a creation for each");
        assert_eq!(cost(&workshop).await, (0, 0), "{kind}: nothing has changed");
        directory.set(&people[1].dn(), "telephoneNumber", &["+44 1"]).unwrap();
        assert_eq!(cost(&workshop).await, (0, 0), "{kind}: nothing that is mapped has changed");
        directory.set(&people[1].dn(), "title", &["Poet"]).unwrap();
        let updated = cost(&workshop).await;
        assert_eq!(updated, (1, 1), "{kind}: the account is read, and what differs is sent");
        directory.remove_member(&group_dn(), &people[1].dn()).unwrap();
        let off = cost(&workshop).await;
        assert_eq!(off, switching, "{kind}: switched off");
        directory.add_member(&group_dn(), &people[1].dn()).unwrap();
        let on = cost(&workshop).await;
        assert_eq!(on, (1, 1), "{kind}: switched on, and updated by that");
        println!("{kind}: new {created:?} for 3, update {updated:?}, off {off:?}, on {on:?} (reads, writes)");
    }
}
