//! Attributes that the reading account may not read, where the server reports rights: a hidden value is no missing value.

use model::Attributes;

use crate::config::{Bind, DirectoryConfig};
use crate::connection::LdapConnection;
use crate::directory::Directory;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::root_dse::RootDse;
use crate::search::SearchQuery;
use crate::wire::LdapControl;

/// Control "get effective rights" of 389 Directory Server.
const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";
/// Attribute of the answer, such as `member:none, cn:rsc`.
const ATTRIBUTE_RIGHTS: &str = "attributeLevelRights";

/// The attributes of one entry that the reading account may not read. Empty where the server does not report rights.
pub(crate) async fn hidden_attributes(
    connection: &mut LdapConnection,
    config: &DirectoryConfig,
    (dn, attributes): (&str, &[&str]),
) -> Result<Vec<String>> {
    let account = match &config.bind {
        Bind::Simple { dn, .. } => format!("dn:{dn}"),
        Bind::Anonymous => "dn:".to_owned(),
        // The name of the account is not known.
        Bind::External { .. } => return Ok(Vec::new()),
    };
    let query = SearchQuery::entry(dn, attributes, DirectoryOperation::ReadingRights);
    // A server without the control ignores it.
    let control = LdapControl::optional(EFFECTIVE_RIGHTS, Some(account.into_bytes()));
    let found = match connection.search_with(query, &[control]).await {
        Ok((found, _)) => found,
        Err(DirectoryError::Refused { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let rights = found.first().and_then(|entry| entry.attributes.one(ATTRIBUTE_RIGHTS)).unwrap_or_default();
    Ok(unreadable(&String::from_utf8_lossy(rights), attributes))
}

/// Attributes without the right `r` in a list of rights.
fn unreadable(rights: &str, attributes: &[&str]) -> Vec<String> {
    let of_each = rights.split(',').filter_map(|one| one.trim().split_once(':'));
    let hidden = of_each.filter(|(_, rights)| *rights == "none" || !rights.contains('r'));
    let hidden: Vec<&str> = hidden.map(|(name, _)| name).collect();
    let is_hidden = |name: &&&str| hidden.iter().any(|one| one.eq_ignore_ascii_case(name));
    attributes.iter().filter(is_hidden).map(|name| (*name).to_owned()).collect()
}

impl Directory {
    /// Marks the missing attributes of an entry that the reading account may not read. The server is asked once, about the
    /// first entry that lacks an attribute.
    pub(crate) async fn mark_hidden(&mut self, dn: &str, attributes: &mut Attributes) -> Result<()> {
        let is_all_readable = self.hidden.as_ref().is_some_and(Vec::is_empty);
        if is_all_readable || self.config.attributes.iter().all(|name| !attributes.all(name).is_empty()) {
            return Ok(());
        }
        if self.hidden.is_none() {
            let root = RootDse::read(&mut self.connection).await?;
            let hidden = if root.offers(EFFECTIVE_RIGHTS) {
                let names: Vec<&str> = self.config.attributes.iter().map(String::as_str).collect();
                hidden_attributes(&mut self.connection, &self.config, (dn, &names)).await?
            } else {
                Vec::new()
            };
            if !hidden.is_empty() {
                tracing::warn!(attributes = hidden.join(", "), "the reading account may not read attributes");
            }
            self.hidden = Some(hidden);
        }
        for name in self.hidden.iter().flatten() {
            if attributes.all(name).is_empty() {
                attributes.hide(name.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_without_the_right_to_read_are_hidden() {
        let rights = "member:none, cn:rsc, NSACCOUNTLOCK:sc";
        assert_eq!(unreadable(rights, &["cn", "member", "nsAccountLock", "sn"]), ["member", "nsAccountLock"]);
        assert_eq!(unreadable("", &["cn"]), Vec::<String>::new());
        assert_eq!(unreadable("garbage,:,cn", &["cn"]), Vec::<String>::new());
    }
}
