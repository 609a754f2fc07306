//! Members of the group in scope, as the group lists them.

use crate::config::{Membership, Scope};
use crate::directory::Directory;
use crate::dn::is_under;
use crate::errors::Result;
use crate::groups::{LdapGroup, dn_of_member};

impl Directory {
    /// DNs that the group of the scope lists itself; `None` where no group lists DNs.
    pub async fn listed_members(&mut self) -> Result<Option<Vec<String>>> {
        let dn = match &self.config.scope {
            Scope::Group {
                dn, membership: Membership::Member { .. } | Membership::MemberOf { .. }, ..
            } => dn.clone(),
            Scope::Group { .. } | Scope::Filter(_) => return Ok(None),
        };
        let group = LdapGroup::find(&mut self.connection, &self.config, &dn).await?;
        let listed = group.listed(self).await?;
        Ok(Some(listed.iter().map(|member| dn_of_member(member)).collect()))
    }

    /// Whether an entry with this DN is the base or under it.
    pub fn is_under_base(&self, dn: &str) -> bool {
        is_under(dn, &self.base_dn)
    }
}
