//! Attributes with several values: which one counts does not move when a value is added.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{TerminalFixture, enabled_people};

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn additional_values_change_no_account() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, &people);
    fixture.settle(0);
    let ids: Vec<u64> = people.iter().map(|person| fixture.id(&person.mail)).collect();

    // Each alias and each title sorts before the one that the accounts have.
    fixture.set_all(&people, "mail", |person| vec![format!("0.{}", person.mail), person.mail.clone()]);
    fixture.set_all(&people, "title", |person| vec!["0".to_owned(), person.title.clone()]);
    for command in [vec!["sync"], vec!["sync", "--full"]] {
        fixture.run(&command).expect_exit(0);
        fixture.expect_no_write();
    }
    let explained = fixture.run(&["explain", &people[0].mail, "--json"]).json().unwrap().to_string();
    assert!(explained.contains(&format!("\"result\":\"{}\"", people[0].mail)), "{explained}");

    // Without the recorded value the other one counts, for the same account.
    fixture.set_all(&people[..1], "mail", |person| vec![format!("0.{}", person.mail)]);
    fixture.settle(0).says("1 updated");
    assert_eq!(fixture.id(&format!("0.{}", people[0].mail)), ids[0]);
    // The old value returns as the alias, and the account stays as it is.
    fixture.set_all(&people[..1], "mail", |person| vec![format!("0.{}", person.mail), person.mail.clone()]);
    fixture.sync().expect_exit(0);
    fixture.expect_no_write();
    assert_eq!(fixture.id(&format!("0.{}", people[0].mail)), ids[0]);
    assert_eq!(fixture.id(&people[1].mail), ids[1]);
}

#[test]
fn rule_chooses_among_several_values() {
    let people = enabled_people(2);
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, &people).configured(|it| {
        it.mapping =
            it.mapping.replace("title = \"title\"", "title = { from = \"title\", prefer = \"*(EN)\" }");
        it.mapping += "nickName = { expression = \"{{ proxyAddresses | replace('SMTP:', '') }}\" }\n";
    });
    let addresses = |primary: &'static str| {
        move |_: &_| {
            let mark =
                |name| if name == primary { format!("SMTP:{name}@x") } else { format!("smtp:{name}@x") };
            [vec!["SIP:ada@x".to_owned()], ["a", "b"].map(mark).into()].concat()
        }
    };
    fixture.set_all(&people, "title", |_| texts(&["Gärtnerin", "Gardener (EN)"]));
    fixture.set_all(&people, "proxyAddresses", addresses("b"));
    fixture.settle(0);
    let account = fixture.account(&people[0].mail);
    assert_eq!((&account["title"], &account["nickName"]), (&"Gardener (EN)".into(), &"b@x".into()));
    // The primary address moves, and so does the value.
    fixture.set_all(&people, "proxyAddresses", addresses("a"));
    fixture.settle(0).says("2 updated");
    assert_eq!(fixture.account(&people[0].mail)["nickName"], "a@x");
}
