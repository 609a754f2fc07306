//! Runs alone in its process, so that ports of other tests are not counted.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail loudly, helpers included")]

use std::collections::BTreeSet;

use store::{BreakerReason, Embedded};

/// Ports on which this process listens.
fn listening() -> BTreeSet<String> {
    let sockets: BTreeSet<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| Some(std::fs::read_link(fd.ok()?.path()).ok()?.to_str()?.to_owned()))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables =
        ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines
        .filter_map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
            (*state == "0A" && sockets.contains(*inode)).then(|| (*local).to_owned())
        })
        .collect()
}

#[tokio::test]
async fn engine_opens_no_port_unless_asked() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let (engine, table) = Embedded::open(&directory.path().join("state.db")).await?;
    let store = table.connection("corp");
    store.open_breaker(BreakerReason::Unavailable, model::UnixSeconds(0), 1).await?;
    assert_eq!(listening(), BTreeSet::new());

    let endpoint = engine.endpoint();
    assert_eq!(engine.endpoint(), endpoint, "one port");
    assert_eq!(listening().len(), 1);
    drop(engine);
    assert_eq!(listening(), BTreeSet::new());
    Ok(())
}
