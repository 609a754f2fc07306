//! Reads of an OpenLDAP server.

use directory::{Bind, Directory, DirectoryConfig, DirectoryError, Membership, ReadItem, Scope, ServerKind};
use model::{Anchor, DeprovisionReason, FreshnessMark, IncompleteRead, UnixSeconds};

use crate::slapd::{ADMIN, PASSWORD, SlapdProcess};
use crate::support::{ReadOutcome, config, read};

const GROUP: &str = "cn=workplace,dc=acme,dc=test";

/// Ten people, seven of them in the group; the name of one contains a comma and letters beyond ASCII.
fn ldif() -> String {
    let certificate = certificate();
    let mut ldif = String::from("dn: dc=acme,dc=test\nobjectClass: domain\ndc: acme\n\n");
    let dn = |number: usize| match number {
        3 => r"cn=J\C3\BCrgen\, der \C3\84ltere,dc=acme,dc=test".to_owned(),
        _ => format!("cn=Person {number},dc=acme,dc=test"),
    };
    for number in 0..10 {
        ldif += &format!(
            "dn: {}\nobjectClass: inetOrgPerson\nsn: {number}\nuid: p{number}\nuserCertificate;binary:: {certificate}\n\n",
            dn(number)
        );
    }
    ldif += "dn: cn=limited,dc=acme,dc=test\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\n";
    ldif += "userPassword: limited\n\n";
    ldif += &format!("dn: {GROUP}\nobjectClass: groupOfNames\n");
    for number in 0..7 {
        ldif += &format!("member: {}\n", dn(number));
    }
    ldif += "\ndn: cn=posix,dc=acme,dc=test\nobjectClass: posixGroup\ngidNumber: 1\nmemberUid: P3\nmemberUid: p9\n";
    ldif
}

/// Certificate in base 64.
fn certificate() -> String {
    let certified = rcgen::generate_simple_self_signed(Vec::new()).unwrap();
    certified.cert.pem().lines().filter(|line| !line.starts_with('-')).collect()
}

async fn openldap() -> (SlapdProcess, DirectoryConfig) {
    let server = SlapdProcess::start(&ldif());
    let preset = ServerKind::OpenLdap.preset();
    let config = DirectoryConfig {
        bind: Bind::Simple { dn: ADMIN.to_owned(), password: PASSWORD.into() },
        user_filter: preset.user_filter.to_owned(),
        anchor: preset.anchor,
        attributes: vec!["uid".to_owned(), "userCertificate".to_owned()],
        ..config(&format!("ldap://127.0.0.1:{}", server.port))
    };
    (server, config)
}

fn uids(outcome: &ReadOutcome) -> Vec<String> {
    let entries = outcome.items.iter().map(|item| match item {
        ReadItem::Entry(entry) => String::from_utf8(entry.attributes.one("uid").unwrap().to_vec()).unwrap(),
        ReadItem::Unidentified { why, .. } => panic!("{why}"),
    });
    let mut uids: Vec<String> = entries.collect();
    uids.sort();
    uids
}

#[tokio::test]
async fn scopes_departures_and_limits() {
    let (_server, mut config) = openldap().await;

    let outcome = read(&config).await;
    assert_eq!(uids(&outcome).len(), 10);
    let all: Vec<Anchor> = outcome.items.iter().map(anchor).collect();
    let Some(ReadItem::Entry(first)) = outcome.items.first() else { panic!("expected an entry") };
    assert_eq!(first.attributes.one("userCertificate").and_then(<[u8]>::first), Some(&0x30));
    assert_eq!(outcome.result.unwrap().pages(), 4);

    for membership in [
        Membership::Member { attribute: "member".to_owned() },
        Membership::MemberOf { attribute: "memberOf".to_owned() },
    ] {
        config.scope = Scope::Group { dn: GROUP.to_owned(), membership, nested: false };
        let outcome = read(&config).await;
        assert_eq!(uids(&outcome), ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
        assert!(outcome.result.is_ok());

        let mut directory = Directory::connect(&config).await.unwrap();
        let departures = directory.departures(&all).await.unwrap();
        assert_eq!(departures.len(), 3);
        assert!(departures.values().all(|departure| *departure == DeprovisionReason::OutOfScope));
        let [found] = directory.find("uid", "p3").await.unwrap().try_into().unwrap();
        assert_eq!(
            directory.in_scope(std::slice::from_ref(&found.anchor)).await.unwrap(),
            [found.anchor].into()
        );
    }

    let membership =
        Membership::MemberUid { attribute: "memberUid".to_owned(), user_attribute: "uid".to_owned() };
    config.scope = Scope::Group { dn: "cn=posix,dc=acme,dc=test".to_owned(), membership, nested: false };
    assert_eq!(uids(&read(&config).await), ["p3", "p9"]);

    config.scope = Scope::Filter("(sn>=0)(sn=*)".to_owned());
    assert!(matches!(Directory::connect(&config).await.err(), Some(DirectoryError::Filter { .. })));
    config.scope = Scope::Filter("(sn=*)".to_owned());
    config.bind = Bind::Simple { dn: "cn=limited,dc=acme,dc=test".to_owned(), password: "limited".into() };
    let reason = read(&config).await.reason();
    assert!(matches!(reason, IncompleteRead::Refused { code: 4 | 11, .. }), "{reason}");

    config.bind = Bind::Simple { dn: ADMIN.to_owned(), password: "wrong".into() };
    let error = Directory::connect(&config).await.err().unwrap();
    assert!(matches!(error, DirectoryError::InvalidCredentials { .. }), "{error}");
    // This server accepts anonymous binds, and then shows no entry.
    config.bind = Bind::Anonymous;
    let error = Directory::connect(&config).await.unwrap().read(None, UnixSeconds(0)).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Refused { code: 50, .. }), "{error}");
}

fn anchor(item: &ReadItem) -> Anchor {
    match item {
        ReadItem::Entry(entry) => entry.anchor.clone(),
        ReadItem::Unidentified { why, .. } => panic!("{why}"),
    }
}

#[tokio::test]
async fn tls_trusts_only_the_configured_authority_and_name() {
    let (server, mut config) = openldap().await;
    let ldaps = format!("ldaps://localhost:{}", server.tls_port);
    config.ca_pem = Some(server.ca_pem.clone().into_bytes());

    config.urls = vec![ldaps.clone()];
    assert!(read(&config).await.result.is_ok());
    config.urls = vec![format!("ldap://localhost:{}", server.port)];
    config.start_tls = true;
    assert!(read(&config).await.result.is_ok());

    let tls_error = |url: String, ca_pem: Option<Vec<u8>>, start_tls: bool| {
        let config = DirectoryConfig { urls: vec![url], ca_pem, start_tls, ..config.clone() };
        async move {
            let error = Directory::connect(&config).await.err().unwrap();
            assert!(matches!(error, DirectoryError::Tls { .. }), "{error}");
            error.to_string()
        }
    };
    // Another authority with the same name.
    let other = SlapdProcess::start("dn: dc=acme,dc=test\nobjectClass: domain\ndc: acme\n");
    let other_ca = || Some(other.ca_pem.clone().into_bytes());
    for (url, start_tls) in [(ldaps.clone(), false), (config.urls[0].clone(), true)] {
        let error = tls_error(url.clone(), other_ca(), start_tls).await;
        assert!(error.contains("directory's CA") || error.contains("can't be used"), "{error}");
        // The operating system does not trust it either.
        let error = tls_error(url, None, start_tls).await;
        assert!(error.contains("set the directory's CA to that authority's certificate"), "{error}");
    }
    // The right authority and a wrong host name.
    let by_address = format!("ldaps://127.0.0.1:{}", server.tls_port);
    let error = tls_error(by_address, config.ca_pem.clone(), false).await;
    assert!(error.contains("use a name of the server's certificate in the address"), "{error}");
    // The port without TLS.
    let error = tls_error(format!("ldaps://localhost:{}", server.port), config.ca_pem.clone(), false).await;
    assert!(error.contains("check that this port speaks TLS"), "{error}");
}

/// SASL EXTERNAL needs no password.
#[tokio::test]
async fn client_certificate_binds_without_password() {
    let (server, mut config) = openldap().await;
    let (certificate, private_key) = server.client.clone();
    config.ca_pem = Some(server.ca_pem.clone().into_bytes());
    config.urls = vec![format!("ldaps://localhost:{}", server.tls_port)];
    config.bind =
        Bind::External { certificate: certificate.clone(), private_key: private_key.clone().into() };
    assert_eq!(read(&config).await.dns().len(), 10);
    config.urls = vec![format!("ldap://localhost:{}", server.port)];
    config.start_tls = true;
    assert_eq!(read(&config).await.dns().len(), 10);

    // Without TLS no certificate is presented.
    let mut clear = config.clone();
    clear.start_tls = false;
    let error = Directory::connect(&clear).await.err().unwrap();
    assert!(matches!(error, DirectoryError::Insecure { .. }), "{error}");

    let (_, other_key) =
        SlapdProcess::start("dn: dc=acme,dc=test\nobjectClass: domain\ndc: acme\n").client.clone();
    config.bind = Bind::External { certificate: certificate.clone(), private_key: other_key.clone().into() };
    let error = Directory::connect(&config).await.err().unwrap().to_string();
    assert!(error.contains("the key must be the certificate's"), "{error}");
    config.bind = Bind::External { certificate, private_key: "no key".into() };
    let error = Directory::connect(&config).await.err().unwrap().to_string();
    assert!(error.contains("client certificate or its key"), "{error}");
    for secret in [private_key.as_str(), "no key"] {
        assert!(!error.contains(secret));
    }
}

/// The password policy overlay stores the lock in `pwdAccountLockedTime`.
#[tokio::test]
async fn preset_recognises_a_locked_account() {
    let locked = "dn: cn=Locked,dc=acme,dc=test\nobjectClass: inetOrgPerson\nsn: L\nuid: locked\n\
                  pwdAccountLockedTime: 000001010000Z\n\n";
    let server = SlapdProcess::start(&format!("{}\n{locked}", ldif()));
    let preset = ServerKind::OpenLdap.preset();
    let attribute = preset.status.attribute().unwrap().to_owned();
    let config = DirectoryConfig {
        bind: Bind::Simple { dn: ADMIN.to_owned(), password: PASSWORD.into() },
        anchor: preset.anchor,
        attributes: vec!["uid".to_owned(), attribute],
        ..config(&format!("ldap://127.0.0.1:{}", server.port))
    };
    let outcome = read(&config).await;
    let disabled = outcome.items.iter().filter(|item| match item {
        ReadItem::Entry(entry) => {
            preset.status.verdict(&entry.attributes) == Ok(plan::status::AccountStatus::Disabled)
        }
        ReadItem::Unidentified { why, .. } => panic!("{why}"),
    });
    let uids: Vec<_> = disabled.map(anchor).collect();
    assert_eq!((outcome.items.len(), uids.len()), (11, 1));
}

/// The password policy lets such an account do nothing but change its password.
#[tokio::test]
async fn bind_account_with_a_password_to_change_is_named() {
    let entries = "dn: dc=acme,dc=test\nobjectClass: domain\ndc: acme\n\n\
                   dn: cn=policy,dc=acme,dc=test\nobjectClass: applicationProcess\nobjectClass: pwdPolicy\n\
                   pwdAttribute: userPassword\npwdMustChange: TRUE\n\n\
                   dn: cn=reader,dc=acme,dc=test\nobjectClass: applicationProcess\n\
                   objectClass: simpleSecurityObject\nuserPassword: initial\npwdReset: TRUE\n\n";
    let server = SlapdProcess::start(entries);
    let bind = Bind::Simple { dn: "cn=reader,dc=acme,dc=test".to_owned(), password: "initial".into() };
    let config = DirectoryConfig { bind, ..config(&format!("ldap://127.0.0.1:{}", server.port)) };
    let mut directory = Directory::connect(&config).await.unwrap();
    let error = directory.read(None, UnixSeconds(0)).await.err().unwrap().to_string();
    assert!(error.contains("change its password"), "{error}");
}

#[tokio::test]
async fn server_with_old_cipher_suites_alone_is_named() {
    let old = "TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC";
    let server = SlapdProcess::start_with(&ldif(), (old, ""));
    let mut config = config(&format!("ldaps://localhost:{}", server.tls_port));
    config.ca_pem = Some(server.ca_pem.clone().into_bytes());
    let error = Directory::connect(&config).await.err().unwrap().to_string();
    assert!(error.contains("suites with CBC or with RSA key exchange are not offered"), "{error}");
}

/// Behind one address, a provider with a later change of its own can lack changes of the others.
#[tokio::test]
async fn provider_that_hides_its_state_shows_no_mark() {
    let reader = "dn: cn=reader,dc=acme,dc=test\nobjectClass: applicationProcess\n\
                  objectClass: simpleSecurityObject\nuserPassword: reads\n\n";
    for (hidden, expected) in
        [("", Some(FreshnessMark::ContextCsn)), ("access to attrs=contextCSN by * none", None)]
    {
        let database = format!("{hidden}\noverlay syncprov");
        let server =
            SlapdProcess::start_with(&format!("{}\n{reader}", ldif()), ("moduleload syncprov", &database));
        let bind = Bind::Simple { dn: "cn=reader,dc=acme,dc=test".to_owned(), password: "reads".into() };
        let config = DirectoryConfig { bind, ..config(&format!("ldap://127.0.0.1:{}", server.port)) };
        let mut directory = Directory::connect(&config).await.unwrap();
        let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
        while read.next_page().await.unwrap().is_some() {}
        assert_eq!(read.cursor().mark(), expected, "{hidden}");
    }
}
