//! Two servers of one directory, of which the second lags or shows a part: no user in scope is deactivated, and no removal
//! waits for ever.

use std::{collections::BTreeSet, net::SocketAddr};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{
    BASE_DN, CuttingProxy, DirectoryAdmin, Ds389, EngineFixture, READER_DN, Slapd, SlapdOptions,
    active_names, advance_clock,
};
use scan::{Approval, ScanMode, ScanSummary};
use serde_json::Value;

use super::differential::{block_on, connection, engine};

/// How the provisioner reaches the servers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Route {
    /// A list of addresses; the first one is down.
    List,
    /// One address of a balancer, which turns to the second server.
    Balancer,
}

/// What the reading account may see of the marks by which a server shows how recent its data is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rights {
    All,
    NoContextCsn,
    NoMarks,
}

/// Data of the second server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Data {
    /// It lacks the last two hires.
    Lags,
    /// It lacks them, and has a later change of its own.
    LagsWithOwnChange,
    /// It lacks them, and ends each search after a few entries.
    LagsWithSizeLimit,
}

/// One case, what the scan says, and what lets removals go on.
struct Cell {
    product: DirectoryProduct,
    route: Route,
    rights: Rights,
    data: Data,
    says: &'static str,
    /// Scans of the second server until a leaver is off, once it has caught up.
    scans_after_catching_up: usize,
}

const SIZE_LIMIT: &str = "LDAP result 4 (size limit exceeded)";
const LOOK_THROUGH_LIMIT: &str = "LDAP result 11 (administrative limit exceeded)";

fn cells() -> Vec<Cell> {
    use Data::{Lags, LagsWithOwnChange, LagsWithSizeLimit};
    use DirectoryProduct::{Ds389, OpenLdap};
    use Rights::{All, NoContextCsn, NoMarks};
    use Route::{Balancer, List};
    [
        // Its own contextCSN shows that it has caught up.
        (OpenLdap, List, All, Lags, "older than at the last read (contextCSN)", 1),
        (OpenLdap, Balancer, All, Lags, "older than at the last read (contextCSN)", 1),
        // Another address shares no mark with the first, so a second read in a row has to agree.
        (OpenLdap, List, NoContextCsn, Lags, "another server answered", 2),
        (OpenLdap, List, NoMarks, Lags, "another server answered", 2),
        // Behind one address nothing tells the providers apart, and a later change can be the second server's own.
        (OpenLdap, Balancer, NoContextCsn, Lags, "nothing shows how recent its data is", 2),
        (OpenLdap, Balancer, NoContextCsn, LagsWithOwnChange, "nothing shows how recent its data is", 2),
        (OpenLdap, Balancer, NoMarks, Lags, "nothing shows how recent its data is", 2),
        // The read itself is incomplete until the limit is raised.
        (OpenLdap, List, All, LagsWithSizeLimit, "older than at the last read (contextCSN)", 1),
        (OpenLdap, List, NoContextCsn, LagsWithSizeLimit, SIZE_LIMIT, 2),
        (OpenLdap, List, NoMarks, LagsWithSizeLimit, SIZE_LIMIT, 2),
        (OpenLdap, Balancer, NoContextCsn, LagsWithSizeLimit, SIZE_LIMIT, 2),
        (OpenLdap, Balancer, NoMarks, LagsWithSizeLimit, SIZE_LIMIT, 2),
        // The reader sees no replication state in 389 Directory Server. The root DSE names the server, so that another one is
        // recognised behind one address too, and a second read in a row has to agree.
        (Ds389, List, All, Lags, "another server answered", 2),
        (Ds389, Balancer, All, Lags, "another server answered", 2),
        (Ds389, Balancer, All, LagsWithOwnChange, "another server answered", 2),
        (Ds389, Balancer, NoMarks, Lags, "another server answered", 2),
        (Ds389, List, All, LagsWithSizeLimit, LOOK_THROUGH_LIMIT, 2),
    ]
    .map(|(product, route, rights, data, says, scans_after_catching_up)| Cell {
        product,
        route,
        rights,
        data,
        says,
        scans_after_catching_up,
    })
    .into()
}

/// DirectoryProduct of the servers of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
enum DirectoryProduct {
    OpenLdap,
    Ds389,
}

/// One server of a pair.
enum Server {
    OpenLdap(Slapd),
    Ds389(Ds389),
}

impl Server {
    fn start(product: DirectoryProduct, rights: Rights) -> Result<Self> {
        let hidden: &[&str] = match rights {
            Rights::All => &[],
            Rights::NoContextCsn => &["contextCSN"],
            Rights::NoMarks => &["contextCSN", "modifyTimestamp", "createTimestamp"],
        };
        Ok(match product {
            DirectoryProduct::OpenLdap => {
                let rule = format!("access to attrs={} by * none", hidden.join(","));
                Self::OpenLdap(Slapd::start(SlapdOptions {
                    access_lines: if hidden.is_empty() { Vec::new() } else { vec![rule] },
                    database_lines: vec!["syncprov-sessionlog 1000".to_owned()],
                    ..SlapdOptions::default()
                })?)
            }
            DirectoryProduct::Ds389 => {
                let server = Ds389::start()?;
                if let [_, times @ ..] = hidden {
                    server.hide(&times.join(" || "))?;
                }
                Self::Ds389(server)
            }
        })
    }

    /// A second server with the current data, without limits.
    fn copy(&mut self) -> Result<Self> {
        Ok(match self {
            Self::OpenLdap(slapd) => Self::OpenLdap(slapd.copy()?),
            Self::Ds389(server) => Self::Ds389(server.copy()?),
        })
    }

    /// The same, but each search of the reader ends after a few entries.
    fn copy_with_limit(&mut self) -> Result<Self> {
        Ok(match self {
            Self::OpenLdap(slapd) => {
                Self::OpenLdap(slapd.copy_with(&format!(
                    "limits dn.exact={READER_DN} size.soft=3 size.hard=3 size.prtotal=3"
                ))?)
            }
            Self::Ds389(server) => {
                let copy = server.copy()?;
                copy.limit_look_through(3)?;
                Self::Ds389(copy)
            }
        })
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::OpenLdap(slapd) => slapd.address(),
            Self::Ds389(server) => server.address(),
        }
    }

    fn admin(&self) -> DirectoryAdmin {
        match self {
            Self::OpenLdap(slapd) => slapd.admin(),
            Self::Ds389(server) => server.admin(),
        }
    }

    fn kind_and_secret(&self) -> (&'static str, Value) {
        match self {
            Self::OpenLdap(slapd) => ("openldap", slapd.reader_secret()),
            Self::Ds389(server) => ("389ds", server.reader_secret()),
        }
    }

    fn hire(&self, number: usize) -> Result<()> {
        hire(&self.admin(), number)
    }

    /// Changes a user's title until the change has a later time than another. The clock of the servers counts seconds.
    fn change_after(&self, number: usize, time: &str) -> Result<()> {
        while newest_change(&self.admin())?.as_str() <= time {
            self.admin().set(&dn(number), "title", &["changed"])?;
        }
        Ok(())
    }
}

/// A directory whose second server gets no later change.
struct Pair {
    first: Server,
    second: Server,
    first_address: CuttingProxy,
    second_address: CuttingProxy,
    route: Route,
    engine: EngineFixture,
}

impl Pair {
    /// Six users. The last two exist on the first server only.
    async fn start(product: DirectoryProduct, route: Route, rights: Rights, data: Data) -> Result<Self> {
        let mut first = Server::start(product, rights)?;
        let first_address = CuttingProxy::start(first.address())?;
        let second_address = CuttingProxy::start(first.address())?;
        let urls = match route {
            Route::List => format!("[\"{}\", \"{}\"]", first_address.ldap_url(), second_address.ldap_url()),
            Route::Balancer => format!("\"{}\"", first_address.ldap_url()),
        };
        let (kind, secret) = first.kind_and_secret();
        let configuration = connection(kind, &urls, BASE_DN, SCOPE);
        let engine = engine(&configuration, &secret).await?;
        for number in 0..4 {
            first.hire(number)?;
        }
        for _ in 0..2 {
            engine.scan(ScanMode::Auto).await?;
        }
        engine.provision_due().await?;
        let second = match data {
            Data::LagsWithSizeLimit => first.copy_with_limit()?,
            Data::Lags | Data::LagsWithOwnChange => first.copy()?,
        };
        first_address.redirect(first.address());
        let before = newest_change(&first.admin())?;
        first.hire(4)?;
        first.change_after(4, &before)?;
        first.hire(5)?;
        if data == Data::LagsWithOwnChange {
            second.change_after(3, &newest_change(&first.admin())?)?;
        }
        for _ in 0..2 {
            engine.scan(ScanMode::Auto).await?;
        }
        engine.provision_due().await?;
        let pair = Self { first, second, first_address, second_address, route, engine };
        ensure!(pair.active().len() == 6, "{:?}", pair.active());
        Ok(pair)
    }

    fn active(&self) -> BTreeSet<String> {
        active_names(&self.engine.workplace)
    }

    /// Lets the second server answer.
    fn turn_to_second(&self) {
        match self.route {
            Route::List => {
                self.second_address.redirect(self.second.address());
                self.first_address.cut_after(0);
            }
            Route::Balancer => self.first_address.redirect(self.second.address()),
        }
    }

    /// Lets the first server answer again.
    fn turn_to_first(&self) {
        self.first_address.pass();
        self.first_address.redirect(self.first.address());
    }

    async fn scan(&self) -> Result<ScanSummary> {
        advance_clock(30);
        let summary = self.engine.scan(ScanMode::Auto).await?;
        self.engine.provision_due().await?;
        Ok(summary)
    }
}

const SCOPE: &str = "filter = \"(mail=*)\"";

fn dn(number: usize) -> String {
    format!("uid=p{number},{BASE_DN}")
}

fn mail(number: usize) -> String {
    format!("p{number}@acme.test")
}

fn hire(admin: &DirectoryAdmin, number: usize) -> Result<()> {
    let mail = mail(number);
    let attributes = [("objectClass", "inetOrgPerson"), ("cn", &mail), ("sn", "P"), ("mail", &mail)];
    admin.add(&dn(number), attributes)
}

/// Latest change of the last users.
fn newest_change(admin: &DirectoryAdmin) -> Result<String> {
    let times = [3, 4, 5].map(|number| admin.values(&dn(number), "modifyTimestamp"));
    let times: Vec<String> = times.into_iter().filter_map(Result::ok).flatten().collect();
    times.into_iter().max().context("no user has a time")
}

#[test]
fn second_server_that_lags_deprovisions_no_user() {
    for Cell { product, route, rights, data, says, scans_after_catching_up } in cells() {
        let what = format!("{product:?}, {route:?}, {rights:?}, {data:?}");
        block_on(async {
            let mut pair = Pair::start(product, route, rights, data).await.with_context(|| what.clone())?;
            let all = pair.active();
            pair.turn_to_second();
            let summary = pair.scan().await.with_context(|| what.clone())?;
            println!("{what}: {:?}", summary.incomplete);
            assert_eq!(pair.active(), all, "{what}: {summary:?}");
            assert!(summary.incomplete.as_ref().is_some_and(|why| why.contains(says)), "{what}: {summary:?}");

            // Back to the first server: nothing changes, and the second scan at the latest is complete.
            pair.turn_to_first();
            pair.scan().await?;
            let summary = pair.scan().await?;
            assert_eq!(pair.active(), all, "{what}: {summary:?}");
            assert!(summary.complete, "{what}: {summary:?}");

            // The second server catches up, and a user leaves.
            pair.first.admin().delete(&dn(0))?;
            pair.second = pair.first.copy()?;
            pair.turn_to_second();
            for scan in 1..=scans_after_catching_up {
                let summary = pair.scan().await?;
                let is_off = !pair.active().contains(&mail(0));
                assert_eq!(is_off, scan == scans_after_catching_up, "{what}, scan {scan}: {summary:?}");
            }
            assert_eq!(pair.active().len(), 5, "{what}");
            Ok(())
        });
    }
}

/// The first server does not come back, so the entries that only it had are gone.
#[test]
fn lasting_takeover_goes_on_after_two_reads_or_an_approval() {
    for rights in [Rights::NoContextCsn, Rights::NoMarks] {
        block_on(async {
            let pair = Pair::start(DirectoryProduct::OpenLdap, Route::List, rights, Data::Lags).await?;
            pair.turn_to_second();
            let summary = pair.scan().await?;
            let why = summary.incomplete.clone().unwrap_or_default();
            assert!(why.contains("2 removals wait"), "{why}");
            let summary = pair.scan().await?;
            assert_eq!((summary.complete, summary.deprovisioned), (true, 2), "{summary:?}");
            assert_eq!(summary.freshness.as_deref(), Some("second complete read of the same server"));
            Ok(())
        });
    }
    // A server that is known to be behind never agrees with itself, so it takes an approval.
    block_on(async {
        let pair = Pair::start(DirectoryProduct::OpenLdap, Route::List, Rights::All, Data::Lags).await?;
        pair.turn_to_second();
        for _ in 0..3 {
            let summary = pair.scan().await?;
            assert_eq!((summary.complete, summary.read), (false, 0), "{summary:?}");
        }
        let why = pair.scan().await?.incomplete.unwrap_or_default();
        let hash = why.split("approve ").nth(1).and_then(|rest| rest.get(..12)).context("no hash")?;
        assert_eq!(scan::approve(&pair.engine.context(), hash, "operator").await?, Approval::Server);
        let summary = pair.scan().await?;
        assert_eq!((summary.complete, summary.deprovisioned), (true, 2), "{summary:?}");
        Ok(())
    });
}

/// A provider with another serverID took over, or a retired serverID was removed: creations go on.
#[test]
fn other_writing_servers_stop_no_creation() {
    let id = |id: u32| SlapdOptions {
        global_lines: vec![format!("serverID {id}")],
        database_lines: vec!["syncprov-sessionlog 1000".to_owned()],
        ..SlapdOptions::default()
    };
    let mut first = Slapd::start(id(1)).unwrap();
    for number in 0..3 {
        hire(&first.admin(), number).unwrap();
    }
    let address = CuttingProxy::start(first.address()).unwrap();
    block_on(async {
        let configuration = connection("openldap", &format!("{:?}", address.ldap_url()), BASE_DN, SCOPE);
        let engine = engine(&configuration, &first.reader_secret()).await?;
        engine.sync().await?;
        let csns = first.admin().values(BASE_DN, "contextCSN")?;
        ensure!(csns.iter().all(|csn| csn.contains("#001#")), "{csns:?}");
        let second = first.copy_as_other_provider(1, 2)?;
        address.redirect(second.address());
        hire(&second.admin(), 7)?;
        second.admin().delete(&dn(0))?;
        let csns = second.admin().values(BASE_DN, "contextCSN")?;
        ensure!(csns.iter().all(|csn| csn.contains("#002#")), "{csns:?}");

        advance_clock(30);
        let summary = engine.scan(ScanMode::Auto).await?;
        engine.provision_due().await?;
        let why = summary.incomplete.clone().unwrap_or_default();
        assert!(why.contains("other writing servers"), "{summary:?}");
        let active = active_names(&engine.workplace);
        assert!(active.contains(&mail(7)) && active.contains(&mail(0)), "{active:?}");
        let summary = engine.scan(ScanMode::Auto).await?;
        engine.provision_due().await?;
        assert_eq!((summary.complete, summary.deprovisioned), (true, 1), "{summary:?}");
        Ok(())
    });
}

/// A replica id is retired and another one takes its place: nothing waits, because the server is the same.
#[test]
fn replica_of_389_directory_server_with_another_id_stops_no_change() {
    let server = Ds389::start().unwrap();
    let admin = server.admin();
    server.set_replica_id(1).unwrap();
    (0..3).for_each(|number| hire(&admin, number).unwrap());
    block_on(async {
        let configuration = connection("389ds", &format!("{:?}", server.url()), BASE_DN, SCOPE);
        let engine = engine(&configuration, &server.reader_secret()).await?;
        engine.sync().await?;
        server.set_replica_id(2)?;
        hire(&admin, 7)?;
        admin.delete(&dn(0))?;
        for mode in [ScanMode::Auto, ScanMode::Full] {
            advance_clock(30);
            let summary = engine.scan(mode).await?;
            engine.provision_due().await?;
            assert!(summary.complete, "{summary:?}");
        }
        let expected: BTreeSet<String> = [1, 2, 7].map(mail).into();
        assert_eq!(active_names(&engine.workplace), expected);
        Ok(())
    });
}
