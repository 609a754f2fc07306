//! Connecting and signing in, and what is said when it doesn't work.

use directory::{Bind, Directory, DirectoryError};
use embedded_ldap::{LdapFault, LdapOptions, ResultCode};
use model::UnixSeconds;

use crate::support::{config, people, people_with, read};

#[tokio::test]
async fn wrong_credentials_fail() {
    let server = people(1).await;
    let mut config = config(&server.url());
    for (dn, password) in
        [("cn=provisioner,dc=acme,dc=test", "hunter2"), ("cn=nobody,dc=acme,dc=test", "read-only")]
    {
        config.bind = Bind::Simple { dn: dn.to_owned(), password: password.into() };
        let error = Directory::connect(&config).await.err().unwrap();
        assert!(matches!(error, DirectoryError::InvalidCredentials { .. }), "{error}");
        assert!(!error.to_string().contains(password), "{error}");
    }
}

#[tokio::test]
async fn an_empty_password_is_not_sent() {
    // This server would take it for an anonymous bind, and answer with success.
    let server = people_with(1, LdapOptions { allow_anonymous: true, ..LdapOptions::default() }).await;
    let mut config = config(&server.url());
    config.bind = Bind::Simple { dn: "cn=provisioner,dc=acme,dc=test".to_owned(), password: "".into() };
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::NoCredentials { .. }), "{error}");
}

#[tokio::test]
async fn nobody_in_particular() {
    let server = people_with(4, LdapOptions { allow_anonymous: true, ..LdapOptions::default() }).await;
    let mut config = config(&server.url());
    config.bind = Bind::Anonymous;
    assert!(read(&config).await.verdict.is_ok());

    let server = people(4).await;
    config.urls = vec![server.url()];
    let error = match Directory::connect(&config).await {
        Err(error) => error,
        Ok(mut directory) => directory.read(None, UnixSeconds(0)).await.err().unwrap(),
    };
    assert!(matches!(error, DirectoryError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_refuses_for_other_reasons() {
    let server = people(1).await;
    server.inject(LdapFault::RefuseBind { code: ResultCode::Unavailable });
    let error = Directory::connect(&config(&server.url())).await.err().unwrap().to_string();
    assert!(error.starts_with("signing in to ldap://127.0.0.1:"), "{error}");
    assert!(error.ends_with("ended with LDAP result 52 (unavailable); try again later"), "{error}");
}

#[tokio::test]
async fn a_password_does_not_go_over_a_network_in_the_clear() {
    let mut config = config("ldap://dc1.corp.example");
    let error = Directory::connect(&config).await.err().unwrap();
    assert_eq!(error, DirectoryError::Insecure { url: "ldap://dc1.corp.example:389".to_owned() });
    config.urls = vec!["ldap://admin:hunter2@dc1".to_owned()];
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Address(_)), "{error}");
}

#[tokio::test]
async fn nobody_answers() {
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = Directory::connect(&config(&format!("ldap://127.0.0.1:{port}"))).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
    let error = Directory::connect(&config(&format!("ldaps://127.0.0.1:{port}"))).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_gets_no_password() {
    let server = people(1).await;
    let mut config = config(&server.url().replace("ldap://", "ldaps://"));
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("check that this port speaks TLS"), "{error}");

    config.urls = vec![server.url()];
    config.start_tls = true;
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("refused StartTLS"), "{error}");
}
