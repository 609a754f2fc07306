//! JSON of an account in responses and seeds.

use serde_json::{Map, Value, json};

use crate::{
    accounts::{AccountAttributes, StoredAccount},
    options::{ActiveForm, DateForm, IdForm, SimulatorOptions},
    schema::{ACCOUNT_STATUS, CORE, ENTERPRISE, is_extension},
    spelling,
};

/// Fixed dates keep responses the same in each run.
const INVITE_DATE: i64 = 1_454_587_629;
const INVITE_DATE_ISO: &str = "2016-02-04T12:07:09+0000";
const CLAIM_DATE: i64 = 1_454_674_029;
const CLAIM_DATE_ISO: &str = "2016-02-05T12:07:09+0000";

pub(crate) fn render(account: &StoredAccount, options: &SimulatorOptions) -> Value {
    let mut resource = account.attributes.clone();
    if options.mirror_emails
        && !resource.contains_key("emails")
        && let Some(user_name) = account.user_name()
    {
        let email = json!({"value": user_name, "type": "work", "primary": true});
        resource.insert("emails".to_owned(), json!([email]));
    }
    render_active(&mut resource, options.active);
    if let Some(manager) =
        resource.get_mut(ENTERPRISE).and_then(|extension| extension.pointer_mut("/manager/managerId"))
        && let Some(id) = manager.as_u64()
    {
        *manager = render_id(id, options.ids);
    }
    if options.product.has_extensions_of_facebook() {
        resource.insert(ACCOUNT_STATUS.to_owned(), status(account, options.dates));
    }
    let extensions = resource.keys().filter(|name| is_extension(name));
    let schemas: Vec<&str> = [CORE].into_iter().chain(extensions.map(String::as_str)).collect();
    let schemas = json!(schemas);
    resource.insert("schemas".to_owned(), schemas);
    resource.insert("id".to_owned(), render_id(account.id, options.ids));
    if options.unknown_fields {
        add_unknown_fields(&mut resource);
    }
    Value::Object(spelling::sent(resource, options.product))
}

fn render_active(resource: &mut Map<String, Value>, form: ActiveForm) {
    let Some(active) = resource.get("active").and_then(Value::as_bool) else { return };
    let shown = match form {
        ActiveForm::Boolean => json!(active),
        ActiveForm::Number => json!(u8::from(active)),
        ActiveForm::Text => json!(if active { "True" } else { "False" }),
        ActiveForm::AbsentIfInactive if active => json!(true),
        ActiveForm::AbsentIfInactive => {
            resource.remove("active");
            return;
        }
    };
    resource.insert("active".to_owned(), shown);
}

fn render_id(id: u64, form: IdForm) -> Value {
    match form {
        IdForm::Number => json!(id),
        IdForm::Text => json!(id.to_string()),
    }
}

fn status(account: &StoredAccount, dates: DateForm) -> Value {
    let date = |seconds: i64, iso: &str| match dates {
        DateForm::Seconds => json!(seconds),
        DateForm::Iso8601 => json!(iso),
    };
    let mut status = json!({
        "claimed": account.claimed,
        "invited": account.invited,
        "canDelete": !account.claimed,
    });
    if let Some(status) = status.as_object_mut() {
        if account.invited {
            status.insert("inviteDate".to_owned(), date(INVITE_DATE, INVITE_DATE_ISO));
        }
        if account.claimed {
            status.insert("claimDate".to_owned(), date(CLAIM_DATE, CLAIM_DATE_ISO));
        }
    }
    status
}

/// Strict parsers failed on such fields \[doc\]; their structure is invented.
fn add_unknown_fields(resource: &mut Map<String, Value>) {
    let fields = [
        ("groups", json!([{"value": 200_000_000_000_001_u64, "display": "Everyone"}])),
        ("badges", json!([{"name": "Early Bird", "level": 3}])),
        ("work_teams", json!({"data": [], "paging": null})),
    ];
    for (name, value) in fields {
        resource.entry(name).or_insert(value);
    }
}

/// Values of a seed; the server completes the rest.
pub(crate) struct AccountSeed {
    pub(crate) id: Option<u64>,
    pub(crate) attributes: AccountAttributes,
    pub(crate) claimed: Option<bool>,
    pub(crate) invited: Option<bool>,
}

/// Parses a resource, such as one from `render`.
pub(crate) fn parse_seed(resource: Value) -> AccountSeed {
    let mut attributes = match resource {
        Value::Object(attributes) => attributes,
        _ => Map::new(),
    };
    let id = match attributes.remove("id") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        _ => None,
    };
    attributes.remove("schemas");
    let status = attributes.remove(ACCOUNT_STATUS);
    let flag = |name: &str| status.as_ref()?.get(name)?.as_bool();
    AccountSeed { id, claimed: flag("claimed"), invited: flag("invited"), attributes }
}
