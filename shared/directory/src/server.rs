//! Identity and replication state of the connected server.

use model::{Anchor, Fingerprint, Fingerprinter, Freshness};

use crate::anchor::guid;
use crate::config::DirectoryConfig;
use crate::connection::LdapConnection;
use crate::cursor::{Cursor, ReplicationState};
use crate::directory::Directory;
use crate::dn::context_of;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::root_dse::RootDse;
use crate::search::SearchQuery;

/// Identity and replication state of a server.
#[derive(Debug)]
pub(crate) struct DirectoryServer {
    pub(crate) root: RootDse,
    /// Equal for the same server with the same data.
    pub(crate) identity: Fingerprint,
    /// Id of a domain controller's database. A restored database gets another one.
    pub(crate) invocation: Option<String>,
    pub(crate) replication: Option<ReplicationState>,
    /// Whether entries have `modifyTimestamp`.
    pub(crate) has_timestamps: bool,
}

pub(crate) const MODIFIED: &str = "modifyTimestamp";

impl DirectoryServer {
    /// Reads the root DSE and the base entry. The base entry comes first, because an account without rights gets empty
    /// results with success.
    pub(crate) async fn inspect(directory: &mut Directory) -> Result<Self> {
        let Directory { connection, config, .. } = directory;
        let root = RootDse::read(connection).await?;
        let base_dn = &config.base_dn;
        let operation = DirectoryOperation::ReadingBase(base_dn.clone());
        let query = SearchQuery::entry(base_dn, &[&config.anchor.attribute, MODIFIED], operation);
        let base = connection.search_one(query).await?;
        let base = base.ok_or_else(|| DirectoryError::BaseNotFound(base_dn.clone()))?;
        let invocation = match &root.service {
            Some(service) if root.is_active_directory => invocation(connection, service).await?,
            _ => None,
        };
        let replication = match root.highest_usn {
            Some(usn) => Some(ReplicationState::Usn(usn)),
            None => csns(connection, config, &root).await?,
        };
        let mut hash = Fingerprinter::new("provisioner 2026 directory server");
        hash.text(&root.identity);
        hash.text(invocation.as_deref().unwrap_or_default());
        // Another directory with the same names has another base entry.
        let base_id = config.anchor.of(&base.attributes).ok();
        hash.text(base_id.as_ref().map_or("", Anchor::as_str));
        let has_timestamps = base.attributes.one(MODIFIED).is_some();
        Ok(Self { identity: hash.finish(), root, invocation, replication, has_timestamps })
    }

    /// Reads the replication state again, so that it covers the entries read since. On failure the known state remains.
    pub(crate) async fn update_replication_state(&mut self, directory: &mut Directory) {
        let Directory { connection, config, .. } = directory;
        let now = match &self.replication {
            None => return,
            Some(ReplicationState::Usn(_)) => {
                RootDse::read(connection).await.map(|root| root.highest_usn.map(ReplicationState::Usn))
            }
            Some(ReplicationState::Csn(_)) => csns(connection, config, &self.root).await,
        };
        self.replication = ReplicationState::latest(self.replication.take(), now.ok().flatten());
    }

    /// Whether the server has every change that was known when the cursor was made.
    pub(crate) async fn freshness(
        &self,
        connection: &mut LdapConnection,
        last: &Cursor,
    ) -> Result<Freshness> {
        let older = |is_older| if is_older { Freshness::Older } else { Freshness::NotOlder };
        match (&self.replication, &last.replication) {
            // Change sequence numbers mean the same on every server of a site.
            (Some(now @ ReplicationState::Csn(_)), Some(before @ ReplicationState::Csn(_))) => {
                Ok(older(now.is_behind(before)))
            }
            (Some(now), Some(before)) if self.identity == last.server => Ok(older(now.is_behind(before))),
            _ if self.identity == last.server => Ok(Freshness::NotOlder),
            (_, Some(ReplicationState::Usn(usn))) => match &last.invocation {
                Some(invocation) => self.has_replicated(connection, invocation, *usn).await,
                None => Ok(Freshness::Unknown),
            },
            _ => Ok(Freshness::Unknown),
        }
    }

    /// Whether this domain controller has replicated another one's changes up to a number, by its replication cursors.
    async fn has_replicated(
        &self,
        connection: &mut LdapConnection,
        invocation: &str,
        usn: u64,
    ) -> Result<Freshness> {
        const CURSORS: &str = "msDS-NCReplCursors";
        let Some(domain) = &self.root.domain else { return Ok(Freshness::Unknown) };
        let query = SearchQuery::entry(domain, &[CURSORS], DirectoryOperation::ReadingRootDse);
        let Some(entry) = connection.search_one(query).await? else { return Ok(Freshness::Unknown) };
        let found = entry.attributes.all(CURSORS).iter().find_map(|value| {
            let text = String::from_utf8_lossy(value);
            let id = between(&text, "<uuidSourceDsaInvocationID>", "</")?;
            let up_to: u64 = between(&text, "<usnAttributeFilter>", "</")?.trim().parse().ok()?;
            (id.trim().eq_ignore_ascii_case(invocation)).then_some(up_to)
        });
        Ok(match found {
            Some(up_to) if up_to >= usn => Freshness::NotOlder,
            Some(_) => Freshness::Older,
            None => Freshness::Unknown,
        })
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

async fn invocation(connection: &mut LdapConnection, service: &str) -> Result<Option<String>> {
    const INVOCATION: &str = "invocationId";
    let query = SearchQuery::entry(service, &[INVOCATION], DirectoryOperation::ReadingRootDse);
    let Some(entry) = connection.search_one(query).await? else { return Ok(None) };
    Ok(entry.attributes.one(INVOCATION).and_then(guid).map(|id| id.to_string()))
}

/// Replication state of an OpenLDAP server; `None` if the root of the tree is not readable.
async fn csns(
    connection: &mut LdapConnection,
    config: &DirectoryConfig,
    root: &RootDse,
) -> Result<Option<ReplicationState>> {
    const CONTEXT_CSN: &str = "contextCSN";
    let context = context_of(&config.base_dn, &root.contexts).unwrap_or(&config.base_dn);
    let query = SearchQuery::entry(context, &[CONTEXT_CSN], DirectoryOperation::ReadingRootDse);
    match connection.search_one(query).await {
        Ok(entry) => Ok(entry.and_then(|entry| ReplicationState::of_csns(entry.attributes.all(CONTEXT_CSN)))),
        Err(DirectoryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
