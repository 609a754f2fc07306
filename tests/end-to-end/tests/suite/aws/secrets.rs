//! Secrets from moto's Secrets Manager: caching, rotation and errors.

use std::path::Path;

use aws_sdk_secretsmanager::{Client, primitives::Blob};
use end_to_end::{Aws, Slapd, SlapdOptions, TestConfiguration};
use model::{DesiredUser, Managed, UserName, Value};
use runtime::config::TargetSecret;
use runtime::{CallLimits, Connection, DirectorySecret, Secrets, config};
use scim::{RetryPolicy, Target, TargetError};
use serde_json::json;
use simulator::{Simulator, SimulatorOptions};

const DIRECTORY: &str = "corp/directory";
const TARGET: &str = "corp/workplace";

fn secret(id: &str) -> runtime::SecretRef {
    runtime::SecretRef::parse(&format!("secretsmanager:{id}"), Path::new(".")).unwrap()
}

fn secrets(aws: &Aws) -> Secrets {
    Secrets::with_client(client(aws))
}

fn client(aws: &Aws) -> Client {
    Client::new(&aws.sdk_config())
}

fn reader(bind_dn: &str) -> serde_json::Value {
    json!({ "bind_dn": bind_dn, "password": "s3cret" })
}

#[tokio::test]
async fn secret_is_cached_until_it_is_refused() {
    let aws = Aws::start().unwrap();
    aws.create_secret(DIRECTORY, &reader("old")).unwrap();
    let (secrets, others) = (secrets(&aws), secrets(&aws));
    let clone = secrets.clone();
    let kept = async || bind_dn(secrets.fetch(&secret(DIRECTORY)).await.ok().unwrap());
    let current = async |secrets: &Secrets| secrets.refetch(&secret(DIRECTORY)).await.map(bind_dn);
    assert_eq!(kept().await, "old");
    assert!(others.fetch::<DirectorySecret>(&secret(DIRECTORY)).await.is_ok());

    aws.rotate_secret(DIRECTORY, &reader("new")).unwrap();
    assert_eq!(kept().await, "old", "the cached value was not refused");
    assert_eq!(current(&clone).await.unwrap(), "new");
    assert_eq!(kept().await, "new", "clones share the cache");

    client(&aws).delete_secret().secret_id(DIRECTORY).send().await.unwrap();
    assert!(
        current(&others).await.unwrap_err().to_string().contains("if it is marked for deletion, restore it")
    );
    let kept = bind_dn(others.fetch::<DirectorySecret>(&secret(DIRECTORY)).await.ok().unwrap());
    assert_eq!(kept, "old", "a failed fetch keeps the cached value");
}

#[tokio::test]
async fn unusable_secret_is_named_without_its_content() {
    let aws = Aws::start().unwrap();
    let (client, secrets) = (client(&aws), secrets(&aws));
    client.create_secret().name("empty").send().await.unwrap();
    client.create_secret().name("binary").secret_binary(Blob::new(b"s3cret")).send().await.unwrap();
    client.create_secret().name("text").secret_string("s3cret").send().await.unwrap();
    aws.create_secret("other", &json!({ "token": "s3cret" })).unwrap();
    aws.create_secret("number", &json!({ "access_token": 5_3_2 })).unwrap();
    let shape = r#"should hold {"access_token": "…", "app_secret": "…"} (app_secret may be left out)"#;
    for (id, expect) in [
        ("missing", "does not exist in this account and region; create it, or correct its name"),
        ("empty", "holds no value yet; store one"),
        ("binary", "is binary; store JSON text in it instead"),
        ("text", shape),
        ("other", shape),
        ("number", shape),
    ] {
        let error = secrets.fetch::<TargetSecret>(&secret(id)).await.err().unwrap();
        let said = error.to_string();
        assert!(said.starts_with(&format!("the secret {id} in AWS Secrets Manager {expect}")), "{said}");
        assert!(!said.ends_with('.') && !format!("{error:?}{said}").contains("s3cret"), "{error:?}");
    }
    aws.rotate_secret("other", &json!({ "access_token": "good" })).unwrap();
    assert!(secrets.fetch::<TargetSecret>(&secret("other")).await.is_ok(), "an error is not cached");
}

/// A connection with both secrets in Secrets Manager.
fn connection(directory_url: &str, target_url: &str) -> Connection {
    let mut configuration = TestConfiguration::openldap_at(directory_url, target_url);
    for (section, id) in [(&mut configuration.directory, DIRECTORY), (&mut configuration.target, TARGET)] {
        let lines = section.lines().filter(|line| !line.starts_with("secret"));
        *section = lines
            .chain([format!("secret = \"secretsmanager:{id}\"").as_str()])
            .collect::<Vec<_>>()
            .join("\n");
    }
    config::parse(&configuration.to_string(), Path::new("corp.toml")).unwrap()
}

fn user(number: usize) -> DesiredUser {
    let name = Managed::Set(Value::Text("Some User".to_owned()));
    DesiredUser {
        user_name: UserName::new(&format!("user-{number}@acme.test")).unwrap(),
        active: true,
        attributes: [("name.formatted".into(), name)].into(),
        create_only: Default::default(),
    }
}

async fn provision(target: &Target, number: usize) -> Result<(), TargetError> {
    let user = user(number);
    match target.find_by_user_name(&user.user_name).await? {
        Some(_) => panic!("{} exists already", user.user_name.as_str()),
        None => target.create(&user).await.map(|_| ()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_rotated_during_a_run_fails_no_user() {
    const WORKERS: usize = 8;
    const USERS: usize = 10;
    let aws = Aws::start().unwrap();
    let workplace = Simulator::start(SimulatorOptions::default()).await.unwrap();
    aws.create_secret(TARGET, &json!({ "access_token": workplace.token() })).unwrap();
    let connection = connection("ldap://127.0.0.1:1", &workplace.url());
    // A refused call is repeated only with a new token.
    let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let patience = CallLimits { retry, ..CallLimits::default() };
    let target = connection.target.open(&secrets(&aws), patience).await.unwrap();

    let rotate = || {
        aws.rotate_secret(TARGET, &json!({ "access_token": "rotated" })).unwrap();
        workplace.set_token("rotated");
    };
    let (target, rotate) = (&target, &rotate);
    let workers = (0..WORKERS).map(|worker| async move {
        for number in 0..USERS {
            if (worker, number) == (0, USERS / 2) {
                rotate();
            }
            provision(target, worker * USERS + number).await.unwrap();
        }
    });
    workplace.set_latency(std::time::Duration::from_millis(5));
    futures::future::join_all(workers).await;

    assert_eq!(workplace.accounts().len(), WORKERS * USERS);
    let refused = workplace.requests().iter().filter(|request| request.status == 401).count();
    assert!((1..=WORKERS).contains(&refused), "{refused} calls were refused");
    assert_eq!(workplace.request_count(), WORKERS * USERS * 2 + refused);

    // A wrong token is not retried.
    workplace.set_token("unknown-token");
    workplace.clear_requests();
    for _ in 0..3 {
        let error = target.check().await.unwrap_err();
        assert!(matches!(error, TargetError::Unauthorized { .. }), "{error}");
    }
    assert_eq!(workplace.request_count(), 3);
}

#[tokio::test]
async fn corrected_token_replaces_an_unusable_one() {
    let aws = Aws::start().unwrap();
    let connection = connection("ldap://127.0.0.1:1", "http://127.0.0.1:1");
    let secrets = secrets(&aws);
    aws.create_secret(TARGET, &json!({ "access_token": "" })).unwrap();
    assert!(secrets.fetch::<TargetSecret>(&secret(TARGET)).await.is_ok());
    aws.rotate_secret(TARGET, &json!({ "access_token": "good" })).unwrap();
    assert!(connection.target.open(&secrets, CallLimits::default()).await.is_ok());
}

#[tokio::test]
async fn rotated_password_is_fetched_when_the_bind_is_refused() {
    let aws = Aws::start().unwrap();
    let slapd = Slapd::start(SlapdOptions::default()).unwrap();
    let connection = connection(&slapd.url(), "http://127.0.0.1:1");
    let mut reader = slapd.reader_secret();
    aws.create_secret(DIRECTORY, &reader).unwrap();
    // Three caches with the old password.
    let [first, second, third] = [secrets(&aws), secrets(&aws), secrets(&aws)];
    for secrets in [&first, &second, &third] {
        connection.directory.open(secrets).await.unwrap();
    }

    slapd.admin().set_reader_password("rotated").unwrap();
    let refused = connection.directory.open(&first).await.err().unwrap().to_string();
    assert!(refused.contains("refused the sign-in"), "the secret is still the old one: {refused}");
    reader["password"] = json!("rotated");
    aws.rotate_secret(DIRECTORY, &reader).unwrap();
    connection.directory.open(&second).await.unwrap();

    // A deleted secret does not hide the directory's refusal.
    slapd.admin().set_reader_password("again").unwrap();
    client(&aws)
        .delete_secret()
        .secret_id(DIRECTORY)
        .force_delete_without_recovery(true)
        .send()
        .await
        .unwrap();
    let refused = connection.directory.open(&third).await.err().unwrap().to_string();
    assert!(refused.contains("refused the sign-in") && !refused.contains("Secrets Manager"), "{refused}");
}

fn bind_dn(secret: DirectorySecret) -> String {
    match secret {
        DirectorySecret::Password { bind_dn, .. } => bind_dn,
        DirectorySecret::Certificate { .. } => panic!("a certificate instead of a password"),
    }
}
