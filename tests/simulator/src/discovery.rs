//! Announced features of the server.

use serde_json::{Value, json};

use crate::options::SimulatorOptions;

/// Configuration in the form of RFC 7643; Workplace's live body is not recorded.
pub(crate) fn service_provider_config(options: &SimulatorOptions) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": options.patch},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": options.page_max},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": false},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "The access token of a custom integration",
        }],
    })
}
