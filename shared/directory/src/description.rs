//! What a server says about itself, for a first configuration.

use model::Attributes;

use crate::directory::Directory;
use crate::errors::{DirectoryOperation, Result};
use crate::preset::ServerKind;
use crate::root_dse::RootDse;
use crate::search::SearchQuery;

/// Kind, naming context and schema of a server.
#[derive(Debug)]
pub struct ServerDescription {
    /// The product, as far as it names itself.
    pub kind: ServerKind,
    /// The naming context that probably holds users.
    pub base_dn: Option<String>,
    /// Those of the asked attributes that the schema does not have.
    missing: Vec<String>,
}

impl ServerDescription {
    /// Whether the schema has one of the asked attributes. Without a readable schema it has all of them.
    pub fn has_attribute(&self, name: &str) -> bool {
        !self.missing.iter().any(|missing| missing == name)
    }
}

impl Directory {
    /// Describes the server. `attributes` are looked for in its schema.
    pub async fn describe(&mut self, attributes: &[&str]) -> Result<ServerDescription> {
        const PRODUCT: [&str; 4] = ["objectClass", "vendorName", "vendorVersion", "configContext"];
        let root = RootDse::read(&mut self.connection).await?;
        let query = SearchQuery::entry("", &PRODUCT, DirectoryOperation::ReadingRootDse);
        let product = self.connection.search_one(query).await?.map(|entry| entry.attributes);
        let schema = self.schema().await?;
        let is_missing = |name: &&&str| schema.unknown(name).is_some();
        let missing = attributes.iter().filter(is_missing).map(|name| (*name).to_owned()).collect();
        let base_dn = root.domain.clone().or_else(|| user_context(&root.contexts));
        Ok(ServerDescription { kind: kind(&root, &product.unwrap_or_default()), base_dn, missing })
    }
}

fn kind(root: &RootDse, product: &Attributes) -> ServerKind {
    let text = |name: &str| -> String {
        let values = product.all(name).iter().map(|value| String::from_utf8_lossy(value).to_lowercase());
        values.collect::<Vec<_>>().join(" ")
    };
    let vendor = format!("{} {}", text("vendorName"), text("vendorVersion"));
    let is_of = |names: &[&str]| names.iter().any(|name| vendor.contains(name));
    match () {
        () if root.is_active_directory => ServerKind::ActiveDirectory,
        () if is_of(&["389", "red hat", "fedora"]) => ServerKind::Ds389,
        () if is_of(&["ping identity", "unboundid"]) => ServerKind::PingDirectory,
        () if text("objectClass").contains("openldaprootdse") || text("configContext") == "cn=config" => {
            ServerKind::OpenLdap
        }
        () => ServerKind::Generic,
    }
}

/// The first naming context that is named like an organisation; others hold a server's own data.
fn user_context(contexts: &[String]) -> Option<String> {
    let is_own = |context: &str| {
        let context = context.to_lowercase();
        context.contains("netscaperoot")
            || !["dc=", "o=", "ou=", "c=", "l="].iter().any(|start| context.starts_with(start))
    };
    contexts.iter().find(|context| !is_own(context)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_is_told_by_its_root_dse() {
        let kind_of = |attributes: &[(&str, &str)]| {
            let attributes: Attributes = attributes.iter().copied().collect();
            kind(&RootDse::of(&attributes), &attributes)
        };
        for (attributes, expected) in [
            (&[("supportedCapabilities", "1.2.840.113556.1.4.800")][..], ServerKind::ActiveDirectory),
            (&[("vendorName", "389 Project")], ServerKind::Ds389),
            (&[("vendorName", "Ping Identity Corporation")], ServerKind::PingDirectory),
            (&[("objectClass", "top"), ("objectClass", "OpenLDAProotDSE")], ServerKind::OpenLdap),
            (&[("configContext", "cn=config")], ServerKind::OpenLdap),
            (&[("vendorName", "Novell")], ServerKind::Generic),
        ] {
            assert_eq!(kind_of(attributes), expected, "{attributes:?}");
        }
    }

    #[test]
    fn contexts_of_the_server_hold_no_users() {
        let of = |contexts: &[&str]| {
            user_context(&contexts.iter().map(|context| (*context).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            of(&["cn=changelog", "o=NetscapeRoot", "dc=acme,dc=test"]).as_deref(),
            Some("dc=acme,dc=test")
        );
        assert_eq!(of(&["cn=config"]), None);
    }
}
