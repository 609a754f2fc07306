//! One user in a plan, a list or a report.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One user in a plan, a list or a report. Masked values are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportItem {
    /// The entry's immutable id.
    pub anchor: String,
    /// The user name, unless there is none or it is masked.
    pub user_name: Option<String>,
    /// DN of an entry without a user name, unless it contains a masked value.
    pub dn: Option<String>,
    /// The action or the status: `create`, `create-inactive`, `link`, `update`, `reactivate`, `deactivate`, `delete`,
    /// `transfer`, `conflict`, `held`, `approved`, `skipped`, `invalid`, `failed`, `pending_deletion`.
    pub action: Cow<'static, str>,
    /// The reason.
    pub why: String,
    /// Attributes that change.
    pub changes: Vec<AttributeChange>,
    /// Fingerprints of the inputs, in a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<PlanInputs>,
}

impl ReportItem {
    /// The name of the user in a list: the user name, else the DN, else the anchor.
    pub fn name(&self) -> &str {
        self.user_name.as_deref().or(self.dn.as_deref()).unwrap_or(&self.anchor)
    }
}

/// Fingerprints of the inputs of one user's plan. Equal fingerprints mean equal inputs, masked values included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanInputs {
    /// The desired user.
    pub entry: Option<String>,
    /// The stored record.
    pub record: Option<String>,
    /// The mapped attributes of the account.
    pub account: Option<String>,
}

/// One attribute that changes. An empty value is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeChange {
    /// The attribute.
    pub attribute: String,
    /// The value of the account.
    pub from: Option<String>,
    /// The desired value.
    pub to: Option<String>,
}
