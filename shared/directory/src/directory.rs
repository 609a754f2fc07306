//! Open directory.

use crate::config::DirectoryConfig;
use crate::connection::LdapConnection;
use crate::endpoint::LdapEndpoint;
use crate::errors::{DirectoryError, Result};
use crate::root_dse::RootDse;
use crate::schema::{Schema, UnknownAttribute, is_first_name};

/// Directory over one connection to one server, after the bind. Dropping it closes the connection. It never reconnects, so
/// one read never sees two servers.
pub struct Directory {
    pub(crate) connection: LdapConnection,
    pub(crate) config: DirectoryConfig,
    schema: Option<Schema>,
    /// Configured attributes that the reading account may not read, once they are known.
    pub(crate) hidden: Option<Vec<String>>,
    /// DN of the base entry as the server spells it, once it has been read.
    pub(crate) base_dn: String,
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
                Ok(connection) => return Self::new(connection, config, url).await,
                Err(error) if error.is_about_this_server() => {
                    // A single reason is the returned error.
                    if config.urls.len() > 1 {
                        tracing::warn!("{error}");
                    }
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

    /// Reads the schema if an attribute of the configuration may have another name at the server. Active Directory's is
    /// large, and its attributes have one name each.
    async fn new(connection: LdapConnection, config: &DirectoryConfig, url: &str) -> Result<Self> {
        let (config, base_dn, url) = (config.clone(), config.base_dn.clone(), url.to_owned());
        let mut directory = Self { connection, config, schema: None, hidden: None, base_dn, url };
        let requested = directory.config.requested();
        if requested.iter().all(|name| is_first_name(name)) {
            return Ok(directory);
        }
        let root = RootDse::read(&mut directory.connection).await?;
        if !root.is_active_directory {
            let schema = directory.schema().await?;
            let answered = |name: String| schema.answered_name(&name).map(|answered| (answered, name));
            let aliases = requested.into_iter().filter_map(answered).collect();
            directory.connection.aliases = aliases;
        }
        Ok(directory)
    }

    /// The server's schema, which is read once. It is empty if it is not readable.
    pub(crate) async fn schema(&mut self) -> Result<&Schema> {
        let schema = match self.schema.take() {
            Some(schema) => schema,
            None => match RootDse::read(&mut self.connection).await?.schema {
                Some(dn) => Schema::read(&mut self.connection, &dn).await?,
                None => Schema::default(),
            },
        };
        Ok(self.schema.insert(schema))
    }

    /// Configured attributes that the server's schema does not have.
    pub async fn unknown_attributes(&mut self) -> Result<Vec<UnknownAttribute>> {
        let requested = self.config.requested();
        let schema = self.schema().await?;
        Ok(requested.iter().filter_map(|name| schema.unknown(name)).collect())
    }

    /// Address of the connected server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the address is that of Active Directory's global catalog, which holds a part of the attributes.
    pub fn is_global_catalog(&self) -> bool {
        LdapEndpoint::parse(&self.url).is_ok_and(|endpoint| endpoint.is_global_catalog())
    }

    /// DN of the configured base entry.
    pub fn base(&self) -> &str {
        &self.config.base_dn
    }

    /// Attribute that holds the anchor.
    pub fn anchor_attribute(&self) -> &str {
        &self.config.anchor.attribute
    }
}
