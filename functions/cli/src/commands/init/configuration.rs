//! The text of a first configuration.

use std::fmt::Write as _;

use directory::{ServerDescription, ServerKind};
use scim::Dialect;
use serde_json::json;

use super::answers::{DirectoryAnswers, TargetAnswers};

/// Directory attributes that the mapping may read.
pub(super) const SOURCES: [&str; 10] = [
    "mail",
    "givenName",
    "sn",
    "cn",
    "displayName",
    "title",
    "department",
    "departmentNumber",
    "telephoneNumber",
    "manager",
];

/// What a configuration is made of.
pub(super) struct InitialConfiguration {
    pub(super) name: String,
    pub(super) kind: ServerKind,
    pub(super) directory: DirectoryAnswers,
    pub(super) base_dn: String,
    /// Line of the section.
    pub(super) scope: String,
    pub(super) target: TargetAnswers,
    pub(super) description: Option<ServerDescription>,
}

impl InitialConfiguration {
    /// The file. A JSON string is a TOML string too.
    pub(super) fn text(&self) -> String {
        let Self { name, kind, directory, base_dn, scope, target, description: _ } = self;
        let DirectoryAnswers { url, start_tls, secret, ca } = directory;
        let mut text = format!(
            "# One connection: a directory, the users in scope, and a target.\n\
             # `provisioner schema` prints the JSON Schema of this file, with every key.\n\n\
             # The state is stored under this name, so do not change it later.\n\
             name = {}\n\n\
             [directory]\n\
             # Sets the defaults for anchor, account status and change detection.\n\
             kind = {}\n\
             # Several servers of one directory are tried in order: [\"ldaps://dc1\", \"ldaps://dc2\"]\n\
             url = {}\n",
            json!(name),
            json!(kind.name()),
            json!(url),
        );
        if *start_tls {
            text.push_str("start_tls = true\n");
        }
        let _ = writeln!(text, "base_dn = {}", json!(base_dn));
        if let Some(secret) = secret {
            let content = "# Holds {\"bind_dn\": \"…\", \"password\": \"…\"}.";
            let _ = writeln!(text, "{content}\nsecret = {}", json!(secret));
        }
        match ca {
            Some(ca) => {
                let _ = writeln!(text, "ca = {}", json!(ca));
            }
            None => text.push_str(
                "# Certificate authority of the directory, if the system does not trust it: ca = \"file:ca.pem\"\n",
            ),
        }
        let _ = write!(
            text,
            "\n[scope]\n# A group, or an LDAP filter: filter = \"(department=Sales)\"\n{scope}\n\n\
             [target]\nkind = {}\nurl = {}\n# Holds {{\"access_token\": \"…\"}}.\nsecret = {}\n\n{OPTIONS}\n[mapping]\n\
             # Existing accounts are matched by userName. An attribute that is not mapped is not changed.\n",
            json!(target.kind),
            json!(target.url),
            json!(target.secret),
        );
        for (attribute, value) in self.mapping() {
            let plain = attribute.chars().all(|c| c.is_ascii_alphanumeric());
            let key = if plain { attribute.to_owned() } else { json!(attribute).to_string() };
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }

    /// The mapping of what the directory has and the target takes.
    fn mapping(&self) -> Vec<(&'static str, String)> {
        let is_active_directory = self.kind == ServerKind::ActiveDirectory;
        let or = |active_directory, other| if is_active_directory { active_directory } else { other };
        let department = or("department", "departmentNumber");
        let dialect = Dialect::named(&self.target.kind);
        let takes = |attribute: &str| dialect.is_none_or(|dialect| dialect.kind_of(attribute).is_some());
        let mut mapping = vec![("userName", "{ from = \"mail\", trim = true, case = \"lower\" }".to_owned())];
        for (attribute, source) in [
            ("name.givenName", "givenName"),
            ("name.familyName", "sn"),
            ("displayName", or("displayName", "cn")),
            ("title", "title"),
            ("department", department),
            ("phoneNumbers.work", "telephoneNumber"),
            ("manager", "manager"),
        ] {
            let has = self.description.as_ref().is_none_or(|server| server.has_attribute(source));
            if !has || !takes(attribute) {
                continue;
            }
            let value = match attribute {
                "manager" => "{ reference = \"manager\" }".to_owned(),
                "phoneNumbers.work" => format!("{{ from = \"{source}\", masked = true }}"),
                _ => format!("\"{source}\""),
            };
            mapping.push((attribute, value));
        }
        let anchor = self.kind.preset().anchor.attribute;
        let needed = [
            ("emails.work", "\"mail\"".to_owned()),
            ("externalId", format!("{{ from = \"{anchor}\", create_only = true }}")),
        ];
        for (attribute, value) in needed {
            let mapped: Vec<&str> = mapping.iter().map(|(attribute, _)| *attribute).collect();
            let is_complete = dialect.is_none_or(|dialect| dialect.check_mapping(&mapped).is_ok());
            if !is_complete && takes(attribute) {
                mapping.push((attribute, value));
            }
        }
        mapping
    }
}

const OPTIONS: &str = "[options]
# While this is true, nothing is written to the target; `provisioner plan` shows what would be.
observe = false
# What happens to an account when its user leaves the scope: disable or delete.
remove_action = \"disable\"
# Whether a disabled user in scope gets an inactive account.
provision_disabled = false

[safety]
# A first load of more users, and removals above these limits, are held until they are approved.
max_first_load = 10
max_removals = 25
max_removal_percent = 5
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_kind_and_every_target_give_a_valid_configuration() {
        for kind in ServerKind::NAMES {
            for dialect in Dialect::all() {
                let configuration = InitialConfiguration {
                    name: "corp".to_owned(),
                    kind: kind.parse().unwrap(),
                    directory: DirectoryAnswers {
                        url: "ldap://dc1.corp.example".to_owned(),
                        start_tls: true,
                        secret: Some("file:a \"b\".json".to_owned()),
                        ca: Some("file:ca.pem".to_owned()),
                    },
                    base_dn: "dc=corp,dc=example".to_owned(),
                    scope: "filter = \"(mail=*)\"".to_owned(),
                    target: TargetAnswers { kind: dialect.name.to_owned(), ..TargetAnswers::placeholder() },
                    description: None,
                };
                let text = configuration.text();
                let parsed = runtime::config::parse(&text, Path::new("corp.toml"));
                let connection = parsed.unwrap_or_else(|error| panic!("{error}\n{text}"));
                assert_eq!(
                    (connection.name.as_str(), connection.target.dialect.name),
                    ("corp", dialect.name)
                );
            }
        }
    }
}
