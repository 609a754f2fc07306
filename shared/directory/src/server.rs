//! Which server answers, and how much it knows.

use model::{Anchor, Fingerprint, Fingerprinter, Freshness};

use crate::config::DirectoryConfig;
use crate::connection::Connection;
use crate::cursor::{Cursor, Mark};
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::root_dse::RootDse;
use crate::search::Query;

/// What is known about the server that answers.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) root: RootDse,
    /// The same for the same server with the same data.
    pub(crate) identity: Fingerprint,
    /// A domain controller's database. It gets another id when it is restored from a backup.
    pub(crate) invocation: Option<String>,
    pub(crate) mark: Option<Mark>,
    /// Whether entries show when they were last modified.
    pub(crate) has_timestamps: bool,
}

const INVOCATION: &str = "invocationId";
const CONTEXT_CSN: &str = "contextCSN";
pub(crate) const MODIFIED: &str = "modifyTimestamp";

impl Server {
    /// Looks at the server and at the base entry. That the base entry can be read is the first thing to know: an
    /// account that has lost its rights gets empty answers with success.
    pub(crate) async fn look(
        connection: &mut Connection,
        config: &DirectoryConfig,
    ) -> Result<Self, DirectoryError> {
        let root = RootDse::read(connection).await?;
        let base_dn = &config.base_dn;
        let anchor = &config.anchor.attribute;
        let doing = DirectoryOperation::ReadingBase { base_dn: base_dn.clone() };
        let base = connection.ask_for_one(Query::one(base_dn, &[anchor, MODIFIED], doing)).await?;
        let base = base.ok_or_else(|| DirectoryError::BaseNotFound { base_dn: base_dn.clone() })?;
        let invocation = match &root.service {
            Some(service) if root.is_active_directory => invocation(connection, service).await?,
            _ => None,
        };
        let mark = match root.highest_usn {
            Some(usn) => Some(Mark::Usn(usn)),
            None => csns(connection, context_of(base_dn, &root.contexts).unwrap_or(base_dn)).await?,
        };
        let mut hash = Fingerprinter::new("provisioner 2026 directory server");
        hash.text(&root.identity);
        hash.text(invocation.as_deref().unwrap_or_default());
        // Another directory with the same names has another base entry.
        let base_id = config.anchor.of(&base.attributes).ok();
        hash.text(base_id.as_ref().map_or("", Anchor::as_str));
        let has_timestamps = base.attributes.one(MODIFIED).is_some();
        Ok(Self { identity: hash.finish(), root, invocation, mark, has_timestamps })
    }

    /// Looks how much it knows by now, so that what was seen since is covered. Where that can't be had, what was known
    /// before stands.
    pub(crate) async fn update_replication_state(
        &mut self,
        connection: &mut Connection,
        config: &DirectoryConfig,
    ) {
        let now = match &self.mark {
            None => return,
            Some(Mark::Usn(_)) => RootDse::read(connection).await.map(|root| root.highest_usn.map(Mark::Usn)),
            Some(Mark::Csn(_)) => {
                csns(connection, context_of(&config.base_dn, &self.root.contexts).unwrap_or(&config.base_dn))
                    .await
            }
        };
        self.mark = Mark::later(self.mark.take(), now.ok().flatten());
    }

    /// Whether it knows at least what was known when the cursor was made.
    pub(crate) async fn freshness(
        &self,
        connection: &mut Connection,
        before: &Cursor,
    ) -> Result<Freshness, DirectoryError> {
        let older = |is_older| if is_older { Freshness::Older } else { Freshness::NotOlder };
        match (&self.mark, &before.mark) {
            // Marks of this kind mean the same on every server.
            (Some(now @ Mark::Csn(_)), Some(before @ Mark::Csn(_))) => Ok(older(now.is_behind(before))),
            (Some(now), Some(before_mark)) if self.identity == before.server => {
                Ok(older(now.is_behind(before_mark)))
            }
            _ if self.identity == before.server => Ok(Freshness::NotOlder),
            (_, Some(Mark::Usn(usn))) => match &before.invocation {
                Some(invocation) => self.has_taken_over(connection, invocation, *usn).await,
                None => Ok(Freshness::Unknown),
            },
            _ => Ok(Freshness::Unknown),
        }
    }

    /// Whether this domain controller has taken over what another one had done up to a number, as its replication
    /// cursors say.
    async fn has_taken_over(
        &self,
        connection: &mut Connection,
        invocation: &str,
        usn: u64,
    ) -> Result<Freshness, DirectoryError> {
        const CURSORS: &str = "msDS-NCReplCursors";
        let Some(domain) = &self.root.domain else { return Ok(Freshness::Unknown) };
        let query = Query::one(domain, &[CURSORS], DirectoryOperation::ReadingRootDse);
        let Some(entry) = connection.ask_for_one(query).await? else { return Ok(Freshness::Unknown) };
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

async fn invocation(connection: &mut Connection, service: &str) -> Result<Option<String>, DirectoryError> {
    let query = Query::one(service, &[INVOCATION], DirectoryOperation::ReadingRootDse);
    let Some(entry) = connection.ask_for_one(query).await? else { return Ok(None) };
    let bytes = entry.attributes.one(INVOCATION).and_then(|value| <[u8; 16]>::try_from(value).ok());
    Ok(bytes.map(|bytes| Anchor::from_guid(bytes).to_string()))
}

async fn csns(connection: &mut Connection, context: &str) -> Result<Option<Mark>, DirectoryError> {
    let query = Query::one(context, &[CONTEXT_CSN], DirectoryOperation::ReadingRootDse);
    match connection.ask_for_one(query).await {
        Ok(entry) => Ok(entry.and_then(|entry| Mark::of_csns(entry.attributes.all(CONTEXT_CSN)))),
        // Whoever may not read the tree's root does without.
        Err(DirectoryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tree that holds an entry, among the roots of all trees.
pub(crate) fn context_of<'a>(dn: &str, contexts: &'a [String]) -> Option<&'a str> {
    let plain = |dn: &str| dn.to_lowercase().split(',').map(str::trim).collect::<Vec<_>>().join(",");
    let dn = plain(dn);
    let holds = |context: &&String| {
        let context = plain(context);
        !context.is_empty() && (dn == context || dn.ends_with(&format!(",{context}")))
    };
    contexts.iter().filter(holds).max_by_key(|context| context.len()).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_tree_holds_an_entry() {
        let contexts = ["DC=corp,DC=example", "DC=eu,DC=corp,DC=example", ""].map(str::to_owned);
        assert_eq!(
            context_of("cn=g, dc=eu, dc=corp, dc=example", &contexts),
            Some("DC=eu,DC=corp,DC=example")
        );
        assert_eq!(context_of("CN=g,DC=corp,DC=example", &contexts), Some("DC=corp,DC=example"));
        assert_eq!(context_of("DC=corp,DC=example", &contexts), Some("DC=corp,DC=example"));
        assert_eq!(context_of("DC=xcorp,DC=example", &contexts), None);
    }
}
