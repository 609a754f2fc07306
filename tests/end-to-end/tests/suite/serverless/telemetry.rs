//! Logs and metrics of the functions, without personal data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use simulator::{FaultEffect, TargetFault};

use super::deployment::{DeploymentFixture, DeploymentOptions};

/// Every log line of our own crates.
const LOUD: &str = "info,scan=trace,provision=trace,directory=trace,store=trace,target=trace,queue=trace,runtime=trace,plan=trace";

/// The lines of a log, parsed as JSON.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Sums of the metrics in a log, by name.
fn metrics(lines: &[Value]) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in lines.iter().filter(|line| line.get("_aws").is_some()) {
        assert_eq!(line["Connection"], "corp", "{line}");
        let described = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&described["Namespace"], &described["Dimensions"]),
            (&json!("Provisioner"), &json!([["Deployment", "Connection"]]))
        );
        for metric in described["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(metric["Unit"].is_string(), "{metric}");
            let value = match &line[name] {
                Value::Array(values) => values.iter().filter_map(Value::as_f64).sum(),
                value => value.as_f64().unwrap(),
            };
            *sums.entry(name.to_owned()).or_insert(0.0) += value;
        }
    }
    sums
}

#[test]
fn log_lines_carry_request_connection_and_anchor() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    deployment.workplace.inject(
        TargetFault::always(FaultEffect::status(400)).method("POST").user(&deployment.people[3].mail),
    );
    deployment.scan(json!({ "connection": "corp" }));
    deployment.drain();
    deployment.scan(json!({ "connection": "corp" }));

    let scan = lines(&deployment.functions.log("scan"));
    let provision = lines(&deployment.functions.log("provision"));
    let field = |line: &Value, name: &str| {
        line["spans"].as_array().into_iter().flatten().find_map(|span| span.get(name).cloned())
    };
    let scanned = scan.iter().find(|line| line["message"] == "scan completed").unwrap();
    assert_eq!((field(scanned, "connection"), &scanned["version"]), (Some(json!("corp")), &json!(1)));
    assert!(field(scanned, "request.id").is_some(), "{scanned}");
    assert!(field(scanned, "xray.trace").is_some(), "{scanned}");
    let users: BTreeSet<String> = provision
        .iter()
        .filter(|line| line["message"] == "the provision request was handled")
        .map(|line| {
            assert!(field(line, "request.id").is_some() && field(line, "version").is_some(), "{line}");
            assert_eq!(field(line, "connection"), Some(json!("corp")));
            field(line, "user.anchor").unwrap().to_string()
        })
        .collect();
    assert_eq!(users.len(), 19);

    let of_scan = metrics(&scan);
    // The second scan is incremental and reads no change.
    assert_eq!((of_scan["Scanned"], of_scan["Changed"]), (20.0, 20.0), "{of_scan:?}");
    assert_eq!(of_scan["UsersFailed"], 1.0, "{of_scan:?}");
    for name in ["ScanDuration", "IncompleteReads", "Held", "Skipped", "Conflicts", "BreakerOpen"] {
        assert!(of_scan.contains_key(name), "{name}: {of_scan:?}");
    }
    let of_provision = metrics(&provision);
    assert_eq!((of_provision["Created"], of_provision["Failed"]), (19.0, 1.0), "{of_provision:?}");
    for name in ["TargetLatency", "QueueAge", "BreakerOpen"] {
        assert!(of_provision.contains_key(name), "{name}: {of_provision:?}");
    }
}

#[test]
fn logs_contain_no_personal_data_or_secret() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        environment: vec![("PROVISIONER_LOG", LOUD.to_owned())],
        ..DeploymentOptions::default()
    });
    deployment.workplace.inject(TargetFault::times(3, FaultEffect::status(400)).method("POST"));
    deployment.scan(json!({ "connection": "corp" }));
    deployment.drain();
    let log = format!("{}{}", deployment.functions.log("scan"), deployment.functions.log("provision"))
        .to_lowercase();
    assert!(log.len() > 10_000, "the log is not empty");
    let secret = deployment.slapd.reader_secret();
    for person in &deployment.people[..20] {
        for value in [&person.mail, &person.name()] {
            let value = value.to_lowercase();
            let at = log.find(&value);
            assert_eq!(at, None, "{value}: {}", &log[at.unwrap_or(0)..][..300.min(log.len())]);
        }
    }
    for secret in [secret["password"].as_str().unwrap(), "test-token"] {
        assert!(!log.contains(&secret.to_lowercase()), "a secret is logged");
    }
}
