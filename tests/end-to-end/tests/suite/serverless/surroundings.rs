//! Errors of a function with a missing variable, file or permission.

use end_to_end::{ProxyVerdict, ServiceProxy, aws};
use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions};

const DENIED: &str = "AccessDeniedException";

/// Anchor of no entry.
const ANCHOR: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn missing_variable_is_named() {
    for (variable, functions) in [
        ("PROVISIONER_CONFIG", ["scan", "provision"].as_slice()),
        ("PROVISIONER_TABLE", &["scan", "provision"]),
        ("PROVISIONER_QUEUE_URL_PREFIX", &["scan", "provision"]),
        ("PROVISIONER_DEAD_LETTER_ARN_PREFIX", &["provision"]),
        ("PROVISIONER_PROVISION_FUNCTION", &["scan"]),
    ] {
        let deployment = DeploymentFixture::start(DeploymentOptions {
            environment: vec![(variable, String::new())],
            ..DeploymentOptions::default()
        });
        for function in functions {
            for _ in 0..2 {
                let error =
                    deployment.functions.invoke(function, &json!({ "user": "x" })).unwrap_err().to_string();
                assert!(error.contains("BadEnvironment") && error.contains(variable), "{function}: {error}");
            }
        }
    }
}

#[test]
fn configuration_error_equals_the_terminals() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        configure: |configuration| configuration.target.push_str("\nurll = \"https://x.test\"\n"),
        ..DeploymentOptions::default()
    });
    let checked = deployment.terminal(&["check", "--offline", "--config", "corp.toml"]).run().unwrap();
    assert_eq!(checked.exit_code, Some(2), "{}", checked.stderr);
    let said = checked.stderr.trim().trim_start_matches("error: ").trim_start_matches("corp.toml").to_owned();
    assert!(said.contains("unknown key `urll` in [target]"), "{said}");
    for function in ["scan", "provision"] {
        let error = deployment.functions.invoke(function, &json!({ "user": "x" })).unwrap_err().to_string();
        let error = error.replace("\\\"", "\"");
        assert!(error.contains("BadConfiguration") && error.contains(&said), "{error}\nshould hold {said}");
    }
}

#[test]
fn empty_folder_and_duplicate_connection_are_reported() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    std::fs::copy(deployment.dir.file("corp.toml"), deployment.dir.file("also.toml")).unwrap();
    // The configuration is read at each start.
    assert!(!deployment.functions.kill_one_busy("scan"));
    let empty = tempfile::tempdir().unwrap();
    let elsewhere = DeploymentFixture::start(DeploymentOptions {
        environment: vec![("PROVISIONER_CONFIG", empty.path().display().to_string())],
        ..DeploymentOptions::default()
    });
    let error = elsewhere.failed_scan(json!({}));
    assert!(error.contains("there is no connection in this folder"), "{error}");
    let twice = DeploymentFixture::start(DeploymentOptions {
        environment: vec![("PROVISIONER_CONFIG", deployment.dir.path().display().to_string())],
        ..DeploymentOptions::default()
    });
    let error = twice.failed_scan(json!({}));
    assert!(error.contains("corp.toml, key name") && error.contains("another file"), "{error}");
}

#[test]
fn missing_permission_is_named() {
    let secrets = ServiceProxy::start(aws().endpoint()).unwrap();
    let queue = ServiceProxy::start(aws().endpoint()).unwrap();
    let deployment = DeploymentFixture::start(DeploymentOptions {
        state_proxy: true,
        environment: vec![
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.endpoint().to_owned()),
            ("AWS_ENDPOINT_URL_SQS", queue.endpoint().to_owned()),
        ],
        ..DeploymentOptions::default()
    });
    secrets.rule(|_, _| ProxyVerdict::Fail(400, DENIED));
    let error = deployment.failed_scan(json!({}));
    assert!(error.contains("secretsmanager:GetSecretValue"), "{error}");
    assert!(error.contains(&format!("directory-{}", deployment.number)), "{error}");
    let error =
        deployment.functions.invoke("provision", &json!({ "anchor": ANCHOR })).unwrap_err().to_string();
    assert!(error.contains("secretsmanager:GetSecretValue"), "{error}");
    assert!(error.contains(&format!("workplace-{}", deployment.number)), "{error}");
    secrets.behave();

    let state = deployment.state_proxy.as_ref().unwrap();
    for operation in ["UpdateItem", "GetItem", "Query"] {
        state.rule(move |asked, _| match asked == operation {
            true => ProxyVerdict::Fail(400, DENIED),
            false => ProxyVerdict::Pass,
        });
        let error = deployment.failed_scan(json!({}));
        assert!(error.contains(operation), "{operation}: {error}");
        state.behave();
        // The lease of a failed scan may still be held.
        deployment.runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(10)).await });
    }

    queue.rule(|_, _| ProxyVerdict::Fail(403, DENIED));
    let error = deployment.failed_scan(json!({}));
    assert!(error.contains("sqs:SendMessage"), "{error}");
}
