//! Searches for single entries.

use std::collections::BTreeSet;

use model::{Anchor, Entry};

use crate::config::check_attribute;
use crate::decode::DecodedEntry;
use crate::directory::Directory;
use crate::dn::context_of;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::filter::{enclosed, escape};
use crate::root_dse::RootDse;
use crate::search::SearchQuery;

impl Directory {
    /// Users with an attribute value, in scope or not. [`in_scope`](Self::in_scope) tells which of them are.
    pub async fn find(&mut self, attribute: &str, value: &str) -> Result<Vec<Entry>> {
        let users = enclosed(&self.config.user_filter);
        let Some(condition) = self.condition(attribute, value)? else { return Ok(Vec::new()) };
        let base = self.config.base_dn.clone();
        self.entries(base, format!("(&{users}{condition})"), attribute).await
    }

    /// Entries with an attribute value anywhere in the tree, users or not. Empty where the tree can't be searched.
    pub async fn find_anywhere(&mut self, attribute: &str, value: &str) -> Result<Vec<Entry>> {
        let Some(condition) = self.condition(attribute, value)? else { return Ok(Vec::new()) };
        let root = RootDse::read(&mut self.connection).await?;
        let Some(context) = context_of(&self.base_dn, &root.contexts).map(str::to_owned) else {
            return Ok(Vec::new());
        };
        match self.entries(context, condition, attribute).await {
            // Entries without an anchor, or too many of them: no answer to a question about one user.
            Err(DirectoryError::Refused { .. } | DirectoryError::Protocol { .. }) => Ok(Vec::new()),
            found => found,
        }
    }

    /// Filter for an attribute value; `None` for a value that the anchor attribute can't hold.
    fn condition(&self, attribute: &str, value: &str) -> Result<Option<String>> {
        check_attribute(attribute)?;
        // The caller has the anchor as text; in the directory it may be binary.
        let is_anchor = self.config.anchor.attribute.eq_ignore_ascii_case(attribute);
        let anchor = if is_anchor { Anchor::from_text(value).ok() } else { None };
        Ok(match anchor {
            Some(anchor) => self.config.anchor.condition(&anchor),
            None => Some(format!("({attribute}={})", escape(value))),
        })
    }

    async fn entries(&mut self, base: String, filter: String, attribute: &str) -> Result<Vec<Entry>> {
        let operation = DirectoryOperation::LookingUp(attribute.to_owned());
        let attributes = self.config.requested();
        let query = SearchQuery::subtree(base, filter, attributes, operation);
        let mut entries = self.search_anchored(query).await?;
        for entry in &mut entries {
            self.mark_hidden(&entry.dn, &mut entry.attributes).await?;
        }
        Ok(entries)
    }

    /// Entry with this DN, in scope or not.
    pub async fn find_by_dn(&mut self, dn: &str) -> Result<Option<Entry>> {
        let operation = DirectoryOperation::LookingUp("the DN".to_owned());
        let attributes = self.config.requested();
        let attributes: Vec<&str> = attributes.iter().map(String::as_str).collect();
        let query = SearchQuery::entry(dn, &attributes, operation.clone());
        let Some(found) = self.connection.search_one(query).await? else { return Ok(None) };
        let mut entry = self.anchored(found, &operation)?;
        self.mark_hidden(&entry.dn, &mut entry.attributes).await?;
        Ok(Some(entry))
    }

    /// Names of all attributes that these entries show to the reading account.
    pub async fn shown_attributes(&mut self, dns: &[String]) -> Result<BTreeSet<String>> {
        const ALL: &str = "*";
        let operation = DirectoryOperation::LookingUp("attribute names".to_owned());
        let mut shown = BTreeSet::new();
        for dn in dns {
            let query = SearchQuery::entry(dn, &[ALL], operation.clone());
            let entry = self.connection.search_one(query).await?;
            shown.extend(entry.iter().flat_map(|entry| entry.attributes.names()).map(str::to_owned));
        }
        Ok(shown)
    }

    /// Entries of these anchors that match a further condition.
    pub(crate) async fn look_up(
        &mut self,
        base: &str,
        anchors: &[Anchor],
        condition: &str,
    ) -> Result<Vec<Entry>> {
        let config = &self.config;
        let any: String = anchors.iter().filter_map(|anchor| config.anchor.condition(anchor)).collect();
        if any.is_empty() {
            return Ok(Vec::new());
        }
        let query = SearchQuery::subtree(
            base.to_owned(),
            format!("(&(|{any}){condition})"),
            config.identifying(),
            DirectoryOperation::LookingUp(config.anchor.attribute.clone()),
        );
        self.search_anchored(query).await
    }

    async fn search_anchored(&mut self, query: SearchQuery) -> Result<Vec<Entry>> {
        let operation = query.operation.clone();
        let found = self.connection.search(query).await?;
        found.into_iter().map(|entry| self.anchored(entry, &operation)).collect()
    }

    fn anchored(&self, entry: DecodedEntry, operation: &DirectoryOperation) -> Result<Entry> {
        let DecodedEntry { dn, attributes, .. } = entry;
        match self.config.anchor.of(&attributes) {
            Ok(anchor) => Ok(Entry { anchor, dn, attributes }),
            Err(detail) => Err(DirectoryError::protocol(operation, detail)),
        }
    }
}
