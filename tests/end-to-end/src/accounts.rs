//! Accounts and requests of a simulated target, in a form that tests compare.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use simulator::{RecordedRequest, Simulator};

/// SCIM's enterprise extension.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Every account by its lower-case user name, without account ids: a manager's id is replaced by the manager's name.
pub fn accounts_by_name(workplace: &Simulator) -> BTreeMap<String, Value> {
    let accounts = workplace.accounts();
    let name_of = |account: &Value| account["userName"].as_str().unwrap_or_default().to_lowercase();
    let names: BTreeMap<String, String> =
        accounts.iter().map(|account| (account["id"].to_string(), name_of(account))).collect();
    let mut by_name = BTreeMap::new();
    for mut account in accounts {
        let name = name_of(&account);
        account["id"] = Value::Null;
        let manager = account.get_mut(ENTERPRISE).and_then(|part| part.pointer_mut("/manager/managerId"));
        if let Some(manager) = manager {
            *manager = json!(names.get(&manager.to_string()));
        }
        assert_eq!(by_name.insert(name.clone(), account), None, "two accounts have the user name {name}");
    }
    by_name
}

/// The lower-case user names of the active accounts.
pub fn active_names(workplace: &Simulator) -> BTreeSet<String> {
    let accounts = accounts_by_name(workplace).into_iter();
    accounts.filter(|(_, account)| account["active"] == json!(true)).map(|(name, _)| name).collect()
}

/// Panics with each account that differs.
#[track_caller]
pub fn expect_same_accounts(
    context: &str,
    found: &BTreeMap<String, Value>,
    expected: &BTreeMap<String, Value>,
) {
    let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let text = |account: Option<&Value>| account.map_or("none".to_owned(), Value::to_string);
    let differences: Vec<String> = names
        .into_iter()
        .filter(|name| found.get(*name) != expected.get(*name))
        .map(|name| {
            format!("{name}\n  found    {}\n  expected {}\n", text(found.get(name)), text(expected.get(name)))
        })
        .collect();
    let (count, text) = (differences.len(), differences.concat());
    assert!(differences.is_empty(), "{context}: {count} accounts differ:\n{text}");
}

/// Whether a request deactivates an account, by PUT or by PATCH.
pub fn deactivates(request: &RecordedRequest) -> bool {
    let Some(body) = &request.body else { return false };
    let inactive = |value: &Value| *value == Value::Bool(false);
    let by_patch = body["Operations"].as_array().into_iter().flatten().any(|operation| {
        inactive(&operation["value"]["active"])
            || (operation["path"] == "active" && inactive(&operation["value"]))
    });
    inactive(&body["active"]) || by_patch
}

/// Whether a request deactivates or deletes an account.
pub fn deprovisions(request: &RecordedRequest) -> bool {
    request.method == "DELETE" || deactivates(request)
}

/// Requests as lines, for assertion messages.
pub fn request_lines(requests: &[RecordedRequest]) -> String {
    let lines = requests.iter().map(|request| {
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        format!("{request} {body}\n")
    });
    lines.collect()
}
