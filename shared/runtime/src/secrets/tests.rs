//! Secrets from an endpoint with the protocol of Secrets Manager that returns prepared responses.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_sdk_secretsmanager::Config;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
use axum::Router;
use axum::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

/// A secret with a token.
#[derive(Deserialize)]
struct TestSecret {
    access_token: SecretString,
}

impl SecretContent for TestSecret {
    const SHAPE: &'static str = r#"{"access_token": "…"}"#;
}

/// Message of the service, which no error and no log may contain.
const MESSAGE: &str = "User: arn:aws:sts::111122223333:assumed-role/scan is not authorized";

#[expect(deprecated, reason = "the versions that replace it take a proxy from the environment")]
fn config(url: &str) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::v2025_01_17())
        .endpoint_url(url)
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build())
}

/// An endpoint that always sends this response.
async fn endpoint(status: u16, body: impl Into<String>) -> String {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (status, body) = (StatusCode::from_u16(status).unwrap(), body.into());
    let router = Router::new().fallback(move || async move { (status, body) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn in_manager(id: &str) -> SecretRef {
    SecretRef::SecretsManager(id.to_owned())
}

async fn problem(config: Builder) -> String {
    let secrets = Secrets::with_client(Client::from_conf(config.build()));
    secrets.fetch::<TestSecret>(&in_manager("corp/workplace")).await.err().unwrap().to_string()
}

async fn refused(code: &str, message: &str) -> String {
    let body: Value = json!({ "__type": code, "Message": format!("{message} {MESSAGE}") });
    problem(config(&endpoint(400, body.to_string()).await)).await
}

#[tokio::test]
async fn refusals_name_the_remedy() {
    let place = "the secret corp/workplace in AWS Secrets Manager";
    for (code, message, expect) in [
        ("AccessDeniedException", "", "can't be read: grant the caller secretsmanager:GetSecretValue on it"),
        (
            "AccessDeniedException",
            "Access to KMS is not allowed",
            "can't be decrypted: grant the caller kms:Decrypt on the key of the secret",
        ),
        (
            "DecryptionFailure",
            "",
            "can't be decrypted: grant the caller kms:Decrypt on the key of the secret",
        ),
        (
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
            "does not exist in this account and region; create it, or correct its name in the configuration",
        ),
        (
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
            "holds no value yet; store one",
        ),
        (
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
            "can't be read in its present state; if it is marked for deletion, restore it or name another one",
        ),
        ("ValidationException", "", "can't be fetched: its name is invalid; correct it in the configuration"),
        (
            "ExpiredTokenException",
            "",
            "can't be fetched: AWS refused the credentials (ExpiredTokenException); sign in again, or renew them",
        ),
        (
            "ThrottlingException",
            "",
            "can't be fetched now: Secrets Manager throttles requests; try again later",
        ),
        (
            "InternalServiceError",
            "",
            "can't be fetched now: Secrets Manager has an internal error (InternalServiceError); try again later",
        ),
        ("NewException", "", "can't be fetched: Secrets Manager refused the request (NewException)"),
    ] {
        assert_eq!(refused(code, message).await, format!("{place} {expect}"));
    }
}

#[tokio::test]
async fn missing_endpoint_region_and_credentials_are_named() {
    let url = endpoint(200, "<html>").await;
    let said = problem(config(&url)).await;
    assert!(said.ends_with("the endpoint is not Secrets Manager; check AWS_ENDPOINT_URL"), "{said}");
    for url in ["http://127.0.0.1:1", &endpoint(503, "<html>").await] {
        let said = problem(config(url)).await;
        assert!(said.contains("Secrets Manager does not respond; check the network route to it"), "{said}");
    }
    let said = problem(config(&url).region(None)).await;
    assert!(said.contains("no AWS region is set; set AWS_REGION"), "{said}");
    let no_credentials = ProfileFileCredentialsProvider::builder().profile_name("no-such-profile").build();
    let said = problem(config(&url).credentials_provider(no_credentials)).await;
    assert!(said.contains("there are no AWS credentials; sign in"), "{said}");
}

/// Log lines of every level.
#[derive(Clone, Default)]
struct SecretLog(Arc<Mutex<Vec<u8>>>);

impl Write for SecretLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_logged_or_shown() {
    let log = SecretLog::default();
    let writer = log.clone();
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads: a callsite that another thread disabled first would stay disabled here.
    tracing::subscriber::set_global_default(everything).unwrap();

    let secret = in_manager("corp/workplace");
    let body = json!({ "SecretString": json!({ "access_token": "s3cret" }).to_string() });
    let good = endpoint(200, body.to_string()).await;
    let secrets = Secrets::with_client(Client::from_conf(config(&good).build()));
    assert_eq!(
        secrets.fetch::<TestSecret>(&secret).await.ok().unwrap().access_token.expose_secret(),
        "s3cret"
    );
    assert!(secrets.refetch::<TestSecret>(&secret).await.is_ok());
    let mut shown = format!("{secrets:?}");
    // Valid JSON of another shape, invalid JSON, binary, and a truncated response.
    for body in [
        json!({ "SecretString": r#"{"token": "s3cret"}"# }).to_string(),
        json!({ "SecretString": r#"{"access_token": 5, "s3cret": s3cret"# }).to_string(),
        json!({ "SecretBinary": "czNjcmV0" }).to_string(),
        r#"{"SecretString": "s3cret"#.to_owned(),
    ] {
        let secrets = Secrets::with_client(Client::from_conf(config(&endpoint(200, body).await).build()));
        let error = secrets.fetch::<TestSecret>(&secret).await.err().unwrap();
        shown = format!("{shown}\n{error}\n{error:?}\n{secrets:?}");
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("corp/workplace") || logged.contains("secretsmanager"), "something is logged");
    for text in [&shown, &logged] {
        assert!(!text.contains("s3cret") && !text.contains("czNjcmV0"), "{text}");
    }
}

#[tokio::test]
async fn files_and_variables_need_no_aws() {
    let folder = std::env::temp_dir().join(format!("runtime-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = SecretRef::parse("file:token.json", &folder).unwrap();
    let secrets = Secrets::with_client(Client::from_conf(config("http://127.0.0.1:1").build()));
    let token =
        async || Some(secrets.fetch::<TestSecret>(&file).await.ok()?.access_token.expose_secret().to_owned());
    for text in ["one", "two"] {
        std::fs::write(folder.join("token.json"), json!({ "access_token": text }).to_string()).unwrap();
        assert_eq!(token().await.as_deref(), Some(text), "the file is read each time");
    }
    let marked = format!("\u{feff}{}", json!({ "access_token": "three" }));
    std::fs::write(folder.join("token.json"), marked).unwrap();
    assert_eq!(token().await.as_deref(), Some("three"), "a byte order mark is no content");
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(secrets.refetch::<TestSecret>(&file).await.err().unwrap().to_string().contains("can't be read"));
    let unset = SecretRef::parse("env:PROVISIONER_NO_SUCH_VARIABLE", Path::new(".")).unwrap();
    let error = secrets.fetch::<TestSecret>(&unset).await.err().unwrap();
    assert_eq!(error.to_string(), "the environment variable PROVISIONER_NO_SUCH_VARIABLE is not set");
}
