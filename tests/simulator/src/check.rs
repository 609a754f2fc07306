//! Rules that an account must satisfy.
//!
//! An update is checked for the changed attributes only, so an account that was seeded in an invalid state can still be
//! changed.

use crate::{
    accounts::{AccountAttributes, AccountTable, StoredAccount, external_id, user_name},
    options::{Product, SimulatorOptions},
    reply::Refusal,
    schema::ENTERPRISE,
};

pub(crate) fn check(
    before: Option<&StoredAccount>,
    after: &AccountAttributes,
    accounts: &AccountTable,
    options: &SimulatorOptions,
) -> Result<(), Refusal> {
    let empty = AccountAttributes::new();
    let old = before.map_or(&empty, |account| &account.attributes);
    let own_id = before.map(|account| account.id);

    if !options.product.requires_names() && user_name(after).is_none() {
        return Err(Refusal::invalid_value("userName: is required"));
    }
    let had_key = before.is_none() || user_name(old).or(external_id(old)).is_some();
    if had_key && user_name(after).or(external_id(after)).is_none() {
        return Err(Refusal::invalid_value("userName: is required where there is no externalId"));
    }
    if let Some(name) = user_name(after)
        && user_name(old) != Some(name)
    {
        if options.product.requires_names() {
            check_user_name(name, options)?;
        }
        if is_other(accounts.with_user_name(name), own_id) {
            return Err(Refusal::duplicate("userName", options));
        }
    }
    if let Some(id) = external_id(after)
        && external_id(old) != Some(id)
        && is_other(accounts.with_external_id(id), own_id)
    {
        return Err(Refusal::duplicate("externalId", options));
    }
    let had_name = before.is_none() || formatted_name(old).is_some();
    if options.product.requires_names() && had_name && formatted_name(after).is_none() {
        return Err(Refusal::invalid_value("name.formatted: is required"));
    }
    check_product_rules(before.is_none(), old, after, options.product)?;
    if options.manager_must_exist
        && let Some(manager) = manager_id(after)
        && manager_id(old) != Some(manager)
        && accounts.get(manager).is_none()
    {
        return Err(Refusal::invalid_value(format!("manager.managerId: there is no account {manager}")));
    }
    Ok(())
}

/// Rules of Workvivo and Slack \[doc\].
fn check_product_rules(
    is_new: bool,
    old: &AccountAttributes,
    after: &AccountAttributes,
    product: Product,
) -> Result<(), Refusal> {
    let needs = |place: &str| Err(Refusal::invalid_value(format!("{place}: is required")));
    let has_part = |part: &str| after.get("name").is_some_and(|name| name.get(part).is_some());
    match product {
        Product::Workvivo => {
            if is_new && external_id(after).is_none() {
                return needs("externalId");
            }
            if !is_new && external_id(old) != external_id(after) {
                return Err(Refusal::invalid("mutability", "externalId: can't be changed"));
            }
            if is_new && user_name(after).and_then(email_domain).is_none() {
                return Err(Refusal::invalid_value("userName: must be an e-mail address"));
            }
            for part in ["givenName", "familyName"] {
                if is_new && !has_part(part) {
                    return needs(&format!("name.{part}"));
                }
            }
            Ok(())
        }
        Product::Slack if is_new && !after.contains_key("emails") => needs("emails"),
        _ => Ok(()),
    }
}

fn check_user_name(name: &str, options: &SimulatorOptions) -> Result<(), Refusal> {
    let domain =
        email_domain(name).ok_or_else(|| Refusal::invalid_value("userName: must be an e-mail address"))?;
    if !options.is_verified(domain) {
        return Err(Refusal::unverified_domain(domain));
    }
    Ok(())
}

fn email_domain(text: &str) -> Option<&str> {
    let (local, domain) = text.split_once('@')?;
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let is_domain =
        !domain.contains('@') && domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    (is_plain && is_domain && !local.is_empty()).then_some(domain)
}

fn is_other(holder: Option<&StoredAccount>, own_id: Option<u64>) -> bool {
    holder.is_some_and(|holder| Some(holder.id) != own_id)
}

fn formatted_name(attributes: &AccountAttributes) -> Option<&str> {
    attributes.get("name")?.get("formatted")?.as_str()
}

fn manager_id(attributes: &AccountAttributes) -> Option<u64> {
    let manager = attributes.get(ENTERPRISE)?.get("manager")?;
    manager.get("managerId")?.as_u64()
}
