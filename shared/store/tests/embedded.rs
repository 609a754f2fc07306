//! The engine that keeps the table in a file.

mod common;

use common::*;
use model::{ScanVersion, UnixSeconds};
use store::{Embedded, PastScan, Snapshot, StoreError};

#[tokio::test]
async fn file_keeps_state_after_engine_ends() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    {
        let (_engine, table) = Embedded::open(&path).await?;
        let store = table.connection("corp");
        let scan = scan(&store).await;
        want(&store, &scan, "a", present("a")).await;
        let seen = [(anchor("a").hash(), Some(model::Fingerprint([1; 16])))].into();
        store.save_snapshot(&scan, Snapshot::default(), seen).await?;
    }
    let (_engine, table) = Embedded::open(&path).await?;
    let store = table.connection("corp");
    assert_eq!(record_of(&store, "a").await.unwrap().desired, Some(present("a")));
    assert_eq!(store.fetch_snapshot().await?.len(), 1);
    assert_eq!(store.fetch_due(NOW, 9).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn second_run_learns_lock_holder() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    let first = Embedded::open(&path).await?;
    let error = Embedded::open(&path).await.unwrap_err();
    let StoreError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(*holder, format!("process {}", std::process::id()));
    assert!(error.to_string().contains("another run is in progress"), "{error}");
    drop(first);
    Embedded::open(&path).await?;
    Ok(())
}

#[tokio::test]
async fn file_is_read_while_another_engine_writes() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    let (_writer, table) = Embedded::open(&path).await?;
    let writing = table.connection("corp");
    let scan = scan(&writing).await;
    want(&writing, &scan, "a", present("a")).await;
    let (_reader, table) = Embedded::open_to_read(&path).await?;
    let reading = table.connection("corp");
    for name in ["b", "c", "d"] {
        assert_eq!(record_of(&reading, name).await, None);
        want(&writing, &scan, name, present(name)).await;
        assert!(record_of(&reading, name).await.is_some());
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_links_are_not_followed() -> Result<(), Box<dyn std::error::Error>> {
    for name in ["state.db", "state.db.lock"] {
        let directory = tempfile::tempdir()?;
        let victim = directory.path().join("victim");
        std::fs::write(&victim, "mine")?;
        let link = directory.path().join(name);
        std::os::unix::fs::symlink(&victim, &link)?;
        let error = Embedded::open(&directory.path().join("state.db")).await.unwrap_err().to_string();
        assert!(error.contains("is a symbolic link"), "{error}");
        assert_eq!(std::fs::read_to_string(&victim)?, "mine");
    }
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn file_is_readable_by_owner_only() -> Result<(), Box<dyn std::error::Error>> {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    let (_engine, table) = Embedded::open(&path).await?;
    scan(&table.connection("corp")).await;
    let mut files = 0;
    for file in std::fs::read_dir(directory.path())? {
        let file = file?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        files += 1;
    }
    assert!(files >= 3, "the database, its log and the lock");
    Ok(())
}

#[tokio::test]
async fn file_of_other_content_is_refused() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    std::fs::write(&path, "a letter and no database, long enough for the header of one ".repeat(9))?;
    let [missing, folder] = ["no/such/state.db", "folder"].map(|name| directory.path().join(name));
    std::fs::create_dir(&folder)?;
    for (path, expected) in [
        (&*path, "is no state file; name another file with --state"),
        (&missing, "can't be opened: No such file or directory; create the folder"),
        (&folder, "can't be opened: Is a directory; name a file in it"),
    ] {
        for error in
            [Embedded::open(path).await.unwrap_err(), Embedded::open_to_read(path).await.unwrap_err()]
        {
            assert!(matches!(error, StoreError::Engine { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn missing_table_is_named() {
    let (engine, _table) = Embedded::in_memory().await.unwrap();
    let table = store::Table::new(place::client(&engine.endpoint()), "elsewhere");
    let store = table.connection("corp");
    let error = store.fetch_connection().await.unwrap_err();
    assert_eq!(error, StoreError::NoTable("elsewhere".into()));
    drop(engine);
    let error = store.fetch_connection().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn client_of_stopped_engine_gets_an_error() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    let (engine, table) = Embedded::open(&path).await?;
    let store = table.connection("corp");
    drop(engine);
    let error = store.fetch_connection().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    Embedded::open(&path).await?;
    Ok(())
}

#[tokio::test]
async fn port_serves_the_same_table() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    let (engine, table) = Embedded::open(&path).await?;
    let scan = scan(&table.connection("corp")).await;
    let client = place::client(&engine.endpoint());
    let over_http = store::Table::new(client, table.name()).connection("corp");
    want(&over_http, &scan, "a", present("a")).await;
    assert_eq!(record_of(&table.connection("corp"), "a").await.unwrap().desired, Some(present("a")));
    drop(engine);
    let error = over_http.fetch_connection().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let (_engine, table) = Embedded::open(&path).await?;
    assert!(record_of(&table.connection("corp"), "a").await.is_some());
    Ok(())
}

#[tokio::test]
async fn expired_items_are_deleted_on_request() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    let scan = |version, ended| PastScan {
        version: ScanVersion(version),
        began: UnixSeconds(0),
        ended: UnixSeconds(ended),
        summary: serde_json::Value::Null,
    };
    // The engine uses its own clock, by which the first scan was long ago.
    let [old, young] = [scan(1, 0), scan(2, NOW.0)];
    let (engine, table) = Embedded::open(&path).await?;
    let store = table.connection("corp");
    store.record_scan(&old).await?;
    store.record_scan(&young).await?;
    drop(engine);
    let (engine, table) = Embedded::open(&path).await?;
    let store = table.connection("corp");
    assert_eq!(store.fetch_scans(9).await?.len(), 2, "looking reads no more than it shows");
    engine.delete_expired(&table, NOW).await?;
    assert_eq!(store.fetch_scans(9).await?, std::slice::from_ref(&young));
    store.record_scan(&old).await?;
    engine.delete_expired(&table, NOW.plus(3600)).await?;
    assert_eq!(store.fetch_scans(9).await?.len(), 2, "the file is read once a day");
    engine.delete_expired(&table, NOW.plus(24 * 3600)).await?;
    assert_eq!(store.fetch_scans(9).await?, [young]);
    Ok(())
}

/// Process that the next test kills. It reads the path of the file from its standard input.
#[tokio::test]
#[ignore = "the next test starts it"]
async fn victim() -> Result<(), Box<dyn std::error::Error>> {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path)?;
    if path.is_empty() {
        return Ok(());
    }
    let (_engine, table) = Embedded::open(std::path::Path::new(path.trim())).await?;
    let store = table.connection("corp");
    let scan = scan(&store).await;
    for number in 0.. {
        want(&store, &scan, &format!("u{number}"), present(&format!("u{number}"))).await;
        println!("\nwritten {number}");
    }
    Ok(())
}

#[tokio::test]
async fn writes_survive_a_kill() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.db");
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    writeln!(victim.stdin.take().unwrap(), "{}", path.display())?;
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let written = lines.find(|line| line.as_ref().is_ok_and(|line| line == "written 40"));
    assert!(written.is_some());
    victim.kill()?;
    victim.wait()?;

    let (_engine, table) = Embedded::open(&path).await?;
    let store = table.connection("corp");
    for number in 0..=40 {
        let user = format!("u{number}");
        assert_eq!(record_of(&store, &user).await.unwrap().desired, Some(present(&user)));
        assert_eq!(name_owner(&store, &user_name(&user)).await, Some(anchor(&user)));
    }
    // The successor can take the lease of the killed process.
    scan(&store).await;
    Ok(())
}
