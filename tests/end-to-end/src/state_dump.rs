//! The content of a state file, read without the provisioner's own code.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use dynoxide::{
    AttributeValue, Database,
    actions::{put_item::PutItemRequest, scan::ScanRequest},
};
use serde_json::Value;

/// The provisioner's table in a state file.
const TABLE: &str = "provisioner";

/// Every item of a state file by its key. Two equal dumps prove that nothing was written in between.
#[derive(Debug, PartialEq)]
pub struct StateDump(BTreeMap<(String, String), Value>);

impl StateDump {
    /// Reads a state file that no process has open.
    pub fn read(path: &Path) -> Self {
        let database = Database::new(path.to_str().unwrap()).unwrap();
        let mut items = BTreeMap::new();
        let mut request = ScanRequest { table_name: TABLE.to_owned(), ..ScanRequest::default() };
        loop {
            let page = database.scan(request).unwrap();
            for item in page.items.unwrap() {
                let item = serde_json::to_value(item).unwrap();
                let key = |name: &str| item[name]["S"].as_str().unwrap().to_owned();
                items.insert((key("PK"), key("SK")), item);
            }
            let Some(after) = page.last_evaluated_key else { break };
            request = ScanRequest {
                table_name: TABLE.to_owned(),
                exclusive_start_key: Some(after),
                ..ScanRequest::default()
            };
        }
        Self(items)
    }

    /// Leaves out what every scan writes: the connection's item (lease, last scan) and the list of scans.
    pub fn of_users(mut self) -> Self {
        self.0.retain(|(_, sort_key), _| sort_key != "state" && !sort_key.starts_with("scan#"));
        self
    }

    /// Number of user records.
    pub fn records(&self) -> usize {
        self.0.keys().filter(|(_, sort_key)| sort_key == "record").count()
    }
}

/// Moves a copied state to the target of its copy: a state belongs to one target URL.
pub(crate) fn rebind_target(path: &Path, from_url: &str, to_url: &str) {
    let [from, to] = [from_url, to_url].map(|url| url.trim_end_matches('/'));
    rewrite(path, |item| {
        let Some(AttributeValue::S(target)) = item.get_mut("target") else { return false };
        let is_bound = target.contains(from);
        *target = target.replace(from, to);
        is_bound
    });
}

/// Damages the record of the user with this name, so that it can't be read.
pub fn damage_record(path: &Path, user_name: &str) {
    rewrite(path, |item| {
        let is_users =
            matches!(item.get("desired"), Some(AttributeValue::S(text)) if text.contains(user_name));
        if is_users {
            item.insert("status".to_owned(), AttributeValue::S("nonsense".to_owned()));
        }
        is_users
    });
}

/// Writes the items that a change returns true for.
fn rewrite(path: &Path, mut change: impl FnMut(&mut HashMap<String, AttributeValue>) -> bool) {
    let database = Database::new(path.to_str().unwrap()).unwrap();
    let mut after = None;
    loop {
        let request = ScanRequest {
            table_name: TABLE.to_owned(),
            exclusive_start_key: after,
            ..ScanRequest::default()
        };
        let page = database.scan(request).unwrap();
        for mut item in page.items.unwrap() {
            if change(&mut item) {
                let put = PutItemRequest { table_name: TABLE.to_owned(), item, ..PutItemRequest::default() };
                database.put_item(put).unwrap();
            }
        }
        after = page.last_evaluated_key;
        if after.is_none() {
            return;
        }
    }
}
