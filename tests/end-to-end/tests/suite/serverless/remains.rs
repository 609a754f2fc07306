//! What the table holds of a person, and what is left of somebody who is gone.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use end_to_end::aws;
use serde_json::json;

use super::deployment::{Deployment, DeploymentOptions};

/// Every item of the table, as text.
fn items(deployment: &Deployment) -> Vec<(BTreeMap<String, AttributeValue>, String)> {
    let config = aws_sdk_dynamodb::config::Builder::from(&aws().sdk_config())
        .endpoint_url(&deployment.state_endpoint)
        .build();
    let scan = Client::from_conf(config).scan().table_name(deployment.table.name()).send();
    let found = deployment.runtime.block_on(scan).unwrap();
    assert_eq!(found.last_evaluated_key, None, "a table this small is one page");
    let items = found.items.unwrap_or_default().into_iter();
    items.map(|item| (item.clone().into_iter().collect(), format!("{item:?}"))).collect()
}

#[test]
fn a_record_holds_only_what_is_mapped_and_shrinks_once_the_user_is_gone() {
    let deployment = Deployment::start(DeploymentOptions {
        configure: |configuration| {
            configuration.more.push_str("[retention]\nleft_days = 7\nhistory_days = 5\n")
        },
        ..DeploymentOptions::default()
    });
    let leaver = &deployment.people[0];
    deployment.slapd.admin().set(&leaver.dn(), "description", &["unmapped-and-private"]).unwrap();
    deployment.scan(json!({}));
    deployment.drain();
    let before = items(&deployment);
    assert!(before.iter().any(|(_, text)| text.contains(&leaver.title)), "what is mapped is there");
    assert!(!before.iter().any(|(_, text)| text.contains("unmapped-and-private")));
    assert!(!before.iter().any(|(_, text)| text.contains(&leaver.dn())), "nobody's DN is kept");

    deployment.slapd.admin().delete(&leaver.dn()).unwrap();
    deployment.scan(json!({}));
    deployment.drain();
    let account = deployment.workplace.account(&leaver.mail).unwrap();
    assert_eq!(account["active"], false);

    // What remains: the name, the account's id and the anchor, each to expire.
    let after = items(&deployment);
    for value in [&leaver.family_name, &leaver.given_name, &leaver.title] {
        let own =
            after.iter().filter(|(_, text)| text.contains(value.as_str()) && text.contains(&leaver.mail));
        assert_eq!(own.count(), 0, "{value} remains");
    }
    let remains: Vec<_> =
        after.iter().filter(|(_, text)| text.to_lowercase().contains(&leaver.mail.to_lowercase())).collect();
    assert!(!remains.is_empty(), "a return finds the account");
    let now = runtime::now().0;
    for (item, text) in remains {
        let Some(AttributeValue::N(at)) = item.get("expires_at") else { panic!("it stays for ever: {text}") };
        let days = (at.parse::<i64>().unwrap() - now) / 86_400;
        assert!((6..=7).contains(&days), "it expires in {days} days");
    }
    let history = after.iter().filter(
        |(item, _)| matches!(item.get("SK"), Some(AttributeValue::S(key)) if key.starts_with("event#")),
    );
    let mut events = 0;
    for (item, text) in history {
        let Some(AttributeValue::N(at)) = item.get("expires_at") else { panic!("it stays for ever: {text}") };
        assert!((4..=5).contains(&((at.parse::<i64>().unwrap() - now) / 86_400)), "{text}");
        for person in &deployment.people {
            assert!(!text.contains(&person.family_name) && !text.contains(&person.mail), "{text}");
        }
        events += 1;
    }
    // Twenty creations and one removal; whoever's manager came later has one more.
    assert!(events >= 21, "{events} events");
}
