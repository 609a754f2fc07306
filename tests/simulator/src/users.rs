//! The operations on `/Users`.

use serde_json::{Value, json};

use crate::{
    accounts::{AccountAttributes, AccountTable, StoredAccount},
    attributes,
    call::ReceivedRequest,
    check::check,
    filter::UserFilter,
    merge::{MergeDepth, merge, replacement},
    options::{DeleteRule, EmptyListForm, PutRule, SimulatorOptions},
    patch,
    reply::{Refusal, ReplyBody, SimulatedReply},
    resource::render,
};

/// Response, and whether the request changed an account.
#[derive(Debug)]
pub(crate) struct ServedRequest {
    pub(crate) reply: SimulatedReply,
    pub(crate) changed: bool,
}

impl ServedRequest {
    pub(crate) fn read(body: Value) -> Self {
        Self { reply: SimulatedReply::json(200, body), changed: false }
    }
}

pub(crate) fn list(
    call: &ReceivedRequest,
    accounts: &AccountTable,
    options: &SimulatorOptions,
) -> Result<ServedRequest, Refusal> {
    let start = number(call, "startIndex")?.unwrap_or(1).max(1);
    let count = number(call, "count")?.unwrap_or(options.page_default);
    let count = count.min(options.page_max);
    let (total, page): (usize, Vec<&StoredAccount>) = match call.query.get("filter") {
        None => (accounts.len(), accounts.page(start - 1, count).collect()),
        Some(filter) => {
            let found = match UserFilter::parse(filter, options.product)? {
                UserFilter::UserName(name) => accounts.with_user_name(&name),
                UserFilter::ExternalId(id) => accounts.with_external_id(&id),
            };
            let total = usize::from(found.is_some());
            (total, found.into_iter().skip(start - 1).take(count).collect())
        }
    };
    let resources: Vec<Value> = page.into_iter().map(|account| render(account, options)).collect();
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "itemsPerPage": resources.len(),
        "startIndex": start,
    });
    if let Some(body) = body.as_object_mut()
        && !(resources.is_empty() && options.no_match == EmptyListForm::Absent)
    {
        body.insert("Resources".to_owned(), Value::Array(resources));
    }
    Ok(ServedRequest::read(body))
}

/// A negative number counts as 0 (RFC 7644, section 3.4.2.4).
fn number(call: &ReceivedRequest, name: &str) -> Result<Option<usize>, Refusal> {
    let Some(text) = call.query.get(name) else {
        return Ok(None);
    };
    let number: i64 =
        text.parse().map_err(|_| Refusal::invalid_value(format!("{name}: must be a number")))?;
    Ok(Some(usize::try_from(number).unwrap_or(0)))
}

pub(crate) fn read(
    id: &str,
    accounts: &AccountTable,
    options: &SimulatorOptions,
) -> Result<ServedRequest, Refusal> {
    let account = find(id, accounts)?;
    Ok(ServedRequest::read(render(account, options)))
}

pub(crate) fn create(
    call: &ReceivedRequest,
    accounts: &mut AccountTable,
    options: &SimulatorOptions,
) -> Result<ServedRequest, Refusal> {
    let sent = attributes::accept_resource(call.object()?, options)?;
    let attributes = with_active(replacement(sent));
    check(None, &attributes, accounts, options)?;
    let account = StoredAccount { id: accounts.new_id(), attributes, claimed: false, invited: true };
    let reply = SimulatedReply::json(201, render(&account, options));
    accounts.put(account);
    Ok(ServedRequest { reply, changed: true })
}

pub(crate) fn put(
    id: &str,
    call: &ReceivedRequest,
    accounts: &mut AccountTable,
    options: &SimulatorOptions,
) -> Result<ServedRequest, Refusal> {
    let before = find(id, accounts)?;
    let sent = attributes::accept_resource(call.object()?, options)?;
    let after = match options.put {
        PutRule::Merge => {
            let mut attributes = before.attributes.clone();
            merge(&mut attributes, sent, MergeDepth::TopLevel);
            attributes
        }
        PutRule::Replace => with_active(replacement(sent)),
    };
    update(before.clone(), after, accounts, options)
}

pub(crate) fn patch(
    id: &str,
    call: &ReceivedRequest,
    accounts: &mut AccountTable,
    options: &SimulatorOptions,
) -> Result<ServedRequest, Refusal> {
    if !options.patch {
        return Err(Refusal::new(405, "PATCH is not supported"));
    }
    let before = find(id, accounts)?;
    let mut after = before.attributes.clone();
    patch::apply(&mut after, call.object()?, options)?;
    update(before.clone(), after, accounts, options)
}

/// Deletes or deactivates an account, as the product does.
pub(crate) fn delete(
    id: &str,
    accounts: &mut AccountTable,
    options: &SimulatorOptions,
) -> Result<ServedRequest, Refusal> {
    let account = find(id, accounts)?;
    let status = match options.product.deletes() {
        DeleteRule::Unclaimed if account.claimed => {
            return Err(Refusal::new(412, "an account that has been claimed can't be deleted"));
        }
        DeleteRule::Unclaimed => 200,
        DeleteRule::Always => 204,
        DeleteRule::Never => {
            let mut account = account.clone();
            account.attributes.insert("active".to_owned(), Value::Bool(false));
            accounts.put(account);
            return Ok(ServedRequest {
                reply: SimulatedReply::status(204).content(ReplyBody::Empty),
                changed: true,
            });
        }
    };
    let id = account.id;
    accounts.remove(id);
    Ok(ServedRequest { reply: SimulatedReply::status(status).content(ReplyBody::Empty), changed: true })
}

fn update(
    before: StoredAccount,
    after: AccountAttributes,
    accounts: &mut AccountTable,
    options: &SimulatorOptions,
) -> Result<ServedRequest, Refusal> {
    check(Some(&before), &after, accounts, options)?;
    let changed = before.attributes != after;
    let account = StoredAccount { attributes: after, ..before };
    let reply = SimulatedReply::json(200, render(&account, options));
    accounts.put(account);
    Ok(ServedRequest { reply, changed })
}

/// Accounts are active by default \[inferred\].
fn with_active(mut attributes: AccountAttributes) -> AccountAttributes {
    attributes.entry("active").or_insert(Value::Bool(true));
    attributes
}

fn find<'a>(id: &str, accounts: &'a AccountTable) -> Result<&'a StoredAccount, Refusal> {
    let account = id.parse().ok().and_then(|id| accounts.get(id));
    account.ok_or_else(|| Refusal::new(404, format!("there is no account {id}")))
}
