//! What is read of the directory: everybody, or what has changed since the last time.

use directory::{
    ChangeRead, ChangeResponse, ChangeSet, Cursor, Directory, FullRead, ReadItem, ScopeComparison,
};
use model::{Anchor, AnchorHash, CompleteRead, Fingerprint, IncompleteRead, UnixSeconds};
use serde::{Deserialize, Serialize};
use store::{Snapshot, Store, StoreError};

use crate::{ScanContext, ScanError};

/// How the directory is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanMode {
    /// What has changed; everybody every few hours, and whenever the changes can't be told.
    #[default]
    Auto,
    /// Everybody.
    Full,
    /// What has changed; everybody only if the changes can't be told.
    Incremental,
}

/// What a scan leaves behind for the next one to go on from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    cursor: Cursor,
    /// Under which configuration entries were looked at. Under another everybody has to be looked at again.
    configuration: Fingerprint,
    /// When everybody was read.
    full_at: UnixSeconds,
}

/// A read that has begun.
pub struct Reading<'d> {
    kind: Kind<'d>,
    checkpoint: Checkpoint,
    /// What is remembered.
    last: Option<Checkpoint>,
    /// Why everybody is read.
    pub(crate) full_reason: Option<String>,
    /// Whether the read before was of the same directory, and asked the same.
    pub(crate) asks_again: bool,
    /// Why the read can't be complete any more. What is read of it counts all the same.
    broken: Option<IncompleteRead>,
}

enum Kind<'d> {
    Everybody(Box<FullRead<'d>>),
    Changes(Box<ChangeRead<'d>>),
}

const NOTHING_TO_GO_ON_FROM: &str = "there is nothing to go on from";

impl<'d> Reading<'d> {
    /// Begins to read, with as much of the last snapshot as that needs.
    pub async fn begin(
        context: &ScanContext<'_>,
        directory: &'d mut Directory,
        mode: ScanMode,
    ) -> Result<(Snapshot, Self), ScanError> {
        let now = (context.clock)();
        let configuration = context.policy.fingerprint;
        let last = context.store.fetch_connection().await?.cursor;
        let last: Option<Checkpoint> = last.and_then(|last| serde_json::from_value(last).ok());
        let why_full = match &last {
            _ if mode == ScanMode::Full => "it was asked for".to_owned(),
            None => NOTHING_TO_GO_ON_FROM.to_owned(),
            Some(last) if !last.cursor.is_resumable() => NOTHING_TO_GO_ON_FROM.to_owned(),
            Some(last) if last.configuration != configuration => "the configuration has changed".to_owned(),
            Some(last) if mode == ScanMode::Auto && last.is_old(context, now) => {
                let hours = context.policy.full_read_hours;
                format!("the last time was {hours} hours ago or more")
            }
            Some(last) => match directory.changes(&last.cursor, now).await? {
                ChangeResponse::FullScanNeeded(why) => why,
                ChangeResponse::Changes(mut changed) => {
                    let (snapshot, compared) = prepare(context.store, directory, &mut changed).await?;
                    let broken = match compared {
                        ScopeComparison::FullScanNeeded(why) => {
                            return Self::of_everybody(context, directory, Some(last), why).await;
                        }
                        ScopeComparison::Incomplete(incomplete) => Some(incomplete),
                        ScopeComparison::Done => None,
                    };
                    let kind = Kind::Changes(Box::new(directory.read_changes(*changed)));
                    let (checkpoint, last) = (last.clone(), Some(last.clone()));
                    let (full_reason, asks_again) = (None, true);
                    return Ok((snapshot, Self { kind, checkpoint, last, full_reason, asks_again, broken }));
                }
            },
        };
        Self::of_everybody(context, directory, last.as_ref(), why_full).await
    }

    async fn of_everybody(
        context: &ScanContext<'_>,
        directory: &'d mut Directory,
        last: Option<&Checkpoint>,
        why: String,
    ) -> Result<(Snapshot, Self), ScanError> {
        let now = (context.clock)();
        let (snapshot, read) =
            tokio::try_join!(async { Ok::<_, ScanError>(context.store.fetch_snapshot().await?) }, async {
                Ok(directory.read(last.map(|last| &last.cursor), now).await?)
            },)?;
        let configuration = context.policy.fingerprint;
        let checkpoint = Checkpoint { cursor: read.cursor(), configuration, full_at: now };
        let asks_again = last.is_some_and(|last| {
            last.configuration == configuration && last.cursor.is_same_query(&checkpoint.cursor)
        });
        let (kind, last) = (Kind::Everybody(Box::new(read)), last.cloned());
        Ok((snapshot, Self { kind, checkpoint, last, full_reason: Some(why), asks_again, broken: None }))
    }

    /// The mode that this is.
    pub fn mode(&self) -> ScanMode {
        match self.kind {
            Kind::Everybody(_) => ScanMode::Full,
            Kind::Changes(_) => ScanMode::Incremental,
        }
    }

    /// The next few users who are in scope.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<ReadItem>>, IncompleteRead> {
        match &mut self.kind {
            Kind::Everybody(read) => read.next_page().await,
            Kind::Changes(changes) => changes.next_page().await,
        }
    }

    /// What has to be remembered before anything of what was read so far is written, unless it is remembered already:
    /// how much the server knows by now.
    pub(crate) async fn before_writing(&mut self) -> Option<Checkpoint> {
        let now = match &mut self.kind {
            Kind::Everybody(read) => {
                read.update_replication_state().await;
                read.cursor()
            }
            Kind::Changes(changes) => {
                changes.update_replication_state().await;
                changes.cursor()
            }
        };
        let cursor = now.before_writes(self.last.as_ref().map(|last| &last.cursor));
        let checkpoint = match &self.last {
            Some(last) if last.cursor == cursor => return None,
            Some(last) => Checkpoint { cursor, ..last.clone() },
            None => {
                let configuration = self.checkpoint.configuration;
                Checkpoint { cursor, configuration, full_at: UnixSeconds(0) }
            }
        };
        self.last = Some(checkpoint.clone());
        Some(checkpoint)
    }

    /// Ends the read: the verdict on it, and where to go on from it.
    pub(crate) async fn finish(self) -> (Result<CompleteRead, IncompleteRead>, Checkpoint) {
        let Self { kind, mut checkpoint, broken, .. } = self;
        checkpoint.cursor = match &kind {
            Kind::Everybody(read) => read.cursor(),
            Kind::Changes(changes) => changes.cursor(),
        };
        let verdict = match (broken, kind) {
            (Some(broken), _) => Err(broken),
            (None, Kind::Everybody(read)) => read.finish().await,
            (None, Kind::Changes(changes)) => changes.finish().await,
        };
        (verdict, checkpoint)
    }
}

impl Checkpoint {
    fn is_old(&self, context: &ScanContext<'_>, now: UnixSeconds) -> bool {
        let hours = i64::from(context.policy.full_read_hours);
        now.0.saturating_sub(self.full_at.0) >= hours * 3600
    }
}

/// Whoever waits for a verdict on a removal is looked at with those who changed, so that all removals are judged
/// together. Says how much of the snapshot has to be known.
async fn prepare(
    store: &Store,
    directory: &mut Directory,
    changed: &mut ChangeSet,
) -> Result<(Snapshot, ScopeComparison), StoreError> {
    for word in ["held", "skipped"] {
        changed.add_anchors(anchors_by_status(store, word).await?);
    }
    let touched: Vec<AnchorHash> = changed.affected();
    let part = store.fetch_part(&touched).await?;
    if !changed.needs_comparison(|hash| part.get(hash).is_some()) {
        return Ok((part, ScopeComparison::Done));
    }
    let whole = if part.is_whole() { part } else { store.fetch_snapshot().await? };
    let compared = changed.compare_scope(directory, whole.pairs()).await;
    Ok((whole, compared))
}

async fn anchors_by_status(store: &Store, word: &str) -> Result<Vec<Anchor>, StoreError> {
    let (mut anchors, mut after) = (Vec::new(), None);
    loop {
        let page = store.fetch_by_status(word, after, 100).await?;
        anchors.extend(page.items.into_iter().map(|record| record.anchor));
        after = page.next;
        if after.is_none() {
            return Ok(anchors);
        }
    }
}
