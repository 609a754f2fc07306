//! Every fact that could be otherwise, as a switch.

use clap::ValueEnum;

use crate::proof;

/// How the simulated server behaves; the default is what is documented.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The token that callers must bring.
    pub token: String,
    /// The app secret that callers must prove to know; none means that a proof is not looked at \[seen\].
    pub app_secret: Option<String>,
    /// The status that answers a missing, wrong or old proof. Not recorded.
    pub bad_proof_status: u16,
    /// The server's clock, in Unix seconds: a proof is good for five minutes of it. How long is not recorded.
    pub clock: fn() -> i64,
    /// Which product answers: it decides which attributes exist.
    pub product: Product,
    /// Resources on a page when the caller gives no `count`: 10 \[sample\].
    pub page_default: usize,
    /// The most resources on a page, whatever the caller asks for. Not recorded; Meta's exporter uses 100 \[sample\].
    pub page_max: usize,
    /// What a list without resources looks like: both forms occur \[sample\].
    pub no_match: EmptyListForm,
    /// How ids are written: as numbers, sometimes read as strings \[sample\].
    pub ids: IdForm,
    /// How `inviteDate` is written: both forms occur \[seen\].
    pub dates: DateForm,
    /// Whether resources carry attributes that no schema names (badges, groups, work teams) \[doc\].
    pub unknown_fields: bool,
    /// Whether an account without e-mails shows its `userName` as its work e-mail \[seen\].
    pub mirror_emails: bool,
    /// What PUT does with attributes that it doesn't mention: Meta's samples rely on a merge \[sample\].
    pub put: PutRule,
    /// Whether PATCH exists: on v2 only \[doc\].
    pub patch: bool,
    /// Whether a PATCH takes values away; else it refuses to, as Slack may, which clears by PUT \[doc\].
    pub patch_removes: bool,
    /// Writes that are let through in a minute; more are answered with 429 and `Retry-After` \[doc\] for Slack.
    pub writes_per_minute: Option<usize>,
    /// What PATCH does when its path selects no value. Not recorded; RFC 7644 refuses.
    pub patch_no_target: NoTargetRule,
    /// What an attribute sent as `""` does. Not recorded; clears at Workvivo \[doc\].
    pub empty_string: EmptyValueRule,
    /// What an attribute sent as `null` does. Not recorded; Workvivo says never to send it \[doc\].
    pub null: EmptyValueRule,
    /// What an attribute that the schema doesn't know does. Not recorded.
    pub unknown_attributes: UnknownAttributeRule,
    /// What an extension does that the body carries but `schemas` doesn't name. Not recorded.
    pub undeclared_extensions: UndeclaredExtensionRule,
    /// The domains that a `userName` may have; none means that every domain counts as verified \[doc\].
    pub verified_domains: Vec<String>,
    /// Whether `managerId` must name an existing account: "the manager must exist first" \[sample\].
    pub manager_must_exist: bool,
    /// The status that answers a `userName` or `externalId` which another account has. Not recorded.
    pub duplicate_status: u16,
    /// The body that goes with it, where it differs from `error_shape`. Not recorded.
    pub duplicate_shape: Option<ErrorShape>,
    /// The body of every other refusal: three shapes are documented, none is said to be the rule \[doc\].
    pub error_shape: ErrorShape,
    /// The status that answers a caller without `User-Agent`; that it is refused is \[doc\], with what is not recorded.
    pub no_user_agent_status: u16,
    /// Percent of the call budget that is used, told by the header `x-app-usage` \[doc\].
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
    /// Meta Admin Center, which serves the same host with fewer attributes \[doc\].
    pub fn admin_center() -> Self {
        Self { product: Product::AdminCenter, ..Self::default() }
    }

    /// Workplace's SCIM v1: other names, another base path, no PATCH \[doc\].
    pub fn v1() -> Self {
        Self { product: Product::WorkplaceV1, patch: false, ..Self::default() }
    }

    /// Any server that keeps to RFC 7643 and RFC 7644.
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

    /// Workvivo: RFC 7644 with demands of its own. What its PUT does is not stated.
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

/// The product behind the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Product {
    /// Workplace: everything.
    Workplace,
    /// Meta Admin Center: no manager, no Facebook extensions, and only `userName` can be filtered on.
    AdminCenter,
    /// Workplace's SCIM v1: v1's URNs and names, and resources under `/scim/v1`.
    WorkplaceV1,
    /// None of Meta's: RFC 7643's attributes without Facebook's extensions, resources under `/scim/v2`, and DELETE that
    /// deletes.
    Scim2,
    /// Workvivo: an `externalId` that never changes, e-mail addresses as user names, both names, and DELETE that switches
    /// off \[doc\].
    Workvivo,
    /// Slack: an e-mail address for everybody, and DELETE that switches off \[doc\].
    Slack,
}

impl Product {
    /// What comes before `/Users` \[doc\].
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

    /// Whether extensions are kept that the schema doesn't know. Workplace may have some that are not recorded, such as
    /// the frontline one, and so may any server.
    pub(crate) fn keeps_unknown_extensions(self) -> bool {
        match self {
            Self::Workplace | Self::WorkplaceV1 | Self::Scim2 | Self::Workvivo | Self::Slack => true,
            Self::AdminCenter => false,
        }
    }

    /// What DELETE does.
    pub(crate) fn deletes(self) -> DeleteRule {
        match self {
            Self::Workplace | Self::WorkplaceV1 | Self::AdminCenter => DeleteRule::Unclaimed,
            Self::Scim2 => DeleteRule::Always,
            Self::Workvivo | Self::Slack => DeleteRule::Never,
        }
    }

    /// Whether it is RFC 7644's, attributes and endpoints included.
    pub(crate) fn is_plain(self) -> bool {
        match self {
            Self::Scim2 | Self::Workvivo | Self::Slack => true,
            Self::Workplace | Self::WorkplaceV1 | Self::AdminCenter => false,
        }
    }

    /// Whether names are Workplace's: a `userName` of e-mail form or an `externalId`, and `name.formatted` \[doc\].
    pub(crate) fn insists_on_names(self) -> bool {
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

/// Which accounts DELETE deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeleteRule {
    /// Those that nobody has taken over \[doc\].
    Unclaimed,
    /// All (RFC 7644, 3.6).
    Always,
    /// None: it switches them off \[doc\].
    Never,
}

/// A list that has nothing to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EmptyListForm {
    /// `"Resources": []`.
    Empty,
    /// No `Resources` at all.
    Absent,
}

/// How account ids are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdForm {
    /// A JSON number of 15 digits.
    Number,
    /// The same digits in a string, which is then accepted for a `managerId` too.
    Text,
}

/// How dates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DateForm {
    /// Unix seconds, a JSON number.
    Seconds,
    /// ISO 8601, a string.
    Iso8601,
}

/// What PUT does with attributes that the body doesn't mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PutRule {
    /// They stay; parts of `name` and of extensions too.
    Merge,
    /// They are lost, as RFC 7644 has it.
    Replace,
}

/// What a PATCH path that selects nothing leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NoTargetRule {
    /// 400 with `noTarget`.
    Refuse,
    /// The value is made, of the type that the path selects.
    Create,
}

/// What an attribute sent without content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EmptyValueRule {
    /// The attribute loses its value.
    Clear,
    /// The request is refused with 400.
    Refuse,
    /// The attribute stays as it was.
    Ignore,
}

/// What an attribute outside the schema does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnknownAttributeRule {
    /// Nothing: it is dropped.
    Ignore,
    /// The request is refused with 400.
    Refuse,
}

/// What an extension does that `schemas` doesn't name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UndeclaredExtensionRule {
    /// It counts all the same.
    Accept,
    /// It is dropped.
    Ignore,
    /// The request is refused with 400.
    Refuse,
}

/// The body of a refusal; any of them may come on any status \[doc\].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorShape {
    /// `{"Errors":[{"description":…,"code":…}]}`.
    Errors,
    /// RFC 7644's Error message.
    Scim,
    /// The Graph platform's `{"error":{"message":…,"type":…,"code":…}}`.
    Graph,
    /// No body at all.
    Empty,
}
