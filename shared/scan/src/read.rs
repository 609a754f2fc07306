//! Reading the directory: all entries in scope, or the changes since the last checkpoint.

use directory::{
    ChangeRead, ChangeResponse, ChangeSet, Cursor, Directory, FullRead, ReadItem, ScopeComparison,
};
use model::{
    Anchor, AnchorHash, CompleteRead, Fingerprint, IncompleteRead, RemovalSet, SafeguardMemory, Status,
    UnixSeconds,
};
use serde::{Deserialize, Serialize};
use store::{ConnectionState, Snapshot, Store, StoreError};

use crate::removal_safeguard::counts_against_limits;
use crate::{ScanContext, ScanError};

/// How the directory is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanMode {
    /// An incremental scan; a full one every `full_read_hours`, and whenever the changes can't be determined.
    #[default]
    Auto,
    /// All entries in scope.
    Full,
    /// The changes; all entries only if the changes can't be determined.
    Incremental,
}

/// Where the next incremental scan starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    cursor: Cursor,
    /// Fingerprint of the configuration that the entries were mapped with. Another one needs a full scan.
    configuration: Fingerprint,
    /// Time of the last full scan.
    full_at: UnixSeconds,
    /// Fingerprint of the limits that the removals were judged by.
    limits: Fingerprint,
}

impl Checkpoint {
    /// The checkpoint that the store has. One of another version of the program counts as none.
    pub(crate) fn of_state(state: &ConnectionState) -> Option<Self> {
        state.cursor.clone().and_then(|stored| serde_json::from_value(stored).ok())
    }

    /// Whether the server of the last read did not show how recent its data is.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.cursor.is_unproved()
    }

    /// Whether an incremental read can start here.
    pub(crate) fn is_resumable(&self) -> bool {
        self.cursor.is_resumable()
    }

    /// Checkpoint after a doubtful read was confirmed.
    pub(crate) fn confirmed(self) -> Self {
        Self { cursor: self.cursor.confirmed(), ..self }
    }

    /// Checkpoint after a doubtful read that called for these removals.
    pub(crate) fn doubted(self, removals: RemovalSet) -> Self {
        Self { cursor: self.cursor.doubted(removals), ..self }
    }

    /// Hash by which an administrator accepts the server of the last read.
    pub(crate) fn acceptance(&self) -> Option<Fingerprint> {
        self.cursor.acceptance()
    }

    /// Checkpoint after an administrator has accepted the server of the last read.
    pub(crate) fn accepted(self) -> Self {
        Self { cursor: self.cursor.accepted(), ..self }
    }

    /// The reason with the command that accepts the server.
    pub(crate) fn with_acceptance(&self, why: &impl std::fmt::Display) -> String {
        match self.acceptance() {
            Some(hash) => {
                format!("{why}; `provisioner approve {}` accepts the server as it is", hash.short())
            }
            None => why.to_string(),
        }
    }
}

/// Time of the last full scan; `None` if the next scan reads all entries.
pub fn last_full_scan(state: &ConnectionState) -> Option<UnixSeconds> {
    Checkpoint::of_state(state).filter(Checkpoint::is_resumable).map(|checkpoint| checkpoint.full_at)
}

/// A read in progress.
pub struct ScanRead<'d> {
    source: ReadSource<'d>,
    checkpoint: Checkpoint,
    /// The checkpoint that the store has.
    stored: Option<Checkpoint>,
    /// Why all entries are read.
    pub(crate) full_reason: Option<String>,
    /// Whether the last read was of the same directory, with the same query.
    pub(crate) is_same_query: bool,
    /// Whether held and skipped users stay as they are, because nothing has changed.
    pub(crate) keeps_waiting: bool,
    /// Why the read can't be complete any more. The entries that it yields still count.
    incomplete: Option<IncompleteRead>,
}

/// A read that has begun, and the state that it began from.
pub struct ScanStart<'d> {
    /// The connection's state.
    pub state: ConnectionState,
    /// The part of the last snapshot that the read needs.
    pub snapshot: Snapshot,
    /// The read.
    pub read: ScanRead<'d>,
}

enum ReadSource<'d> {
    All(Box<FullRead<'d>>),
    Changes(Box<ChangeRead<'d>>),
}

/// The read that a scan needs.
enum ReadChoice {
    /// All entries, for this reason.
    All(String),
    Changes {
        changes: Box<ChangeSet>,
        snapshot: Snapshot,
        keeps_waiting: bool,
        incomplete: Option<IncompleteRead>,
    },
}

impl<'d> ScanRead<'d> {
    /// Begins to read the directory.
    pub async fn begin(
        context: &ScanContext<'_>,
        directory: &'d mut Directory,
        mode: ScanMode,
    ) -> Result<ScanStart<'d>, ScanError> {
        let state = context.store.fetch_connection().await?;
        let stored = Checkpoint::of_state(&state);
        let choice = match resumable(context, mode, stored.as_ref()) {
            Ok(checkpoint) => choose_read(context, directory, (checkpoint, &state.memory)).await?,
            Err(reason) => ReadChoice::All(reason),
        };
        let (snapshot, read) = match (choice, stored) {
            (ReadChoice::Changes { changes, snapshot, keeps_waiting, incomplete }, Some(checkpoint)) => {
                let source = ReadSource::Changes(Box::new(directory.read_changes(*changes)));
                let (stored, is_same_query) = (Some(checkpoint.clone()), true);
                let limits = context.policy.safety.removal_limits();
                let (checkpoint, full_reason) = (Checkpoint { limits, ..checkpoint }, None);
                let read = Self {
                    source,
                    checkpoint,
                    stored,
                    full_reason,
                    is_same_query,
                    keeps_waiting,
                    incomplete,
                };
                (snapshot, read)
            }
            (ReadChoice::All(reason), stored) => Self::begin_full(context, directory, stored, reason).await?,
            (ReadChoice::Changes { .. }, None) => {
                Self::begin_full(context, directory, None, NO_CHECKPOINT.to_owned()).await?
            }
        };
        Ok(ScanStart { state, snapshot, read })
    }

    async fn begin_full(
        context: &ScanContext<'_>,
        directory: &'d mut Directory,
        stored: Option<Checkpoint>,
        reason: String,
    ) -> Result<(Snapshot, Self), ScanError> {
        let now = (context.clock)();
        let last = stored.as_ref().map(|stored| &stored.cursor);
        let (snapshot, read) =
            tokio::try_join!(async { Ok::<_, ScanError>(context.store.fetch_snapshot().await?) }, async {
                Ok(directory.read(last, now).await?)
            },)?;
        let configuration = context.policy.fingerprint;
        let limits = context.policy.safety.removal_limits();
        let checkpoint = Checkpoint { cursor: read.cursor(), configuration, full_at: now, limits };
        let is_same_query = stored.as_ref().is_some_and(|stored| {
            stored.configuration == configuration && stored.cursor.is_same_query(&checkpoint.cursor)
        });
        let source = ReadSource::All(Box::new(read));
        let full_reason = Some(reason);
        let (keeps_waiting, incomplete) = (false, None);
        let read = Self { source, checkpoint, stored, full_reason, is_same_query, keeps_waiting, incomplete };
        Ok((snapshot, read))
    }

    /// The mode of this read: full or incremental.
    pub fn mode(&self) -> ScanMode {
        match self.source {
            ReadSource::All(_) => ScanMode::Full,
            ReadSource::Changes(_) => ScanMode::Incremental,
        }
    }

    /// The next page of entries in scope.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<ReadItem>>, IncompleteRead> {
        match &mut self.source {
            ReadSource::All(read) => read.next_page().await,
            ReadSource::Changes(changes) => changes.next_page().await,
        }
    }

    /// The checkpoint that has to be stored before anything of this read is written: it says how current the server is
    /// by now. `None` if the store has it already.
    pub(crate) async fn checkpoint_before_writes(&mut self) -> Option<Checkpoint> {
        let current = match &mut self.source {
            ReadSource::All(read) => {
                read.update_replication_state().await;
                read.cursor()
            }
            ReadSource::Changes(changes) => {
                changes.update_replication_state().await;
                changes.cursor()
            }
        };
        let cursor = current.before_writes(self.stored.as_ref().map(|stored| &stored.cursor));
        let checkpoint = match &self.stored {
            Some(stored) if stored.cursor == cursor => return None,
            Some(stored) => Checkpoint { cursor, ..stored.clone() },
            None => Checkpoint { cursor, full_at: UnixSeconds(0), ..self.checkpoint.clone() },
        };
        self.stored = Some(checkpoint.clone());
        Some(checkpoint)
    }

    /// Configured attributes that no entry of a full read has shown so far.
    pub(crate) fn absent_attributes(&self) -> Vec<String> {
        match &self.source {
            ReadSource::All(read) => read.absent_attributes().to_vec(),
            ReadSource::Changes(_) => Vec::new(),
        }
    }

    /// Ends the read: the verdict on its completeness, and the checkpoint after it.
    pub(crate) async fn finish(self) -> (Result<CompleteRead, IncompleteRead>, Checkpoint) {
        let Self { source, mut checkpoint, incomplete, .. } = self;
        checkpoint.cursor = match &source {
            ReadSource::All(read) => read.cursor(),
            ReadSource::Changes(changes) => changes.cursor(),
        };
        let verdict = match (incomplete, source) {
            (Some(incomplete), _) => Err(incomplete),
            (None, ReadSource::All(read)) => read.finish().await,
            (None, ReadSource::Changes(changes)) => changes.finish().await,
        };
        (verdict, checkpoint)
    }
}

/// Reason of a full scan under another configuration than the last one's.
pub const CONFIGURATION_CHANGED: &str = "the configuration has changed";
const NO_CHECKPOINT: &str = "there is no checkpoint to start from";

const DOUBTFUL: &str = "the server of the last scan did not show how recent its data is";

/// The checkpoint that an incremental read can start from, or the reason for a full read.
fn resumable<'c>(
    context: &ScanContext<'_>,
    mode: ScanMode,
    stored: Option<&'c Checkpoint>,
) -> Result<&'c Checkpoint, String> {
    let hours = context.policy.full_read_hours;
    let is_due = |checkpoint: &Checkpoint| {
        (context.clock)().0.saturating_sub(checkpoint.full_at.0) >= i64::from(hours) * 3600
    };
    match stored {
        _ if mode == ScanMode::Full => Err("a full scan was requested".to_owned()),
        Some(stored) if stored.is_doubtful() => Err(DOUBTFUL.to_owned()),
        Some(stored) if stored.cursor.is_resumable() => match () {
            () if stored.configuration != context.policy.fingerprint => Err(CONFIGURATION_CHANGED.to_owned()),
            () if mode == ScanMode::Auto && is_due(stored) => {
                Err(format!("the last full scan was {hours} hours ago or more"))
            }
            () => Ok(stored),
        },
        _ => Err(NO_CHECKPOINT.to_owned()),
    }
}

/// Asks the directory for the changes since the checkpoint.
async fn choose_read(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    (checkpoint, memory): (&Checkpoint, &SafeguardMemory),
) -> Result<ReadChoice, ScanError> {
    let mut changes = match directory.changes(&checkpoint.cursor, (context.clock)()).await? {
        ChangeResponse::FullScanNeeded(reason) => return Ok(ReadChoice::All(reason)),
        ChangeResponse::Changes(changes) => changes,
    };
    let keeps_waiting = changes.is_empty() && waiting_users_stay(context, (checkpoint, memory)).await?;
    if !keeps_waiting {
        for word in ["held", "skipped"] {
            changes.add_anchors(anchors_by_status(context.store, word, |_| true).await?);
        }
    }
    let (snapshot, comparison) = prepare(context.store, directory, &mut changes).await?;
    let incomplete = match comparison {
        ScopeComparison::FullScanNeeded(reason) => return Ok(ReadChoice::All(reason)),
        ScopeComparison::Incomplete(incomplete) => Some(incomplete),
        ScopeComparison::Done => None,
    };
    Ok(ReadChoice::Changes { changes, snapshot, keeps_waiting, incomplete })
}

/// Whether held and skipped users stay as they are in a scan without changes: no approval is valid, the limits and what
/// counts against them are the same, and no removal is held for the next scan alone. Otherwise they are read, so that all
/// removals are judged together.
async fn waiting_users_stay(
    context: &ScanContext<'_>,
    (checkpoint, memory): (&Checkpoint, &SafeguardMemory),
) -> Result<bool, StoreError> {
    let (now, known) = ((context.clock)(), memory.held.map_or(0, |held| held.count));
    let is_same = checkpoint.limits == context.policy.safety.removal_limits()
        && memory.released.iter().all(|batch| counts_against_limits(batch, now))
        && memory.approval_at(now).is_none();
    Ok(is_same && context.store.count_status("held", known.saturating_add(1)).await? == known)
}

/// Adds users with several entries, which may have one by now. Compares the scope with the snapshot where the changes alone
/// don't show departures.
async fn prepare(
    store: &Store,
    directory: &mut Directory,
    changes: &mut ChangeSet,
) -> Result<(Snapshot, ScopeComparison), StoreError> {
    let is_duplicate = |status: &Status| *status == Status::DuplicateAnchor;
    changes.add_anchors(anchors_by_status(store, "conflict", is_duplicate).await?);
    let affected: Vec<AnchorHash> = changes.affected();
    let part = store.fetch_part(&affected).await?;
    if !changes.needs_comparison(|hash| part.get(hash).is_some()) {
        return Ok((part, ScopeComparison::Done));
    }
    let whole = if part.is_whole() { part } else { store.fetch_snapshot().await? };
    let comparison = changes.compare_scope(directory, whole.pairs()).await;
    Ok((whole, comparison))
}

async fn anchors_by_status(
    store: &Store,
    word: &str,
    is_wanted: impl Fn(&Status) -> bool,
) -> Result<Vec<Anchor>, StoreError> {
    let (mut anchors, mut after) = (Vec::new(), None);
    loop {
        let page = store.fetch_by_status(word, after, 100).await?;
        let wanted = page.items.into_iter().filter(|record| is_wanted(&record.status));
        anchors.extend(wanted.map(|record| record.anchor));
        after = page.next;
        if after.is_none() {
            return Ok(anchors);
        }
    }
}
