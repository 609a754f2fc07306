//! Several servers, and servers that are busy.

use directory::{Bind, Directory, DirectoryError};
use embedded_ldap::{LdapFault, ResultCode};

use crate::support::{config, people, read};

/// Nobody listens there.
const DEAD: &str = "ldap://127.0.0.1:1";

#[tokio::test]
async fn the_first_server_that_can_be_used() {
    let server = people(3).await;
    let mut config = config(DEAD);
    config.urls.push(server.url());
    assert_eq!(Directory::connect(&config).await.unwrap().url(), server.url());
    assert_eq!(read(&config).await.dns().len(), 3);

    // One that is there and can't serve just now is as good as none.
    let other = people(4).await;
    config.urls = vec![server.url(), other.url()];
    server.inject(LdapFault::RefuseBind { code: ResultCode::Unavailable }.once());
    assert_eq!(read(&config).await.dns().len(), 4);
    assert_eq!(read(&config).await.dns().len(), 3);
}

#[tokio::test]
async fn where_none_can_be_used_each_says_why() {
    let mut config = config(DEAD);
    config.urls.push("ldap://127.0.0.1:2".to_owned());
    let error = Directory::connect(&config).await.err().unwrap();
    let DirectoryError::NoServer { reasons } = &error else { panic!("{error}") };
    assert!(reasons[0].contains("127.0.0.1:1") && reasons[1].contains("127.0.0.1:2"), "{error}");
}

/// Or an account would be locked on all servers by one mistake.
#[tokio::test]
async fn a_refused_password_is_not_tried_elsewhere() {
    let (server, other) = (people(1).await, people(1).await);
    let mut config = config(&server.url());
    config.urls.push(other.url());
    let Bind::Simple { dn, .. } = config.bind else { panic!("a password was expected") };
    config.bind = Bind::Simple { dn, password: "wrong".into() };
    other.inject(LdapFault::RefuseBind { code: ResultCode::Busy });
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::InvalidCredentials { .. }), "{error}");
    assert_eq!(other.faults_fired(), 0);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_for_a_while() {
    let server = people(10).await;
    let config = config(&server.url());
    for code in [ResultCode::Busy, ResultCode::Unavailable] {
        server.inject(LdapFault::FailPage { page: 1, entries: 0, code: code.clone() }.times(2));
        let outcome = read(&config).await;
        assert_eq!(outcome.dns().len(), 10);
        assert!(outcome.verdict.is_ok());
        server.clear_faults();

        server.inject(LdapFault::FailPage { page: 1, entries: 0, code: code.clone() });
        assert!(read(&config).await.verdict.is_err(), "not for ever");
        server.clear_faults();

        // Part of the page has come: to ask again would mean to see somebody twice, and nobody knows what else happened.
        server.inject(LdapFault::FailPage { page: 1, entries: 1, code }.once());
        assert!(read(&config).await.verdict.is_err());
        server.clear_faults();
    }
}
