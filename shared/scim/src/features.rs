//! Features that a server announces: its configuration, resource types and schemas (RFC 7644, section 4).
//!
//! Every part is optional. Where a server announces nothing usable, the dialect's table applies; many servers lack
//! these documents.

use std::collections::BTreeSet;

use reqwest::Url;
use serde_json::Value;

use crate::json::{self, JsonObject};
use dialect::Dialect;

const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// How one server is to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerFeatures {
    /// Whether the server supports PATCH.
    pub(crate) patch: bool,
    /// Whether accounts can be found by a filter; otherwise all accounts must be listed.
    pub(crate) filter: bool,
    /// Accounts requested per page.
    pub(crate) page_size: u32,
    /// Path segments from the base URL to the accounts.
    pub(crate) users: Vec<String>,
    /// Lower-case names of all attributes in the server's schemas, each with its schema's URN in front. `None` if the
    /// server announces no usable schemas.
    known: Option<BTreeSet<String>>,
}

impl ServerFeatures {
    /// Features of a server that announces none. PATCH counts as missing, because every server has PUT.
    pub(crate) fn assumed(dialect: &Dialect) -> Self {
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
        // Some servers announce 0 for "no limit".
        let max = feature("filter").and_then(|filter| json::integer(json::member(filter, "maxResults")?));
        let max = max.and_then(|max| u32::try_from(max).ok()).filter(|max| *max > 0);
        self.page_size = max.map_or(self.page_size, |max| max.min(self.page_size));
        self
    }

    /// Reads the list of `ResourceTypes` (RFC 7643, section 6).
    pub(crate) fn with_resource_types(mut self, types: &JsonObject, base: &Url) -> Self {
        let is_user = |resource_type: &&JsonObject| {
            let has = |name: &str, expect: &str| {
                json::member(resource_type, name)
                    .and_then(Value::as_str)
                    .is_some_and(|value| value.eq_ignore_ascii_case(expect))
            };
            has("schema", USER_SCHEMA) || has("id", "User") || has("name", "User")
        };
        let endpoint = json::list(types, "Resources")
            .iter()
            .filter_map(Value::as_object)
            .find(is_user)
            .and_then(|user| json::member(user, "endpoint")?.as_str());
        if let Some(users) = endpoint.and_then(|endpoint| path_under(endpoint, base)) {
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
                    let full = format!("{id}:{name}").to_lowercase();
                    let parts = json::list(attribute, "subAttributes").iter().filter_map(Value::as_object);
                    let parts = parts.filter_map(|part| json::member(part, "name")?.as_str());
                    known.extend(parts.map(|part| format!("{full}.{part}").to_lowercase()));
                    known.insert(full);
                }
            }
        }
        // A list without the core schema is not reliable.
        let user_name = format!("{USER_SCHEMA}:userName").to_lowercase();
        self.known = known.contains(&user_name).then_some(known);
        self
    }

    /// Whether the server's schemas lack an attribute of a schema. `externalId` is common to all resources and part of
    /// no schema (RFC 7643, 3.1).
    pub(crate) fn lacks(&self, schema: &str, attribute: &str) -> bool {
        let full = format!("{schema}:{attribute}").to_lowercase();
        attribute != "externalId" && self.known.as_ref().is_some_and(|known| !known.contains(&full))
    }

    /// Whether the server's schemas show other sub-attributes of a core attribute, and not this one.
    pub(crate) fn lacks_part(&self, attribute: &str, part: &str) -> bool {
        let of = format!("{USER_SCHEMA}:{attribute}.").to_lowercase();
        let part = format!("{of}{part}").to_lowercase();
        let is_of = |name: &String| name.starts_with(&of);
        self.known.as_ref().is_some_and(|known| known.iter().any(is_of) && !known.contains(&part))
    }

    /// Takes sub-attributes of list elements that the server does not serve out of a resource.
    pub(crate) fn served(&self, mut resource: JsonObject) -> JsonObject {
        for (list, elements) in &mut resource {
            let Value::Array(elements) = elements else { continue };
            let lacking = ["type", "primary"].map(|part| self.lacks_part(list, part).then_some(part));
            for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                element.retain(|name, _| {
                    !lacking.iter().flatten().any(|lacking| name.eq_ignore_ascii_case(lacking))
                });
            }
        }
        resource
    }
}

/// Path segments of an endpoint below the base URL; the last one is empty if the endpoint ends with a slash. Some servers
/// give the whole path, base included. An endpoint elsewhere is ignored: the access token is sent to it.
fn path_under(endpoint: &str, base: &Url) -> Option<Vec<String>> {
    let path = match Url::parse(endpoint) {
        Ok(url) if url.origin() == base.origin() && url.query().is_none() => {
            url.path().strip_prefix(base.path().trim_end_matches('/'))?.strip_prefix('/')?.to_owned()
        }
        Ok(_) => return None,
        Err(_) => {
            let below = endpoint.strip_prefix(base.path().trim_end_matches('/'));
            below.filter(|path| path.starts_with('/')).unwrap_or(endpoint).to_owned()
        }
    };
    let mut segments: Vec<String> = path.trim_matches('/').split('/').map(str::to_owned).collect();
    let is_plain = |segment: &String| {
        !segment.starts_with('.')
            && !segment.is_empty()
            && segment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    };
    if !segments.iter().all(is_plain) {
        return None;
    }
    if path.ends_with('/') {
        segments.push(String::new());
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::arbitrary::any_json;

    fn base() -> Url {
        Url::parse("https://x.test/scim").unwrap()
    }

    fn assumed() -> ServerFeatures {
        ServerFeatures::assumed(Dialect::named("scim2").unwrap())
    }

    fn config(config: Value) -> (bool, bool, u32) {
        let ServerFeatures { patch, filter, page_size, .. } =
            assumed().with_config(config.as_object().unwrap());
        (patch, filter, page_size)
    }

    #[test]
    fn table_applies_where_the_server_announces_nothing() {
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
    fn endpoint_outside_the_base_url_is_ignored() {
        let users = |endpoint: &str| {
            let types = json!({"Resources": [
                {"name": "Group", "endpoint": "/Groups", "schema": "g"},
                {"name": "Person", "endpoint": endpoint, "schema": USER_SCHEMA},
            ]});
            assumed().with_resource_types(types.as_object().unwrap(), &base()).users.join("/")
        };
        for (endpoint, expect) in [
            ("/Users", "Users"),
            ("People", "People"),
            ("/v2/People/", "v2/People/"),
            ("/scim/People", "People"),
            ("/scim/v2/People/", "v2/People/"),
            ("/scimmed/People", "scimmed/People"),
            ("https://x.test/scim/People", "People"),
            ("https://evil.test/People", "Users"),
            ("https://x.test/scimmed/People", "Users"),
            ("https://x.test/scim/../People", "Users"),
            ("https://x.test:444/scim/People", "Users"),
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
    fn parts_of_elements_that_the_schemas_lack_are_not_sent() {
        let parts = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
        let schemas = json!({"Resources": [{"id": USER_SCHEMA, "attributes": [
            {"name": "userName"},
            {"name": "emails", "subAttributes": parts(&["value"])},
            {"name": "phoneNumbers", "subAttributes": parts(&["value", "Type"])},
            {"name": "photos"},
        ]}]});
        let features = assumed().with_schemas(schemas.as_object().unwrap());
        let element = json!([{"type": "work", "primary": true, "value": "x"}]);
        let body = json!({"emails": element, "phoneNumbers": element, "photos": element, "ims": ["x"]});
        let sent = features.served(body.as_object().unwrap().clone());
        let expected = json!({
            "emails": [{"value": "x"}], "phoneNumbers": [{"type": "work", "value": "x"}],
            "photos": element, "ims": ["x"],
        });
        assert_eq!(Value::Object(sent), expected);
        assert_eq!(assumed().served(body.as_object().unwrap().clone()), *body.as_object().unwrap());
    }

    #[test]
    fn attributes_missing_from_the_schemas_are_found() {
        let schemas = json!({"Resources": [
            {"id": USER_SCHEMA, "attributes": [{"name": "userName"}, {"name": "title"}]},
            {"id": "urn:x", "attributes": [{"name": "department"}]},
        ]});
        let features = assumed().with_schemas(schemas.as_object().unwrap());
        for (schema, attribute, lacks) in [
            (USER_SCHEMA, "TITLE", false),
            (USER_SCHEMA, "nickName", true),
            (USER_SCHEMA, "externalId", false),
            ("URN:X", "department", false),
            ("urn:x", "manager", true),
        ] {
            assert_eq!(features.lacks(schema, attribute), lacks, "{attribute}");
        }
        assert!(!assumed().lacks(USER_SCHEMA, "nickName"));
        assert!(
            !assumed()
                .with_schemas(json!({"Resources": []}).as_object().unwrap())
                .lacks(USER_SCHEMA, "nickName")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_json_is_read_without_panic(json in any_json()) {
            if let Some(object) = json.as_object() {
                let _ = assumed().with_config(object).with_resource_types(object, &base()).with_schemas(object);
            }
        }
    }
}
