//! Identity and replication state of the connected server.

use model::{Anchor, Attributes, Fingerprint, Fingerprinter};

use crate::anchor::guid;
use crate::change_time::{CREATED, MODIFIED, newest_change};
use crate::config::DirectoryConfig;
use crate::connection::LdapConnection;
use crate::cursor::Cursor;
use crate::directory::Directory;
use crate::dn::context_of;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::root_dse::RootDse;
use crate::search::SearchQuery;
use crate::server_state::{ReplicationState, ServerState};

/// Identity and replication state of a server.
#[derive(Debug)]
pub(crate) struct DirectoryServer {
    pub(crate) root: RootDse,
    /// State of the server, without the newest change.
    state: ServerState,
    /// Newest change among the users that were read.
    newest_of_users: Option<String>,
    /// Newest change of the base entry and the groups in scope.
    newest_of_others: Option<String>,
    /// Whether entries have `modifyTimestamp`.
    pub(crate) has_timestamps: bool,
}

impl DirectoryServer {
    /// Reads the root DSE and the base entry. The base entry comes first, because an account without rights gets empty
    /// results with success.
    pub(crate) async fn inspect(directory: &mut Directory) -> Result<Self> {
        let url = directory.url().to_owned();
        let Directory { connection, config, .. } = directory;
        let root = RootDse::read(connection).await?;
        let base_dn = &config.base_dn;
        let operation = DirectoryOperation::ReadingBase(base_dn.clone());
        let query = SearchQuery::entry(base_dn, &[&config.anchor.attribute, MODIFIED, CREATED], operation);
        let base = connection.search_one(query).await?;
        let base = base.ok_or_else(|| DirectoryError::BaseNotFound(base_dn.clone()))?;
        directory.base_dn.clone_from(&base.dn);
        let invocation = match &root.service {
            Some(service) if root.is_active_directory => invocation(connection, service).await?,
            _ => None,
        };
        let suffix = suffix(connection, (config, &base.dn), &root).await?.unwrap_or_default();
        let csns = ReplicationState::of_csns(suffix.all(CONTEXT_CSN));
        let replication = root.highest_usn.map(ReplicationState::Usn).or(csns);
        // Another directory with the same names has another suffix entry.
        let suffix_id = config.anchor.of(&suffix).or_else(|_| config.anchor.of(&base.attributes)).ok();
        let suffix_id = suffix_id.as_ref().map_or("", Anchor::as_str);
        let mut hash = Fingerprinter::new("provisioner 2026 directory server");
        hash.text(&root.identity);
        hash.text(invocation.as_deref().unwrap_or_default());
        hash.text(suffix_id);
        hash.text(if root.has_own_name { "" } else { &url });
        let identity = hash.finish();
        let site = site(suffix_id);
        let has_timestamps = base.attributes.one(MODIFIED).is_some();
        let newest_of_others = newest_change(None, &base.attributes);
        let state = ServerState { identity, site, invocation, replication, newest: None };
        Ok(Self { root, state, newest_of_users: None, newest_of_others, has_timestamps })
    }

    /// State of the server, with the newest change that was read so far. Where no user shows a time, the times of other
    /// entries are no mark, because they rarely change. Nor is a time a mark where several servers write: a server with a
    /// later change of its own can lack changes of the others.
    pub(crate) fn state(&self) -> ServerState {
        let Self { root, state, newest_of_users, newest_of_others, .. } = self;
        if root.is_openldap_provider {
            return state.clone();
        }
        let newest = newest_of_users.clone().map(|newest| Some(newest).max(newest_of_others.clone()));
        ServerState { newest: newest.flatten(), ..state.clone() }
    }

    pub(crate) fn identity(&self) -> Fingerprint {
        self.state.identity
    }

    pub(crate) fn replication(&self) -> Option<&ReplicationState> {
        self.state.replication.as_ref()
    }

    /// Notes the time of a user's latest change.
    pub(crate) fn note_user(&mut self, attributes: &Attributes) {
        self.newest_of_users = newest_change(self.newest_of_users.take(), attributes);
    }

    /// Notes the times of the groups in scope.
    pub(crate) fn note_groups(&mut self, newest: Option<&String>) {
        self.newest_of_others = self.newest_of_others.take().max(newest.cloned());
    }

    /// Whether the entries must show their latest change, because nothing else shows how recent the data is.
    pub(crate) fn reads_change_times(&self, last: Option<&Cursor>) -> bool {
        let is_timed = |state: &ServerState| state.replication.is_none();
        is_timed(&self.state) || last.is_some_and(|last| last.known.iter().any(is_timed))
    }

    /// Reads the replication state again, so that it covers the entries read since. On failure the known state remains.
    pub(crate) async fn update_replication_state(&mut self, directory: &mut Directory) {
        let Directory { connection, config, base_dn, .. } = directory;
        let now = match &self.state.replication {
            None => return,
            Some(ReplicationState::Usn(_)) => {
                RootDse::read(connection).await.map(|root| root.highest_usn.map(ReplicationState::Usn))
            }
            Some(ReplicationState::Csn(_)) => suffix(connection, (config, base_dn), &self.root)
                .await
                .map(|suffix| ReplicationState::of_csns(suffix.unwrap_or_default().all(CONTEXT_CSN))),
        };
        self.state.replication = ReplicationState::latest(self.state.replication.take(), now.ok().flatten());
    }
}

/// Fingerprint of a directory that several servers replicate; `None` if its suffix entry has no readable anchor.
fn site(suffix_id: &str) -> Option<Fingerprint> {
    let mut hash = Fingerprinter::new("provisioner 2026 directory site");
    hash.text(suffix_id);
    (!suffix_id.is_empty()).then(|| hash.finish())
}

async fn invocation(connection: &mut LdapConnection, service: &str) -> Result<Option<String>> {
    const INVOCATION: &str = "invocationId";
    let query = SearchQuery::entry(service, &[INVOCATION], DirectoryOperation::ReadingRootDse);
    let Some(entry) = connection.search_one(query).await? else { return Ok(None) };
    Ok(entry.attributes.one(INVOCATION).and_then(guid).map(|id| id.to_string()))
}

const CONTEXT_CSN: &str = "contextCSN";

/// Anchor and OpenLDAP's replication state of the root of the tree; `None` if it is not readable.
async fn suffix(
    connection: &mut LdapConnection,
    (config, base_dn): (&DirectoryConfig, &str),
    root: &RootDse,
) -> Result<Option<Attributes>> {
    let context = context_of(base_dn, &root.contexts).unwrap_or(base_dn);
    let attributes = [config.anchor.attribute.as_str(), CONTEXT_CSN];
    let query = SearchQuery::entry(context, &attributes, DirectoryOperation::ReadingRootDse);
    match connection.search_one(query).await {
        Ok(entry) => Ok(entry.map(|entry| entry.attributes)),
        Err(DirectoryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
