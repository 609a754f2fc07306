//! The state, for as long as a page needs it.

use std::ops::Deref;

use anyhow::Result;
use tokio::sync::{Mutex, MutexGuard};

use crate::args::{ConnectionArgs, StateLocation};
use crate::session::{Connections, Session};

/// Opens the state for one page after another.
///
/// A state file is one process's at a time. The console would keep everybody out, `sync` above all, if it kept the
/// file; so it opens it for each page, and reads the configuration with it, as a command does. The deployed state needs
/// no such care and stays open.
pub struct Sessions {
    arguments: ConnectionArgs,
    deployed: Option<Session>,
    /// Pages that are asked for at once come one after another.
    turn: Mutex<()>,
}

/// The state, open.
pub enum OpenSession<'a> {
    /// For all pages.
    Kept(&'a Session),
    /// For this one. The file is closed before the next one's turn comes.
    ForNow { session: Box<Session>, _turn: MutexGuard<'a, ()> },
}

impl Deref for OpenSession<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Kept(session) => session,
            Self::ForNow { session, .. } => session,
        }
    }
}

impl Sessions {
    /// Those of a arguments.
    pub async fn of(arguments: &ConnectionArgs) -> Result<Self> {
        let state = arguments.state_location();
        let deployed = match &state {
            StateLocation::File(_) => None,
            StateLocation::DynamoDb(_) => {
                Some(Session::open_to_read(Connections::read(arguments)?, &state).await?)
            }
        };
        Ok(Self { arguments: arguments.clone(), deployed, turn: Mutex::default() })
    }

    /// To look at something.
    pub async fn to_read(&self) -> Result<OpenSession<'_>> {
        if let Some(session) = &self.deployed {
            return Ok(OpenSession::Kept(session));
        }
        let turn = self.turn.lock().await;
        let session =
            Session::open_to_read(Connections::read(&self.arguments)?, &self.arguments.state_location())
                .await?;
        Ok(OpenSession::ForNow { session: Box::new(session), _turn: turn })
    }

    /// To change something.
    pub async fn to_act(&self) -> Result<OpenSession<'_>> {
        if let Some(session) = &self.deployed {
            return Ok(OpenSession::Kept(session));
        }
        let turn = self.turn.lock().await;
        let session =
            Session::open_to_act(Connections::read(&self.arguments)?, &self.arguments.state_location())
                .await?;
        Ok(OpenSession::ForNow { session: Box::new(session), _turn: turn })
    }
}
