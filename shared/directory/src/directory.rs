//! Open directory.

use crate::config::DirectoryConfig;
use crate::connection::LdapConnection;
use crate::errors::{DirectoryError, Result};

/// Directory over one connection to one server, after the bind. Dropping it closes the connection. It never reconnects, so
/// one read never sees two servers.
pub struct Directory {
    pub(crate) connection: LdapConnection,
    pub(crate) config: DirectoryConfig,
    url: String,
}

impl Directory {
    /// Connects and binds to the first usable server.
    ///
    /// A password is sent only over TLS or to this machine. Credentials that one server refuses are not sent to the next,
    /// because that could lock the account.
    pub async fn connect(config: &DirectoryConfig) -> Result<Self> {
        config.check_filters()?;
        let mut reasons = Vec::new();
        let mut last = None;
        for url in &config.urls {
            match LdapConnection::open(config, url).await {
                Ok(connection) => return Ok(Self { connection, config: config.clone(), url: url.clone() }),
                Err(error) if error.is_about_this_server() => {
                    tracing::warn!("{error}");
                    reasons.push(error.to_string());
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(match (last, reasons.len()) {
            (Some(only), 1) => only,
            (None, _) => DirectoryError::Address("none is configured"),
            _ => DirectoryError::NoServer { reasons },
        })
    }

    /// Address of the connected server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Attribute that holds the anchor.
    pub fn anchor_attribute(&self) -> &str {
        &self.config.anchor.attribute
    }
}
