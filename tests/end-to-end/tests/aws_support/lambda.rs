//! Functions under the emulator. A few lines of Python stand in for ours, because they do what a test asks for.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use end_to_end::{FunctionOptions, Functions};
use serde_json::json;
use tempfile::TempDir;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/python/bin/python");

/// A program of its own, as a function's binary is.
fn program(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("function");
    let python = Path::new(PYTHON).display();
    fs::write(&path, format!("#!{python}\n{}", include_str!("function.py"))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn options(name: &str, dir: &TempDir) -> FunctionOptions {
    let environment = vec![("GIVEN".to_owned(), "yes".to_owned())];
    FunctionOptions { binary: program(dir), ..FunctionOptions::new(name, environment) }
}

#[test]
fn functions_by_name_with_their_own_environment() {
    let dir = TempDir::new().unwrap();
    let started = Instant::now();
    let functions = Functions::start(vec![options("scan", &dir), options("provision", &dir)]).unwrap();
    for name in ["scan", "provision"] {
        let answer = functions.invoke(name, &json!({})).unwrap();
        let environment = answer["environment"].as_object().unwrap();
        assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], name);
        assert_eq!(environment["GIVEN"], "yes");
        assert!(!environment.contains_key("HOME"), "nothing leaks in: {environment:?}");
        let remaining = answer["remaining_ms"].as_f64().unwrap();
        assert!((50_000.0..=60_001.0).contains(&remaining), "{remaining}");
        assert_eq!(functions.log(name), "cold start\n");
    }
    println!("two functions started and invoked after {:?}", started.elapsed());
    assert!(functions.invoke("nobody", &json!({})).is_err());
    let error = functions.invoke("scan", &json!({ "fail": "no such user" })).unwrap_err().to_string();
    assert!(error.contains("no such user") && error.contains("Asked"), "{error}");
}

#[test]
fn copies_work_at_the_same_time() {
    let dir = TempDir::new().unwrap();
    let functions =
        Functions::start(vec![FunctionOptions { copies: 3, ..options("provision", &dir) }]).unwrap();
    let processes: BTreeSet<_> = thread::scope(|scope| {
        let invoke = || functions.invoke("provision", &json!({ "sleep_ms": 1_500 })).unwrap();
        let under_way: Vec<_> = (0..3).map(|_| scope.spawn(invoke)).collect();
        under_way.into_iter().map(|call| call.join().unwrap()["process_id"].as_u64()).collect()
    });
    assert_eq!(processes.len(), 3);
}

#[test]
fn a_function_that_dies_is_an_error_and_starts_again() {
    let dir = TempDir::new().unwrap();
    let functions = Functions::start(vec![options("provision", &dir)]).unwrap();
    let first = functions.invoke("provision", &json!({})).unwrap()["process_id"].clone();
    let error = functions.invoke("provision", &json!({ "die": true })).unwrap_err().to_string();
    assert!(error.contains("Runtime.ExitError") && error.contains("exit status: 7"), "{error}");

    let killed = thread::scope(|scope| {
        let call = scope.spawn(|| functions.invoke("provision", &json!({ "sleep_ms": 60_000 })));
        while !functions.kill_one_at_work("provision") {
            thread::sleep(Duration::from_millis(5));
        }
        call.join().unwrap().unwrap_err().to_string()
    });
    assert!(killed.contains("signal: 9"), "{killed}");
    assert_ne!(functions.invoke("provision", &json!({})).unwrap()["process_id"], first);
}

#[test]
fn a_deadline_ends_the_process() {
    let dir = TempDir::new().unwrap();
    let timeout = Duration::from_secs(1);
    let functions = Functions::start(vec![FunctionOptions { timeout, ..options("scan", &dir) }]).unwrap();
    let error = functions.invoke("scan", &json!({ "sleep_ms": 60_000 })).unwrap_err().to_string();
    assert!(error.contains("Task timed out after 1.00 seconds"), "{error}");
    functions.invoke("scan", &json!({})).unwrap();
}

#[test]
fn a_function_that_does_not_start_fails_what_is_invoked() {
    let dir = TempDir::new().unwrap();
    let mut options = options("scan", &dir);
    options.environment.push(("REFUSE_TO_START".to_owned(), "yes".to_owned()));
    let functions = Functions::start(vec![options]).unwrap();
    for _ in 0..2 {
        let error = functions.invoke("scan", &json!({})).unwrap_err().to_string();
        assert!(error.contains("exit status: 1"), "{error}");
    }
    assert!(functions.log("scan").contains("REFUSE_TO_START is set"));
}
