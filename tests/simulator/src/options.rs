//! Switches for all uncertain facts.

use clap::ValueEnum;

use crate::proof;

/// Behaviour of the simulated server; the defaults are the documented facts.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Access token that clients must send.
    pub token: String,
    /// App secret that clients must prove to know; without it, proofs are not checked \[seen\].
    pub app_secret: Option<String>,
    /// Status of the response to a missing, wrong or old proof. Not recorded.
    pub bad_proof_status: u16,
    /// Clock of the server, in Unix seconds. A proof is valid for five minutes; the real time is not recorded.
    pub clock: fn() -> i64,
    /// Simulated product, which decides which attributes exist.
    pub product: Product,
    /// Resources per page without `count`: 10 \[sample\].
    pub page_default: usize,
    /// Most resources on a page. Not recorded; Meta's exporter requests 100 \[sample\].
    pub page_max: usize,
    /// Form of an empty list; both occur \[sample\].
    pub no_match: EmptyListForm,
    /// Form of ids: numbers, sometimes strings \[sample\].
    pub ids: IdForm,
    /// Form of `inviteDate`; both occur \[seen\].
    pub dates: DateForm,
    /// Form of `active`; all occur at servers that are not recorded here.
    pub active: ActiveForm,
    /// Whether resources contain attributes outside the schemas (badges, groups, work teams) \[doc\].
    pub unknown_fields: bool,
    /// Whether an account without e-mails shows its `userName` as its work e-mail \[seen\].
    pub mirror_emails: bool,
    /// Effect of PUT on attributes that the body lacks: Meta's samples rely on a merge \[sample\].
    pub put: PutRule,
    /// Whether PATCH exists: on v2 only \[doc\].
    pub patch: bool,
    /// Whether PATCH removes values; otherwise it refuses, as Slack may, which clears by PUT \[doc\].
    pub patch_removes: bool,
    /// Writes per minute; further writes get 429 with `Retry-After` (Slack \[doc\]).
    pub writes_per_minute: Option<usize>,
    /// Effect of a PATCH path that selects no value. Not recorded; RFC 7644 refuses.
    pub patch_no_target: NoTargetRule,
    /// Effect of an attribute sent as `""`. Not recorded; clears at Workvivo \[doc\].
    pub empty_string: EmptyValueRule,
    /// Effect of an attribute sent as `null`. Not recorded; must not be sent to Workvivo \[doc\].
    pub null: EmptyValueRule,
    /// Effect of an attribute outside the schema. Not recorded.
    pub unknown_attributes: UnknownAttributeRule,
    /// Effect of an extension that `schemas` does not name. Not recorded.
    pub undeclared_extensions: UndeclaredExtensionRule,
    /// Verified domains for `userName` \[doc\]; if empty, all domains are verified.
    pub verified_domains: Vec<String>,
    /// Whether `managerId` must name an existing account: "the manager must exist first" \[sample\].
    pub manager_must_exist: bool,
    /// Status of the response to a duplicate `userName` or `externalId`. Not recorded.
    pub duplicate_status: u16,
    /// Shape of that response, if it differs from `error_shape`. Not recorded.
    pub duplicate_shape: Option<ErrorShape>,
    /// Shape of other error bodies; three are documented \[doc\].
    pub error_shape: ErrorShape,
    /// Status of the response to a request without `User-Agent`, which is refused \[doc\]. The status is not recorded.
    pub no_user_agent_status: u16,
    /// Used percentage of the call budget in the header `x-app-usage` \[doc\].
    pub app_usage: Option<u8>,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            port: 0,
            token: "simulator-token".to_owned(),
            app_secret: None,
            bad_proof_status: 400,
            clock: proof::clock,
            product: Product::Workplace,
            page_default: 10,
            page_max: 100,
            no_match: EmptyListForm::Empty,
            ids: IdForm::Number,
            dates: DateForm::Seconds,
            active: ActiveForm::Boolean,
            unknown_fields: true,
            mirror_emails: true,
            put: PutRule::Merge,
            patch: true,
            patch_removes: true,
            writes_per_minute: None,
            patch_no_target: NoTargetRule::Refuse,
            empty_string: EmptyValueRule::Clear,
            null: EmptyValueRule::Ignore,
            unknown_attributes: UnknownAttributeRule::Ignore,
            undeclared_extensions: UndeclaredExtensionRule::Accept,
            verified_domains: Vec::new(),
            manager_must_exist: true,
            duplicate_status: 409,
            duplicate_shape: None,
            error_shape: ErrorShape::Errors,
            no_user_agent_status: 403,
            app_usage: None,
        }
    }
}

impl SimulatorOptions {
    /// Meta Admin Center: the same host with fewer attributes \[doc\].
    pub fn admin_center() -> Self {
        Self { product: Product::AdminCenter, ..Self::default() }
    }

    /// Workplace's SCIM v1: other names, another base path, no PATCH \[doc\].
    pub fn v1() -> Self {
        Self { product: Product::WorkplaceV1, patch: false, ..Self::default() }
    }

    /// Server that conforms to RFC 7643 and RFC 7644.
    pub fn scim2() -> Self {
        Self {
            product: Product::Scim2,
            ids: IdForm::Text,
            put: PutRule::Replace,
            error_shape: ErrorShape::Scim,
            mirror_emails: false,
            unknown_fields: false,
            ..Self::default()
        }
    }

    /// Workvivo: RFC 7644 with additional requirements. The effect of its PUT is not stated.
    pub fn workvivo() -> Self {
        Self {
            product: Product::Workvivo,
            null: EmptyValueRule::Refuse,
            put: PutRule::Merge,
            ..Self::scim2()
        }
    }

    /// Slack: RFC 7644, and 180 writes a minute \[doc\].
    pub fn slack() -> Self {
        Self { product: Product::Slack, patch_removes: false, writes_per_minute: Some(180), ..Self::scim2() }
    }

    pub(crate) fn is_verified(&self, domain: &str) -> bool {
        self.verified_domains.is_empty()
            || self.verified_domains.iter().any(|verified| verified.eq_ignore_ascii_case(domain))
    }
}

/// Simulated product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Product {
    /// Workplace: everything.
    Workplace,
    /// Meta Admin Center: no manager, no Facebook extensions, and only `userName` can be filtered on.
    AdminCenter,
    /// Workplace's SCIM v1: v1's URNs and names, and resources under `/scim/v1`.
    WorkplaceV1,
    /// RFC 7643's attributes without Facebook's extensions, resources under `/scim/v2`, DELETE deletes.
    Scim2,
    /// Workvivo: immutable `externalId`, e-mail addresses as user names, both names required, DELETE deactivates \[doc\].
    Workvivo,
    /// Slack: an e-mail address is required, DELETE deactivates \[doc\].
    Slack,
}

impl Product {
    /// Path before `/Users` \[doc\].
    pub(crate) fn base_path(self) -> &'static str {
        match self {
            Self::Workplace | Self::AdminCenter => "",
            Self::WorkplaceV1 => "/scim/v1",
            Self::Scim2 | Self::Workvivo | Self::Slack => "/scim/v2",
        }
    }

    /// Whether the product has Facebook's extensions \[doc\].
    pub(crate) fn has_extensions_of_facebook(self) -> bool {
        match self {
            Self::Workplace | Self::WorkplaceV1 => true,
            Self::AdminCenter | Self::Scim2 | Self::Workvivo | Self::Slack => false,
        }
    }

    /// Whether unknown extensions are kept. Servers may have extensions that are not recorded, such as Workplace's for
    /// frontline workers.
    pub(crate) fn keeps_unknown_extensions(self) -> bool {
        match self {
            Self::Workplace | Self::WorkplaceV1 | Self::Scim2 | Self::Workvivo | Self::Slack => true,
            Self::AdminCenter => false,
        }
    }

    /// Accounts that DELETE deletes.
    pub(crate) fn deletes(self) -> DeleteRule {
        match self {
            Self::Workplace | Self::WorkplaceV1 | Self::AdminCenter => DeleteRule::Unclaimed,
            Self::Scim2 => DeleteRule::Always,
            Self::Workvivo | Self::Slack => DeleteRule::Never,
        }
    }

    /// Whether attributes and endpoints are those of the RFCs.
    pub(crate) fn is_plain(self) -> bool {
        match self {
            Self::Scim2 | Self::Workvivo | Self::Slack => true,
            Self::Workplace | Self::WorkplaceV1 | Self::AdminCenter => false,
        }
    }

    /// Whether Workplace's rules for names apply: a `userName` of e-mail form or an `externalId`, and `name.formatted`
    /// \[doc\].
    pub(crate) fn requires_names(self) -> bool {
        match self {
            Self::Workplace | Self::WorkplaceV1 | Self::AdminCenter => true,
            Self::Scim2 | Self::Workvivo | Self::Slack => false,
        }
    }

    /// Whether accounts are found by `externalId` \[doc\].
    pub(crate) fn filters_on_external_id(self) -> bool {
        match self {
            Self::Workplace | Self::WorkplaceV1 | Self::Scim2 | Self::Workvivo | Self::Slack => true,
            Self::AdminCenter => false,
        }
    }
}

/// Accounts that DELETE deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeleteRule {
    /// Accounts that were never claimed \[doc\].
    Unclaimed,
    /// All (RFC 7644, 3.6).
    Always,
    /// None; DELETE deactivates \[doc\].
    Never,
}

/// Form of an empty list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EmptyListForm {
    /// `"Resources": []`.
    Empty,
    /// No `Resources` at all.
    Absent,
}

/// Form of account ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdForm {
    /// A JSON number of 15 digits.
    Number,
    /// The same digits in a string, which is then accepted for a `managerId` too.
    Text,
}

/// Form of `active`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActiveForm {
    /// A JSON boolean.
    Boolean,
    /// 1 or 0.
    Number,
    /// "True" or "False".
    Text,
    /// `true`, and nothing for an inactive account.
    AbsentIfInactive,
}

/// Form of dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DateForm {
    /// Unix seconds, a JSON number.
    Seconds,
    /// ISO 8601, a string.
    Iso8601,
}

/// Effect of PUT on attributes that the body lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PutRule {
    /// They are kept; parts of `name` and of extensions too.
    Merge,
    /// They are removed (RFC 7644, 3.5.1).
    Replace,
}

/// Effect of a PATCH path that selects no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NoTargetRule {
    /// 400 with `noTarget`.
    Refuse,
    /// The value is created with the type in the path.
    Create,
}

/// Effect of an empty value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EmptyValueRule {
    /// The attribute loses its value.
    Clear,
    /// The request is refused with 400.
    Refuse,
    /// The attribute stays as it was.
    Ignore,
}

/// Effect of an attribute outside the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnknownAttributeRule {
    /// The attribute is dropped.
    Ignore,
    /// The request is refused with 400.
    Refuse,
}

/// Effect of an extension that `schemas` does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UndeclaredExtensionRule {
    /// The extension is accepted.
    Accept,
    /// The extension is dropped.
    Ignore,
    /// The request is refused with 400.
    Refuse,
}

/// Shape of an error body; each may occur with any status \[doc\].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorShape {
    /// `{"Errors":[{"description":…,"code":…}]}`.
    Errors,
    /// RFC 7644's Error message.
    Scim,
    /// The Graph platform's `{"error":{"message":…,"type":…,"code":…}}`.
    Graph,
    /// No body.
    Empty,
}
