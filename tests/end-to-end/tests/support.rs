//! The support library keeps its promises: what the other tests stand on is tested here.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use end_to_end::{
    BASE_DN, Configuration, CuttingProxy, Group, PEOPLE_DN, READER_DN, Slapd, SlapdOptions, TestDir, people,
    trusting,
};
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry,
    adapters::{Adapter, EntriesOnly, PagedResults},
};

const EVERYBODY: &str = "(objectClass=inetOrgPerson)";

async fn sign_in(settings: LdapConnSettings, url: &str, password: &str) -> Result<Ldap, LdapError> {
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, url).await?;
    ldap3::drive!(connection);
    ldap.simple_bind(READER_DN, password).await?.success()?;
    Ok(ldap)
}

/// How many entries came, and the result code or the error that ended it.
async fn read_in_pages(ldap: &mut Ldap, page: i32) -> (usize, Result<u32, LdapError>) {
    let adapters: Vec<Box<dyn Adapter<'_, _, _>>> =
        vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(page))];
    let search =
        ldap.streaming_search_with(adapters, BASE_DN, Scope::Subtree, EVERYBODY, vec!["uid", "cn"]).await;
    let mut search = match search {
        Ok(search) => search,
        Err(error) => return (0, Err(error)),
    };
    let mut count = 0;
    loop {
        match search.next().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, Ok(search.finish().await.rc)),
            Err(error) => return (count, Err(error)),
        }
    }
}

#[tokio::test]
async fn a_thousand_people_are_loaded_and_read_back() {
    let people = people::generate(1_000, 1);
    let started = Instant::now();
    let slapd = Slapd::start(SlapdOptions {
        groups: vec![Group::of("workplace", &people[..400])],
        people: people.clone(),
        ..SlapdOptions::default()
    })
    .unwrap();
    println!("1,000 people loaded and served after {:?}", started.elapsed());

    let mut ldap = sign_in(LdapConnSettings::new(), &slapd.url(), slapd.reader_password()).await.unwrap();
    let (count, end) = read_in_pages(&mut ldap, 300).await;
    assert_eq!((count, end.unwrap()), (1_000, 0));

    // Names keep their letters, and the bulk loader's memberOf is what the overlay would have made.
    let person = people.iter().find(|person| !person.given_name.is_ascii()).unwrap();
    let found =
        ldap.search(&person.dn(), Scope::Base, "(objectClass=*)", vec!["cn", "entryUUID"]).await.unwrap();
    let found = SearchEntry::construct(found.success().unwrap().0.remove(0));
    assert_eq!(found.attrs["cn"], [person.name()]);
    assert_eq!(found.attrs["entryUUID"][0].len(), 36);
    let filter = format!("(memberOf={})", Group::of("workplace", []).dn());
    let members =
        ldap.search(PEOPLE_DN, Scope::Subtree, &filter, vec!["1.1"]).await.unwrap().success().unwrap().0;
    assert_eq!(members.len(), 400);
}

#[test]
fn changes_of_a_live_directory() {
    let people = people::generate(10, 2);
    let group = Group::of("workplace", &people[..3]);
    let mut slapd = Slapd::start(SlapdOptions {
        people: people[..9].to_vec(),
        groups: vec![group.clone()],
        ..SlapdOptions::default()
    })
    .unwrap();
    let admin = slapd.admin();
    let (first, last) = (&people[0], &people[9]);

    let mut newcomer = last.clone();
    newcomer.unit = "new-unit".to_owned();
    admin.add_person(&newcomer).unwrap();
    admin.add_member(&group.dn(), &newcomer.dn()).unwrap();
    assert_eq!(admin.values(&newcomer.dn(), "memberOf").unwrap(), [group.dn()]);
    admin.remove_member(&group.dn(), &newcomer.dn()).unwrap();
    assert!(admin.values(&newcomer.dn(), "memberOf").unwrap().is_empty());
    admin.delete(&newcomer.dn()).unwrap();
    assert!(admin.values(&newcomer.dn(), "uid").unwrap().is_empty());

    admin.set(&first.dn(), "title", &["Chief"]).unwrap();
    assert_eq!(admin.values(&first.dn(), "title").unwrap(), ["Chief"]);
    admin.set(&first.dn(), "title", &[]).unwrap();
    assert!(admin.values(&first.dn(), "title").unwrap().is_empty());

    // A rename and a move keep the entry's identity, and the group follows.
    let uuid = admin.values(&first.dn(), "entryUUID").unwrap();
    let renamed = admin.rename(&first.dn(), "uid=somebody.else").unwrap();
    let unit = admin.add_unit("elsewhere").unwrap();
    let moved = admin.move_to(&renamed, &unit).unwrap();
    assert_eq!(moved, format!("uid=somebody.else,ou=elsewhere,{PEOPLE_DN}"));
    assert_eq!(admin.values(&moved, "entryUUID").unwrap(), uuid);
    let members = admin.values(&group.dn(), "member").unwrap();
    assert!(members.contains(&moved) && !members.contains(&first.dn()), "{members:?}");

    // An administrator hears of what the server refused.
    let error = admin.delete(&format!("uid=nobody,{PEOPLE_DN}")).unwrap_err();
    assert!(format!("{error:#}").contains("noSuchObject"), "{error:#}");

    slapd.stop();
    assert!(admin.values(&moved, "uid").is_err(), "a stopped server must not answer");
    slapd.restart().unwrap();
    assert_eq!(admin.values(&moved, "uid").unwrap(), ["somebody.else"]);
}

#[tokio::test]
async fn a_changed_password_shuts_the_reader_out() {
    const INVALID_CREDENTIALS: u32 = 49;
    let slapd = Slapd::start(SlapdOptions::default()).unwrap();
    slapd.admin().set_reader_password("another").unwrap();
    let old = sign_in(LdapConnSettings::new(), &slapd.url(), slapd.reader_password()).await;
    assert!(matches!(old, Err(LdapError::LdapResult { result }) if result.rc == INVALID_CREDENTIALS));
    sign_in(LdapConnSettings::new(), &slapd.url(), "another").await.unwrap();
}

#[tokio::test]
async fn tls_is_trusted_with_the_authority_and_only_with_it() {
    let slapd = Slapd::start(SlapdOptions { tls: true, ..SlapdOptions::default() }).unwrap();
    let ours = LdapConnSettings::new().set_config(trusting(slapd.ca().unwrap()).unwrap());
    let password = slapd.reader_password();
    sign_in(ours.clone(), &slapd.ldaps_url(), password).await.unwrap();
    sign_in(ours.clone(), &slapd.ldaps_url().replace("127.0.0.1", "localhost"), password).await.unwrap();
    sign_in(ours.set_starttls(true), &slapd.url(), password).await.unwrap();

    let other = Slapd::start(SlapdOptions { tls: true, ..SlapdOptions::default() }).unwrap();
    let theirs = LdapConnSettings::new().set_config(trusting(other.ca().unwrap()).unwrap());
    assert!(sign_in(theirs, &slapd.ldaps_url(), password).await.is_err());
}

#[tokio::test]
async fn a_size_limit_ends_a_paged_search_with_result_4() {
    const SIZE_LIMIT_EXCEEDED: u32 = 4;
    let people = people::generate(50, 3);
    let slapd =
        Slapd::start(SlapdOptions { people, size_limit: Some(20), ..SlapdOptions::default() }).unwrap();
    let mut ldap = sign_in(LdapConnSettings::new(), &slapd.url(), slapd.reader_password()).await.unwrap();
    let (count, end) = read_in_pages(&mut ldap, 8).await;
    assert_eq!((count, end.unwrap()), (20, SIZE_LIMIT_EXCEEDED));
}

#[tokio::test]
async fn a_proxy_cuts_a_search_in_the_middle_of_a_page() {
    let people = people::generate(200, 4);
    let slapd = Slapd::start(SlapdOptions { people, ..SlapdOptions::default() }).unwrap();
    let proxy = CuttingProxy::start(slapd.address()).unwrap();
    // How many entries came; an error if that was not the end of them.
    let read = async || {
        let mut ldap = sign_in(LdapConnSettings::new(), &proxy.ldap_url(), slapd.reader_password())
            .await
            .map_err(|_| 0_usize)?;
        let (count, end) = read_in_pages(&mut ldap, 50).await;
        end.map(|_| count).map_err(|_| count)
    };

    assert_eq!(read().await, Ok(200));
    let whole = proxy.bytes_from_server();
    proxy.cut_after(whole / 2);
    let count = read().await.unwrap_err();
    assert!((1..200).contains(&count), "{count} entries came before the cut");
    assert_eq!(proxy.bytes_from_server(), whole + whole / 2);
    read().await.unwrap_err();
    proxy.pass();
    assert_eq!(read().await, Ok(200));
    proxy.cut_once_after(whole / 2);
    read().await.unwrap_err();
    assert_eq!(read().await, Ok(200));
    assert_eq!((proxy.cuts(), proxy.connections()), (3, 6));
}

#[test]
fn a_cut_counts_bytes_exactly_and_closes_both_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = CuttingProxy::start(listener.local_addr().unwrap()).unwrap();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut question = [0; 4];
        client.read_exact(&mut question).unwrap();
        client.write_all(&[b'x'; 1_000]).unwrap();
        // Reading ends because the proxy closes this side too.
        client.read(&mut question).unwrap_or(0)
    });

    proxy.cut_after(123);
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.write_all(b"give").unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert_eq!(answer.len(), 123);
    assert_eq!(server.join().unwrap(), 0);
    assert_eq!((proxy.bytes_to_server(), proxy.bytes_from_server()), (4, 123));
}

#[test]
fn a_server_ends_with_its_owner() {
    let slapd = Slapd::start(SlapdOptions::default()).unwrap();
    let process = format!("/proc/{}", slapd.process_id().unwrap());
    assert!(Path::new(&process).exists());
    drop(slapd);
    assert!(!Path::new(&process).exists());
}

#[test]
fn a_server_ends_even_when_the_test_process_is_killed() {
    // What is killed can't tidy up, so its temporary files go where this test does.
    let dir = TestDir::new().unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "waits_to_be_killed"])
        .env(WAIT_TO_BE_KILLED, "yes")
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = test.stdout.take().unwrap();
    let mut said = String::new();
    let id = loop {
        let mut chunk = [0; 256];
        let count = stdout.read(&mut chunk).unwrap();
        assert!(count > 0, "the child ended early: {said}");
        said.push_str(&String::from_utf8_lossy(&chunk[..count]));
        if let Some((id, _)) = said.split_once("slapd ").and_then(|(_, rest)| rest.split_once('\n')) {
            break id.to_owned();
        }
    };
    test.kill().unwrap();
    test.wait().unwrap();

    // Nobody may be left to collect the process, so what counts is that nothing of it runs.
    let runs =
        || fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|text| !text.contains("State:\tZ"));
    let started = Instant::now();
    while runs() {
        assert!(started.elapsed() < Duration::from_secs(10), "slapd {id} outlived its test");
        thread::sleep(Duration::from_millis(10));
    }
}

const WAIT_TO_BE_KILLED: &str = "END_TO_END_WAIT_TO_BE_KILLED";

/// The other half of the test above: in its child process this starts a server and waits; elsewhere it does nothing.
#[test]
#[expect(clippy::disallowed_methods, reason = "the parent has no other way to tell the test harness's child")]
fn waits_to_be_killed() {
    if std::env::var_os(WAIT_TO_BE_KILLED).is_some() {
        let slapd = Slapd::start(SlapdOptions::default()).unwrap();
        println!("slapd {}", slapd.process_id().unwrap());
        thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn a_test_directory_holds_what_the_provisioner_reads() {
    let slapd = Slapd::start(SlapdOptions::default()).unwrap();
    let dir = TestDir::for_slapd(&slapd, "http://127.0.0.1:9").unwrap();
    let configuration: toml::Table = toml::from_str(&dir.read("corp.toml").unwrap()).unwrap();
    assert_eq!(configuration["directory"]["url"].as_str(), Some(slapd.url().as_str()));
    for section in ["directory", "target"] {
        let secret = configuration[section]["secret"].as_str().unwrap().strip_prefix("file:").unwrap();
        serde_json::from_str::<serde_json::Value>(&dir.read(secret).unwrap()).unwrap();
    }
    let other =
        Configuration { name: "other".to_owned(), ..Configuration::openldap(&slapd, "http://127.0.0.1:9") };
    assert_eq!(dir.configure(&other).unwrap(), dir.file("other.toml"));
}

#[test]
fn the_real_binary_runs() {
    let dir = TestDir::new().unwrap();
    dir.provisioner(["--help"]).timeout(Duration::from_secs(30)).run().unwrap().expect_exit(0);
}
