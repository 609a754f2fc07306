//! Sessions of the pages.

use std::ops::Deref;

use ::explain::Explanation;
use anyhow::Result;
use tokio::sync::{Mutex, MutexGuard};

use crate::args::{ConnectionArgs, StateLocation};
use crate::explained::{ShownStep, next_step};
use crate::next::next_command;
use crate::session::Session;

/// Opens the state for each page.
///
/// Only one process can open a state file to write. A console that kept it open would block `sync`, so each page opens and closes
/// it, and reads the configuration again. The deployed state stays open.
pub struct Sessions {
    arguments: ConnectionArgs,
    deployed: Option<Session>,
    /// Lets one page at a time open the file.
    lock: Mutex<()>,
}

/// The session of a page.
pub enum OpenSession<'a> {
    /// A session for all pages.
    Shared(&'a Session),
    /// A session for one page.
    Own {
        /// The session. It is closed before the lock is released.
        session: Box<Session>,
        _lock: MutexGuard<'a, ()>,
    },
}

impl Deref for OpenSession<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Shared(session) => session,
            Self::Own { session, .. } => session,
        }
    }
}

impl Sessions {
    /// The sessions of a connection.
    pub async fn new(arguments: &ConnectionArgs) -> Result<Self> {
        let deployed = match arguments.state_location() {
            StateLocation::File(_) => None,
            StateLocation::DynamoDb(_) => Some(Session::open_to_read(arguments).await?),
        };
        Ok(Self { arguments: arguments.clone(), deployed, lock: Mutex::default() })
    }

    /// A command on the same connection, to copy.
    pub fn command(&self, words: &[&str]) -> String {
        next_command(&self.arguments, words)
    }

    /// The next step of an explanation of this user.
    pub fn next_step(&self, user: &str, explanation: &Explanation) -> ShownStep {
        next_step(&self.arguments, user, explanation)
    }

    /// Opens the state to read it.
    pub async fn to_read(&self) -> Result<OpenSession<'_>> {
        if let Some(session) = &self.deployed {
            return Ok(OpenSession::Shared(session));
        }
        let lock = self.lock.lock().await;
        let session = Box::new(Session::open_to_read(&self.arguments).await?);
        Ok(OpenSession::Own { session, _lock: lock })
    }

    /// Opens the state to change it.
    pub async fn to_act(&self) -> Result<OpenSession<'_>> {
        if let Some(session) = &self.deployed {
            return Ok(OpenSession::Shared(session));
        }
        let lock = self.lock.lock().await;
        let session = Box::new(Session::open_to_act(&self.arguments).await?);
        Ok(OpenSession::Own { session, _lock: lock })
    }
}
