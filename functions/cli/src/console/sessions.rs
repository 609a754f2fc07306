//! The state, for as long as a page needs it.

use std::ops::Deref;

use anyhow::Result;
use tokio::sync::{Mutex, MutexGuard};

use crate::args::{Place, StatePlace};
use crate::session::{Ends, Session};

/// Opens the state for one page after another.
///
/// A state file is one process's at a time. The console would keep everybody out, `sync` above all, if it kept the
/// file; so it opens it for each page, and reads the configuration with it, as a command does. The deployed state needs
/// no such care and stays open.
pub struct Sessions {
    place: Place,
    deployed: Option<Session>,
    /// Pages that are asked for at once come one after another.
    turn: Mutex<()>,
}

/// The state, open.
pub enum Opened<'a> {
    /// For all pages.
    Kept(&'a Session),
    /// For this one. The file is closed before the next one's turn comes.
    ForNow { session: Box<Session>, _turn: MutexGuard<'a, ()> },
}

impl Deref for Opened<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Kept(session) => session,
            Self::ForNow { session, .. } => session,
        }
    }
}

impl Sessions {
    /// Those of a connection.
    pub async fn of(place: &Place) -> Result<Self> {
        let state = place.state_place();
        let deployed = match &state {
            StatePlace::File(_) => None,
            StatePlace::DynamoDb(_) => Some(Session::open_to_read(Ends::read(place)?, &state).await?),
        };
        Ok(Self { place: place.clone(), deployed, turn: Mutex::default() })
    }

    /// To look at something.
    pub async fn to_read(&self) -> Result<Opened<'_>> {
        if let Some(session) = &self.deployed {
            return Ok(Opened::Kept(session));
        }
        let turn = self.turn.lock().await;
        let session = Session::open_to_read(Ends::read(&self.place)?, &self.place.state_place()).await?;
        Ok(Opened::ForNow { session: Box::new(session), _turn: turn })
    }

    /// To change something.
    pub async fn to_act(&self) -> Result<Opened<'_>> {
        if let Some(session) = &self.deployed {
            return Ok(Opened::Kept(session));
        }
        let turn = self.turn.lock().await;
        let session = Session::open_to_act(Ends::read(&self.place)?, &self.place.state_place()).await?;
        Ok(Opened::ForNow { session: Box::new(session), _turn: turn })
    }
}
