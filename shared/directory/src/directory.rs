//! A directory that one is signed in to.

use model::Entry;

use crate::config::DirectoryConfig;
use crate::connection::Connection;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::escape::escape;
use crate::filter::enclosed;
use crate::root_dse::RootDse;
use crate::scope;
use crate::search::Query;
use crate::server::context_of;
use crate::wire::SearchScope;

/// A directory that one is signed in to, over one connection to one server. The connection closes when this is
/// dropped, and isn't opened again: what was begun with one server is never ended with another.
pub struct Directory {
    pub(crate) connection: Connection,
    pub(crate) config: DirectoryConfig,
    url: String,
}

impl Directory {
    /// Connects and signs in, to the first of the servers that can be used. A password is sent over a secure connection
    /// only, or to this very machine; one that is refused is not tried on the next server, because that is how accounts
    /// get locked.
    pub async fn connect(config: &DirectoryConfig) -> Result<Self, DirectoryError> {
        scope::check_filters(config)?;
        let mut reasons = Vec::new();
        let mut last = None;
        for url in &config.urls {
            match Connection::open(config, url).await {
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
            (None, _) => DirectoryError::Address("there is none"),
            _ => DirectoryError::NoServer { reasons },
        })
    }

    /// The users that have a value, in scope or not. Whether one is in scope, [`in_scope`](Self::in_scope) says.
    pub async fn find(&mut self, attribute: &str, value: &str) -> Result<Vec<Entry>, DirectoryError> {
        let (base, users) = (self.config.base_dn.clone(), enclosed(&self.config.user_filter));
        self.search_for(attribute, value, base, &users).await
    }

    /// The entries that have a value anywhere in the tree, whether they are users under the base or not. Where the tree
    /// can't be searched, there are none.
    pub async fn find_anywhere(
        &mut self,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let root = RootDse::read(&mut self.connection).await?;
        let Some(context) = context_of(&self.config.base_dn, &root.contexts).map(str::to_owned) else {
            return Ok(Vec::new());
        };
        match self.search_for(attribute, value, context, "").await {
            // There may be entries without an id, or too many; they are no answer to a question about one user.
            Err(DirectoryError::Refused { .. } | DirectoryError::Protocol { .. }) => Ok(Vec::new()),
            found => found,
        }
    }

    async fn search_for(
        &mut self,
        attribute: &str,
        value: &str,
        base: String,
        users: &str,
    ) -> Result<Vec<Entry>, DirectoryError> {
        scope::check_attribute(attribute)?;
        let doing = DirectoryOperation::LookingUp { attribute: attribute.to_owned() };
        // An anchor isn't always text in the directory; whoever has one as text still finds the entry.
        let is_anchor = self.config.anchor.attribute.eq_ignore_ascii_case(attribute);
        let anchor = if is_anchor { model::Anchor::from_text(value).ok() } else { None };
        let condition = match anchor {
            Some(anchor) => self.config.anchor.condition(&anchor),
            None => Some(format!("({attribute}={})", escape(value))),
        };
        let Some(condition) = condition else { return Ok(Vec::new()) };
        let query = Query {
            base,
            scope: SearchScope::Subtree,
            filter: format!("(&{users}{condition})"),
            attributes: self.config.requested(),
            doing: doing.clone(),
        };
        let mut found = Vec::new();
        for raw in self.connection.ask(query).await? {
            let anchor = self.config.anchor.of(&raw.attributes);
            let anchor =
                anchor.map_err(|detail| DirectoryError::Protocol { doing: doing.clone(), detail })?;
            found.push(Entry { anchor, dn: raw.dn, attributes: raw.attributes });
        }
        Ok(found)
    }

    /// The entry with this DN, in scope or not.
    pub async fn find_by_dn(&mut self, dn: &str) -> Result<Option<Entry>, DirectoryError> {
        let doing = DirectoryOperation::LookingUp { attribute: "the DN".to_owned() };
        let attributes = self.config.requested();
        let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
        let query = Query::one(dn, &attributes, doing.clone());
        let Some(raw) = self.connection.ask_for_one(query).await? else { return Ok(None) };
        let anchor = self.config.anchor.of(&raw.attributes);
        let anchor = anchor.map_err(|detail| DirectoryError::Protocol { doing, detail })?;
        Ok(Some(Entry { anchor, dn: raw.dn, attributes: raw.attributes }))
    }

    /// The server that this is connected to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The attribute with the immutable id.
    pub fn anchor_attribute(&self) -> &str {
        &self.config.anchor.attribute
    }
}
