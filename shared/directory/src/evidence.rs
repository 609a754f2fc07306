//! Evidence of a read, and its judgement.

use model::{CompleteRead, Freshness, IncompleteRead, ReadEvidence};

use crate::directory::Directory;
use crate::errors::DirectoryError;
use crate::scope::check_group;
use crate::server::DirectoryServer;

/// Evidence at the start of a read, after the base entry was read.
pub(crate) fn initial(server: &DirectoryServer) -> ReadEvidence {
    ReadEvidence {
        base_readable: (true, false),
        server: (server.identity().to_string(), String::new()),
        ..ReadEvidence::default()
    }
}

/// Reads base, group and server once more, and judges the evidence.
pub(crate) async fn conclude(
    directory: &mut Directory,
    server: &DirectoryServer,
    mut evidence: ReadEvidence,
) -> Result<CompleteRead, IncompleteRead> {
    let broke_off = |error: DirectoryError| IncompleteRead::BrokeOff(error.to_string());
    match DirectoryServer::inspect(directory).await {
        Ok(now) => {
            evidence.base_readable.1 = true;
            evidence.server.1 = now.identity().to_string();
            if let Some((now, during)) = now.replication().zip(server.replication())
                && now.is_behind(during)
            {
                evidence.freshness = Freshness::Behind(during.mark());
            }
        }
        Err(DirectoryError::BaseNotFound { .. } | DirectoryError::Refused { .. }) => {
            evidence.base_readable.1 = false;
        }
        Err(error) => return Err(broke_off(error)),
    }
    check_group(directory).await.map_err(broke_off)?;
    judge(evidence)
}

/// Judges the evidence.
#[expect(clippy::disallowed_methods, reason = "the evidence is gathered in this crate")]
pub(crate) fn judge(evidence: ReadEvidence) -> Result<CompleteRead, IncompleteRead> {
    CompleteRead::verify(evidence)
}
