//! The app secret in the target's secret signs each request, from a configuration file and with the real clock.

use std::fs;
use std::path::PathBuf;

use runtime::{CallLimits, Secrets};
use scim::TargetError;
use serde_json::json;
use simulator::{Simulator, SimulatorOptions};

/// A folder with the configuration file of a connection and its secret.
struct SecretFolder(PathBuf);

impl SecretFolder {
    fn new() -> Self {
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("app-secret-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write_secret(&self, secret: &serde_json::Value) {
        fs::write(self.0.join("target.json"), secret.to_string()).expect("a secret");
    }

    fn connection(&self, url: &str) -> runtime::Connection {
        let text = format!(
            "name = \"corp\"\n\
             [directory]\nkind = \"openldap\"\nurl = \"ldaps://ldap.test\"\nbase_dn = \"dc=test\"\n\
             [scope]\nfilter = \"(mail=*)\"\n\
             [target]\nkind = \"workplace\"\nurl = \"{url}\"\nsecret = \"file:target.json\"\n\
             [mapping]\nuserName = \"mail\"\n\"name.formatted\" = \"cn\"\n"
        );
        runtime::config::parse(&text, &self.0.join("corp.toml")).expect("a connection")
    }
}

impl Drop for SecretFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn requests_are_signed_before_and_after_a_rotation() {
    let options = SimulatorOptions { app_secret: Some("first".to_owned()), ..SimulatorOptions::default() };
    let workplace = Simulator::start(options).await.unwrap();
    let folder = SecretFolder::new();
    let connection = folder.connection(&workplace.url());

    folder.write_secret(&json!({"access_token": workplace.token()}));
    let without = connection.target.open(&Secrets::default(), CallLimits::default()).await.unwrap();
    assert!(matches!(without.check().await, Err(TargetError::Unauthorized { .. })));

    folder.write_secret(&json!({"access_token": workplace.token(), "app_secret": "first"}));
    let target = connection.target.open(&Secrets::default(), CallLimits::default()).await.unwrap();
    target.check().await.unwrap();

    workplace.set_app_secret("second");
    folder.write_secret(&json!({"access_token": workplace.token(), "app_secret": "second"}));
    target.check().await.unwrap();
    let last = workplace.requests().pop().unwrap();
    assert!(last.query.contains_key("appsecret_proof"), "{last}");
}
