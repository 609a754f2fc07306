//! What a server says of itself: its configuration, its resource types and its schemas (RFC 7644, section 4).
//!
//! Nothing of it has to be there. What a server doesn't say, or says in a way that can't be used, is as the dialect's
//! table has it; servers without these documents are common.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Dialect;
use crate::json::{self, JsonObject};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// How to speak to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerFeatures {
    /// Whether there is PATCH.
    pub(crate) patch: bool,
    /// Whether accounts are found by a filter; else all of them have to be looked at.
    pub(crate) filter: bool,
    /// How many accounts are asked for at a time.
    pub(crate) page_size: u32,
    /// The way from the base address to the accounts, piece by piece.
    pub(crate) users: Vec<String>,
    /// Every attribute that it knows, in lower case, those of an extension with its URN before them. `None` where it
    /// doesn't say.
    known: Option<BTreeSet<String>>,
}

impl ServerFeatures {
    /// What holds where nothing is said. PATCH is then taken to be missing, because PUT is what every server has.
    pub(crate) fn nothing(dialect: &Dialect) -> Self {
        Self {
            patch: false,
            filter: true,
            page_size: dialect.page_size,
            users: vec!["Users".to_owned()],
            known: None,
        }
    }

    /// Reads a `ServiceProviderConfig` (RFC 7643, section 5).
    pub(crate) fn with_config(mut self, config: &JsonObject) -> Self {
        let feature = |name: &str| json::object(config, name);
        let supported = |name: &str| json::boolean(json::member(feature(name)?, "supported")?);
        self.patch = supported("patch").unwrap_or(self.patch);
        self.filter = supported("filter").unwrap_or(self.filter);
        // Some write 0 for "no limit".
        let most = feature("filter").and_then(|filter| json::integer(json::member(filter, "maxResults")?));
        let most = most.and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 0);
        self.page_size = most.map_or(self.page_size, |most| most.min(self.page_size));
        self
    }

    /// Reads the list of `ResourceTypes` (RFC 7643, section 6).
    pub(crate) fn with_resource_types(mut self, types: &JsonObject, base: &str) -> Self {
        let is_user = |kind: &&JsonObject| {
            let says = |name: &str, expect: &str| {
                json::member(kind, name)
                    .and_then(Value::as_str)
                    .is_some_and(|it| it.eq_ignore_ascii_case(expect))
            };
            says("schema", USER) || says("id", "User") || says("name", "User")
        };
        let endpoint = json::list(types, "Resources")
            .iter()
            .filter_map(Value::as_object)
            .find(is_user)
            .and_then(|kind| json::member(kind, "endpoint")?.as_str());
        if let Some(users) = endpoint.and_then(|endpoint| way(endpoint, base)) {
            self.users = users;
        }
        self
    }

    /// Reads the list of `Schemas` (RFC 7643, section 7).
    pub(crate) fn with_schemas(mut self, schemas: &JsonObject) -> Self {
        let mut known = BTreeSet::new();
        for schema in json::list(schemas, "Resources").iter().filter_map(Value::as_object) {
            let Some(id) = json::member(schema, "id").and_then(Value::as_str) else { continue };
            for attribute in json::list(schema, "attributes").iter().filter_map(Value::as_object) {
                if let Some(name) = json::member(attribute, "name").and_then(Value::as_str) {
                    known.insert(format!("{id}:{name}").to_lowercase());
                }
            }
        }
        // Without the core schema it is no list that could be relied on.
        let user_name = format!("{USER}:userName").to_lowercase();
        self.known = known.contains(&user_name).then_some(known);
        self
    }

    /// Whether the server's schemas lack an attribute of a schema. `externalId` is common to all resources and stands
    /// in none (RFC 7643, 3.1).
    pub(crate) fn lacks(&self, schema: &str, attribute: &str) -> bool {
        let full = format!("{schema}:{attribute}").to_lowercase();
        attribute != "externalId" && self.known.as_ref().is_some_and(|known| !known.contains(&full))
    }
}

/// The pieces of an endpoint's way from the base. It must not lead out of there: the token goes along.
fn way(endpoint: &str, base: &str) -> Option<Vec<String>> {
    let base = base.trim_end_matches('/');
    let relative =
        if endpoint.contains("://") { endpoint.strip_prefix(base)?.strip_prefix('/')? } else { endpoint };
    let pieces: Vec<String> = relative.trim_matches('/').split('/').map(str::to_owned).collect();
    let is_plain = |piece: &String| {
        !piece.starts_with('.')
            && !piece.is_empty()
            && piece.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    };
    pieces.iter().all(is_plain).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary::any_json;

    const BASE: &str = "https://x.test/scim";

    fn nothing() -> ServerFeatures {
        ServerFeatures::nothing(Dialect::named("scim2").unwrap())
    }

    fn config(config: Value) -> (bool, bool, u32) {
        let ServerFeatures { patch, filter, page_size, .. } =
            nothing().with_config(config.as_object().unwrap());
        (patch, filter, page_size)
    }

    #[test]
    fn what_is_not_said_is_as_the_table_has_it() {
        assert_eq!(config(json!({})), (false, true, 100));
        assert_eq!(
            config(json!({"patch": {"supported": "yes"}, "filter": {"maxResults": 0}})),
            (false, true, 100)
        );
        assert_eq!(
            config(json!({"patch": {"supported": true}, "filter": {"supported": false, "maxResults": 7}})),
            (true, false, 7)
        );
        assert_eq!(config(json!({"filter": {"supported": true, "maxResults": 5000}})), (false, true, 100));
        assert_eq!(config(json!({"filter": {"maxResults": -1}})), (false, true, 100));
    }

    #[test]
    fn an_endpoint_stays_under_the_base() {
        let users = |endpoint: &str| {
            let types = json!({"Resources": [
                {"name": "Group", "endpoint": "/Groups", "schema": "g"},
                {"name": "Person", "endpoint": endpoint, "schema": USER},
            ]});
            nothing().with_resource_types(types.as_object().unwrap(), BASE).users.join("/")
        };
        for (endpoint, expect) in [
            ("/Users", "Users"),
            ("People", "People"),
            ("/v2/People/", "v2/People"),
            ("https://x.test/scim/People", "People"),
            ("https://evil.test/People", "Users"),
            ("https://x.test/scimmed/People", "Users"),
            ("//evil.test/People", "evil.test/People"),
            ("/../People", "Users"),
            ("/a//b", "Users"),
            ("/Users?x=1", "Users"),
            ("", "Users"),
        ] {
            assert_eq!(users(endpoint), expect, "{endpoint}");
        }
    }

    #[test]
    fn attributes_that_a_server_lacks() {
        let schemas = json!({"Resources": [
            {"id": USER, "attributes": [{"name": "userName"}, {"name": "title"}]},
            {"id": "urn:x", "attributes": [{"name": "department"}]},
        ]});
        let said = nothing().with_schemas(schemas.as_object().unwrap());
        for (schema, attribute, lacks) in [
            (USER, "TITLE", false),
            (USER, "nickName", true),
            (USER, "externalId", false),
            ("URN:X", "department", false),
            ("urn:x", "manager", true),
        ] {
            assert_eq!(said.lacks(schema, attribute), lacks, "{attribute}");
        }
        assert!(!nothing().lacks(USER, "nickName"));
        assert!(
            !nothing().with_schemas(json!({"Resources": []}).as_object().unwrap()).lacks(USER, "nickName")
        );
    }

    proptest! {
        #[test]
        fn no_json_makes_it_panic(json in any_json()) {
            if let Some(object) = json.as_object() {
                let _ = nothing().with_config(object).with_resource_types(object, BASE).with_schemas(object);
            }
        }
    }
}
