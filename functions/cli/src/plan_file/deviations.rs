//! Deviations of the present plan from a plan file.

use std::collections::{BTreeMap, BTreeSet};

use explain::ReportItem;
use serde::Serialize;

use super::PlanFile;

/// One deviation.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PlanDeviation {
    /// Anchor of the user, if the deviation is about one.
    pub anchor: Option<String>,
    /// User name to show.
    pub user_name: Option<String>,
    /// What deviates: `configuration`, `target`, `read`, `entry`, `record`, `account` or `plan`.
    pub what: &'static str,
    /// What was planned, and what is planned now.
    pub how: String,
}

/// All deviations; empty if the plan file can be applied.
pub fn deviations(planned: &PlanFile, now: &PlanFile) -> Vec<PlanDeviation> {
    let of_all = |what, how: String| PlanDeviation { anchor: None, user_name: None, what, how };
    let mut deviations = Vec::new();
    if planned.configuration != now.configuration {
        deviations.push(of_all("configuration", "the configuration was changed".to_owned()));
    }
    if planned.target != now.target {
        deviations.push(of_all("target", format!("planned for {}; now {}", planned.target, now.target)));
    }
    if planned.summary.complete != now.summary.complete {
        let word = |complete| if complete { "complete" } else { "incomplete" };
        let [then, now] = [planned, now].map(|plan| word(plan.summary.complete));
        deviations.push(of_all("read", format!("the directory read was {then} then and is {now} now")));
    }
    let [then, now] = [planned, now].map(by_anchor);
    let anchors: BTreeSet<&str> = then.keys().chain(now.keys()).copied().collect();
    for anchor in anchors {
        let [then, now] = [&then, &now].map(|plan| plan.get(anchor).map(Vec::as_slice).unwrap_or_default());
        if then != now {
            let shown = then.iter().chain(now).find_map(|item| item.user_name.clone());
            let how = format!("planned: {}; now: {}", words(then), words(now));
            let user = |what| PlanDeviation {
                anchor: Some(anchor.to_owned()),
                user_name: shown.clone(),
                what,
                how: how.clone(),
            };
            deviations.extend(parts(then, now).into_iter().map(user));
        }
    }
    deviations
}

fn by_anchor(plan: &PlanFile) -> BTreeMap<&str, Vec<&ReportItem>> {
    let mut users: BTreeMap<&str, Vec<&ReportItem>> = BTreeMap::new();
    plan.users.iter().for_each(|item| users.entry(&item.anchor).or_default().push(item));
    users
}

/// The inputs of one user's plan that deviate; the plan itself if the deviation follows from other users.
fn parts(then: &[&ReportItem], now: &[&ReportItem]) -> Vec<&'static str> {
    let [then, now] = [then, now].map(|items| items.first().and_then(|item| item.inputs.as_ref()));
    let (Some(then), Some(now)) = (then, now) else { return vec!["plan"] };
    let sides = [
        ("entry", &then.entry, &now.entry),
        ("record", &then.record, &now.record),
        ("account", &then.account, &now.account),
    ];
    let parts: Vec<_> = sides.iter().filter(|(_, then, now)| then != now).map(|(what, ..)| *what).collect();
    if parts.is_empty() { vec!["plan"] } else { parts }
}

fn words(items: &[&ReportItem]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    let word = |item: &&ReportItem| {
        let changed: Vec<&str> = item.changes.iter().map(|change| change.attribute.as_str()).collect();
        match (&*item.action, changed.is_empty()) {
            ("create" | "create-inactive", _) | (_, true) => item.action.to_string(),
            (action, false) => format!("{action} {}", changed.join(", ")),
        }
    };
    items.iter().map(word).collect::<Vec<_>>().join(", then ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan_file::PlanNumbers;
    use explain::{AttributeChange, PlanInputs};

    fn item(anchor: &str, action: &'static str, to: &str, entry: &str) -> ReportItem {
        let change = AttributeChange {
            attribute: "title".to_owned(),
            from: Some("a".to_owned()),
            to: Some(to.to_owned()),
        };
        let inputs =
            PlanInputs { entry: Some(entry.to_owned()), account: Some("1".to_owned()), record: None };
        ReportItem {
            anchor: anchor.to_owned(),
            user_name: Some(format!("{anchor}@acme.test")),
            dn: None,
            action: action.into(),
            why: "title differs".to_owned(),
            changes: vec![change],
            inputs: Some(inputs),
        }
    }

    fn plan(users: Vec<ReportItem>) -> PlanFile {
        PlanFile {
            format: 1,
            connection: "corp".to_owned(),
            configuration: "c".to_owned(),
            target: "t".to_owned(),
            summary: PlanNumbers {
                read: 3,
                unchanged: 0,
                actions: BTreeMap::new(),
                links: 0,
                complete: true,
                incomplete: None,
                held_changes: None,
            },
            users,
        }
    }

    fn what(then: &PlanFile, now: &PlanFile) -> Vec<(Option<String>, &'static str)> {
        deviations(then, now).into_iter().map(|deviation| (deviation.anchor, deviation.what)).collect()
    }

    #[test]
    fn order_of_users_is_no_deviation() {
        let then = plan(vec![item("a", "update", "b", "1"), item("b", "update", "b", "1")]);
        let now = PlanFile { users: then.users.iter().rev().cloned().collect(), ..then.clone() };
        assert_eq!(deviations(&then, &now), []);
    }

    #[test]
    fn deviation_names_user_and_input() {
        let then = plan(vec![item("a", "update", "b", "1"), item("b", "update", "b", "1")]);
        let user = |anchor: &str, what| vec![(Some(anchor.to_owned()), what)];
        let entry = plan(vec![item("a", "update", "c", "2"), then.users[1].clone()]);
        assert_eq!(what(&then, &entry), user("a", "entry"));
        let mut account = then.clone();
        account.users[1].inputs.as_mut().unwrap().account = Some("2".to_owned());
        assert_eq!(what(&then, &account), user("b", "account"));
        // A masked value deviates by its fingerprint alone.
        let mut record = then.clone();
        record.users[0].inputs.as_mut().unwrap().record = Some("2".to_owned());
        assert_eq!(what(&then, &record), user("a", "record"));
        let held = plan(vec![then.users[0].clone(), item("b", "held", "b", "1")]);
        assert_eq!(what(&then, &held), user("b", "plan"));
    }

    #[test]
    fn user_only_in_one_plan_deviates() {
        let then = plan(vec![item("a", "update", "b", "1")]);
        let now = plan(vec![item("b", "deactivate", "b", "1")]);
        let deviations = deviations(&then, &now);
        assert_eq!(deviations[0].how, "planned: update title; now: nothing");
        assert_eq!(deviations[1].how, "planned: nothing; now: deactivate title");
    }

    #[test]
    fn configuration_target_and_incomplete_read_deviate() {
        let then = plan(Vec::new());
        let mut now = PlanFile { configuration: "d".to_owned(), target: "u".to_owned(), ..then.clone() };
        now.summary.complete = false;
        assert_eq!(what(&then, &now), [(None, "configuration"), (None, "target"), (None, "read")]);
    }
}
