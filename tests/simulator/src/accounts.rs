//! The accounts, found by id, by `userName` without case, and by `externalId`.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Workplace ids have 15 or more digits \[sample\].
const FIRST_ID: u64 = 100_000_000_000_001;

/// Attributes of an account, without its id and its status.
pub(crate) type AccountAttributes = Map<String, Value>;

#[derive(Clone, Debug)]
pub(crate) struct StoredAccount {
    pub(crate) id: u64,
    pub(crate) attributes: AccountAttributes,
    /// Whether the account was claimed; a claimed account can't be deleted \[doc\].
    pub(crate) claimed: bool,
    pub(crate) invited: bool,
}

impl StoredAccount {
    pub(crate) fn user_name(&self) -> Option<&str> {
        user_name(&self.attributes)
    }
}

pub(crate) fn user_name(attributes: &AccountAttributes) -> Option<&str> {
    attributes.get("userName").and_then(Value::as_str)
}

pub(crate) fn external_id(attributes: &AccountAttributes) -> Option<&str> {
    attributes.get("externalId").and_then(Value::as_str)
}

#[derive(Debug)]
pub(crate) struct AccountTable {
    by_id: HashMap<u64, StoredAccount>,
    by_user_name: HashMap<String, u64>,
    by_external_id: HashMap<String, u64>,
    /// Ascending, so that a page far down the list costs no more than the first.
    order: Vec<u64>,
    next_id: u64,
}

impl Default for AccountTable {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            by_user_name: HashMap::new(),
            by_external_id: HashMap::new(),
            order: Vec::new(),
            next_id: FIRST_ID,
        }
    }
}

impl AccountTable {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&StoredAccount> {
        self.by_id.get(&id)
    }

    pub(crate) fn with_user_name(&self, user_name: &str) -> Option<&StoredAccount> {
        self.get(*self.by_user_name.get(&user_name.to_lowercase())?)
    }

    pub(crate) fn with_external_id(&self, external_id: &str) -> Option<&StoredAccount> {
        self.get(*self.by_external_id.get(external_id)?)
    }

    /// Accounts in the order of their ids.
    pub(crate) fn page(&self, skip: usize, count: usize) -> impl Iterator<Item = &StoredAccount> {
        let ids = self.order.get(skip..).unwrap_or_default();
        ids.iter().take(count).filter_map(|id| self.get(*id))
    }

    /// Unused id.
    pub(crate) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Stores an account, and replaces one with the same id.
    pub(crate) fn put(&mut self, account: StoredAccount) {
        let id = account.id;
        match self.by_id.remove(&id) {
            Some(before) => self.forget_names(&before),
            None => {
                if let Err(position) = self.order.binary_search(&id) {
                    self.order.insert(position, id);
                }
            }
        }
        if let Some(user_name) = account.user_name() {
            self.by_user_name.insert(user_name.to_lowercase(), id);
        }
        if let Some(external_id) = external_id(&account.attributes) {
            self.by_external_id.insert(external_id.to_owned(), id);
        }
        self.next_id = self.next_id.max(id.saturating_add(1));
        self.by_id.insert(id, account);
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<StoredAccount> {
        let account = self.by_id.remove(&id)?;
        self.forget_names(&account);
        if let Ok(position) = self.order.binary_search(&id) {
            self.order.remove(position);
        }
        Some(account)
    }

    /// After an edit two accounts may share a name; the index entry of the other account is kept.
    fn forget_names(&mut self, account: &StoredAccount) {
        let id = account.id;
        if let Some(user_name) = account.user_name() {
            let user_name = user_name.to_lowercase();
            if self.by_user_name.get(&user_name) == Some(&id) {
                self.by_user_name.remove(&user_name);
            }
        }
        if let Some(external_id) = external_id(&account.attributes)
            && self.by_external_id.get(external_id) == Some(&id)
        {
            self.by_external_id.remove(external_id);
        }
    }
}
