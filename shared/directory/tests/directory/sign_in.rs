//! Connection and bind, and their errors.

use directory::{Bind, Directory, DirectoryError};
use embedded_ldap::{LdapFault, LdapOptions, ResultCode};

use crate::support::{config, people, people_with, read};

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let server = people(1).await;
    let mut config = config(&server.url());
    for (dn, password) in
        [("cn=provisioner,dc=acme,dc=test", "hunter2"), ("cn=unknown,dc=acme,dc=test", "read-only")]
    {
        config.bind = Bind::Simple { dn: dn.to_owned(), password: password.into() };
        let error = Directory::connect(&config).await.err().unwrap();
        assert!(matches!(error, DirectoryError::InvalidCredentials { .. }), "{error}");
        assert!(!error.to_string().contains(password), "{error}");
    }
}

#[tokio::test]
async fn empty_credentials_are_not_sent() {
    // This server accepts them as an anonymous bind.
    let server = people_with(1, LdapOptions { allow_anonymous: true, ..LdapOptions::default() }).await;
    let mut config = config(&server.url());
    for (dn, password) in [("cn=provisioner,dc=acme,dc=test", ""), (" ", "read-only")] {
        config.bind = Bind::Simple { dn: dn.to_owned(), password: password.into() };
        let error = Directory::connect(&config).await.err().unwrap();
        assert!(matches!(error, DirectoryError::NoCredentials { .. }), "{error}");
    }
}

#[tokio::test]
async fn anonymous_bind_works_where_allowed() {
    let server = people_with(4, LdapOptions { allow_anonymous: true, ..LdapOptions::default() }).await;
    let mut config = config(&server.url());
    config.bind = Bind::Anonymous;
    assert!(read(&config).await.result.is_ok());

    let server = people(4).await;
    config.urls = vec![server.url()];
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::AnonymousRefused { .. }), "{error}");
    assert!(error.to_string().contains("no secret is configured"), "{error}");
}

#[tokio::test]
async fn refused_bind_names_operation_and_result() {
    let server = people(1).await;
    server.inject(LdapFault::RefuseBind { code: ResultCode::Unavailable });
    let error = Directory::connect(&config(&server.url())).await.err().unwrap().to_string();
    assert!(error.starts_with("signing in to ldap://127.0.0.1:"), "{error}");
    assert!(error.ends_with("ended with LDAP result 52 (unavailable); try again later"), "{error}");
}

#[tokio::test]
async fn password_is_not_sent_unencrypted() {
    let mut config = config("ldap://dc1.corp.example");
    let error = Directory::connect(&config).await.err().unwrap();
    assert_eq!(error, DirectoryError::Insecure("ldap://dc1.corp.example:389".to_owned()));
    // What an anonymous bind reads could be changed on the way.
    config.bind = Bind::Anonymous;
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Insecure(_)), "{error}");
    config.urls = vec!["ldap://admin:hunter2@dc1".to_owned()];
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Address(_)), "{error}");
}

#[tokio::test]
async fn missing_server_is_unreachable() {
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
async fn server_without_tls_gets_no_password() {
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
