//! Several servers, and busy servers.

use directory::{Bind, Directory, DirectoryError};
use embedded_ldap::{LdapFault, ResultCode};

use crate::support::{config, people, read};

/// Address without a server.
const DEAD: &str = "ldap://127.0.0.1:1";

#[tokio::test]
async fn first_usable_server_is_used() {
    let server = people(3).await;
    let mut config = config(DEAD);
    config.urls.push(server.url());
    assert_eq!(Directory::connect(&config).await.unwrap().url(), server.url());
    assert_eq!(read(&config).await.dns().len(), 3);

    // An unavailable server is skipped.
    let other = people(4).await;
    config.urls = vec![server.url(), other.url()];
    server.inject(LdapFault::RefuseBind { code: ResultCode::Unavailable }.once());
    assert_eq!(read(&config).await.dns().len(), 4);
    assert_eq!(read(&config).await.dns().len(), 3);
}

#[tokio::test]
async fn error_names_the_reason_of_each_server() {
    let mut config = config(DEAD);
    config.urls.push("ldap://127.0.0.1:2".to_owned());
    let error = Directory::connect(&config).await.err().unwrap();
    let DirectoryError::NoServer { reasons } = &error else { panic!("{error}") };
    assert!(reasons[0].contains("127.0.0.1:1") && reasons[1].contains("127.0.0.1:2"), "{error}");
}

/// Otherwise one wrong password could lock the account on all servers.
#[tokio::test]
async fn refused_password_is_not_sent_to_another_server() {
    let (server, other) = (people(1).await, people(1).await);
    let mut config = config(&server.url());
    config.urls.push(other.url());
    let Bind::Simple { dn, .. } = config.bind else { panic!("expected a password") };
    config.bind = Bind::Simple { dn, password: "wrong".into() };
    other.inject(LdapFault::RefuseBind { code: ResultCode::Busy });
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::InvalidCredentials { .. }), "{error}");
    assert_eq!(other.faults_fired(), 0);
}

#[tokio::test]
async fn busy_server_is_retried_a_few_times() {
    let server = people(10).await;
    let config = config(&server.url());
    for code in [ResultCode::Busy, ResultCode::Unavailable] {
        server.inject(LdapFault::FailPage { page: 1, entries: 0, code }.times(2));
        let outcome = read(&config).await;
        assert_eq!(outcome.dns().len(), 10);
        assert!(outcome.result.is_ok());
        server.clear_faults();

        server.inject(LdapFault::FailPage { page: 1, entries: 0, code });
        assert!(read(&config).await.result.is_err(), "retries end");
        server.clear_faults();

        // A page is not requested again after some of its entries arrived.
        server.inject(LdapFault::FailPage { page: 1, entries: 1, code }.once());
        assert!(read(&config).await.result.is_err());
        server.clear_faults();
    }
}
