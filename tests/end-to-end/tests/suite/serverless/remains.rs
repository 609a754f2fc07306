//! Personal data in the table, and what remains after a user has left.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use end_to_end::aws;
use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions};

/// Every item of the table, as text.
fn items(deployment: &DeploymentFixture) -> Vec<(BTreeMap<String, AttributeValue>, String)> {
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
fn record_holds_mapped_values_only_and_shrinks_after_deletion() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
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
    assert!(before.iter().any(|(_, text)| text.contains(&leaver.title)), "mapped values are stored");
    assert!(!before.iter().any(|(_, text)| text.contains("unmapped-and-private")));
    assert!(!before.iter().any(|(_, text)| text.contains(&leaver.dn())), "no DN is stored");

    deployment.slapd.admin().delete(&leaver.dn()).unwrap();
    deployment.scan(json!({}));
    deployment.drain();
    let account = deployment.workplace.account(&leaver.mail).unwrap();
    assert_eq!(account["active"], false);

    // The user name, the account id and the anchor remain, and expire.
    let after = items(&deployment);
    for value in [&leaver.family_name, &leaver.given_name, &leaver.title] {
        let own =
            after.iter().filter(|(_, text)| text.contains(value.as_str()) && text.contains(&leaver.mail));
        assert_eq!(own.count(), 0, "{value} remains");
    }
    let remains: Vec<_> =
        after.iter().filter(|(_, text)| text.to_lowercase().contains(&leaver.mail.to_lowercase())).collect();
    assert!(!remains.is_empty(), "a returning user's account is found");
    let now = runtime::now().0;
    for (item, text) in remains {
        let Some(AttributeValue::N(at)) = item.get("expires_at") else {
            panic!("it does not expire: {text}")
        };
        let days = (at.parse::<i64>().unwrap() - now) / 86_400;
        assert!((6..=7).contains(&days), "it expires in {days} days");
    }
    let history = after.iter().filter(
        |(item, _)| matches!(item.get("SK"), Some(AttributeValue::S(key)) if key.starts_with("event#")),
    );
    let mut events = 0;
    for (item, text) in history {
        let Some(AttributeValue::N(at)) = item.get("expires_at") else {
            panic!("it does not expire: {text}")
        };
        assert!((4..=5).contains(&((at.parse::<i64>().unwrap() - now) / 86_400)), "{text}");
        for person in &deployment.people {
            assert!(!text.contains(&person.family_name) && !text.contains(&person.mail), "{text}");
        }
        events += 1;
    }
    // Twenty creations and one removal; one more event for each user whose manager's account came later.
    assert!(events >= 21, "{events} events");
}
