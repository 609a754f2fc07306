//! The configuration file as it is written: one TOML file a connection. Only its shape stands here; what it
//! means is checked in [`super::connection`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A connection: one directory, one target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Provisioner connection")]
pub struct ConnectionFile {
    /// The connection's name: letters, digits, `-` and `_`. It keys the stored state, so it should never change.
    pub name: String,
    /// The source of truth.
    pub directory: DirectoryTable,
    /// Who is provisioned.
    pub scope: ScopeTable,
    /// The account store.
    pub target: TargetTable,
    /// Which capabilities are on.
    #[serde(default)]
    pub options: OptionsTable,
    /// How many removals go unasked.
    #[serde(default)]
    pub safety: SafetyTable,
    /// How long is remembered what nobody needs daily.
    #[serde(default)]
    pub retention: RetentionTable,
    /// Target attribute to directory attribute, expression or rule. `userName` must be there.
    #[schemars(with = "BTreeMap<String, MappingShape>")]
    pub mapping: BTreeMap<String, toml::Value>,
}

/// The LDAP server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryTable {
    /// `active-directory`, `openldap`, `389ds`, `pingdirectory` or `generic`: sets the defaults below.
    pub kind: String,
    /// `ldaps://host` or `ldap://host:port`; or a list of them, the servers of one directory in the order in which they
    /// are tried.
    pub url: OneOrMore,
    /// Start TLS on a plain `ldap://` connection.
    #[serde(default)]
    pub start_tls: bool,
    /// Where users are searched.
    pub base_dn: String,
    /// The bind DN and password: a Secrets Manager id, `env:NAME` or `file:PATH`, each holding
    /// `{"bind_dn": "…", "password": "…"}`; or, to sign in with a client certificate (SASL EXTERNAL),
    /// `{"certificate": "PEM", "private_key": "PEM"}`. Without it the bind is anonymous.
    pub secret: Option<String>,
    /// The directory's certificate authority, as `file:PATH` of a PEM file. Default: the system's.
    pub ca: Option<String>,
    /// The filter that every user entry matches. Default: by kind.
    pub user_filter: Option<String>,
    /// The attribute with the immutable id. Default: by kind.
    pub anchor: Option<String>,
    /// Entries a page. Default: by kind.
    pub page_size: Option<i32>,
    /// How long to wait for one answer, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
    /// How the directory says that a user is disabled. Default: by kind.
    pub status: Option<StatusTable>,
    /// Whether an expired account counts as disabled, by Active Directory's `accountExpires`.
    #[serde(default)]
    pub account_expires: bool,
    /// How to ask for what has changed.
    #[serde(default)]
    pub changes: ChangesWord,
    /// Everybody is read at least so often, in hours.
    #[serde(default = "default_full_read_hours")]
    #[schemars(range(min = 1, max = 168))]
    pub full_read_hours: u32,
}

/// How to ask for what has changed since the last time.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangesWord {
    /// In the best of the ways that the server offers.
    #[default]
    Auto,
    /// By Active Directory's DirSync control.
    Dirsync,
    /// By content synchronisation (RFC 4533), which OpenLDAP offers with its overlay `syncprov`.
    Sync,
    /// By `modifyTimestamp`, and by comparing who is in scope.
    Timestamp,
    /// Not at all: everybody is read each time.
    None,
}

/// How the directory says that a user is disabled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "algorithm", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StatusTable {
    /// Everybody is enabled.
    None,
    /// A bit in a number.
    Bitmap {
        /// The attribute that holds the number.
        attribute: String,
        /// Any of these bits means disabled.
        disabled_bits: u64,
    },
    /// An attribute compared with one value.
    Flag {
        /// The attribute.
        attribute: String,
        /// Compared without case.
        value: String,
        /// What an equal value means.
        means: StatusWord,
        /// What an entry without the attribute is.
        #[serde(default)]
        default: StatusWord,
    },
}

/// `enabled` or `disabled`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusWord {
    /// May sign in.
    #[default]
    Enabled,
    /// May not.
    Disabled,
}

/// Who is provisioned: the members of a group, or whoever matches a filter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeTable {
    /// The group's DN.
    pub group: Option<String>,
    /// Members of member groups too.
    #[serde(default)]
    pub nested: bool,
    /// How membership is written down. Default: by kind.
    pub membership: Option<MembershipWord>,
    /// The attribute of that. Default: by kind and membership.
    pub member_attribute: Option<String>,
    /// An LDAP filter.
    pub filter: Option<String>,
}

/// How a group's members are found.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MembershipWord {
    /// By an attribute of the user, such as `memberOf`.
    MemberOf,
    /// By an attribute of the group with the members' DNs, such as `member`.
    Member,
    /// By an attribute of the group with the members' `uid`s, such as `memberUid`.
    MemberUid,
}

/// The account store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetTable {
    /// The dialect: `workplace`, `workplace-v1` for the API before it, which has no PATCH, `workvivo`, `slack`, or `scim2` for any server
    /// that keeps to RFC 7644.
    pub kind: String,
    /// The base URL, `https://scim.workplace.com` for Workplace, `https://www.workplace.com/scim/v1` for its v1.
    pub url: String,
    /// The access token: a Secrets Manager id, `env:NAME` or `file:PATH`, each holding
    /// `{"access_token": "…", "app_secret": "…"}` (`app_secret` optional).
    pub secret: String,
    /// How long to wait for one answer, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
    /// How many calls the target gets at a time.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: usize,
    /// How many calls a second all workers together make at most. Default: what the dialect knows, which for `slack` is 3,
    /// else no limit. Whenever the target wants fewer, it is called less often for a while.
    #[schemars(range(min = 1, max = 1000))]
    pub calls_per_second: Option<u32>,
    /// After so many tries in vain a user is left to a person, unless the target serves nobody.
    #[serde(default = "default_max_attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: u32,
}

/// Which capabilities are on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptionsTable {
    /// Create accounts.
    pub create: bool,
    /// Update accounts, and reactivate them.
    pub update: bool,
    /// Deprovision accounts.
    pub deprovision: bool,
    /// Give disabled users inactive accounts.
    pub provision_disabled: bool,
    /// `disable` or `delete`.
    pub remove_action: RemoveWord,
    /// Delete an account so many days after it was disabled, unless its user is back. Default: never.
    #[schemars(range(min = 1, max = 3650))]
    pub delete_after_days: Option<u32>,
}

/// What deprovisioning does.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RemoveWord {
    /// Make the account inactive.
    #[default]
    Disable,
    /// Delete the account; where the target refuses, make it inactive.
    Delete,
}

impl Default for OptionsTable {
    fn default() -> Self {
        let model::Options {
            create,
            update,
            deprovision,
            provision_disabled,
            remove_action: _,
            delete_after_days,
        } = model::Options::default();
        let remove_action = RemoveWord::Disable;
        Self { create, update, deprovision, provision_disabled, remove_action, delete_after_days }
    }
}

/// How many removals go unasked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SafetyTable {
    /// More removals than this in one scan are held.
    pub max_removals: u64,
    /// So are removals of more than this share of the enabled linked accounts, from three on.
    #[schemars(range(max = 100))]
    pub max_removal_percent: u64,
    /// No more removals than this go unasked within a day, however few each scan finds; twice `max_removals` by default.
    pub max_removals_per_day: Option<u64>,
    /// A change of this file that would create more accounts than this, or update more, is held until it is approved.
    pub max_changes: u64,
}

impl Default for SafetyTable {
    fn default() -> Self {
        let plan::SafetyLimits { max_removals, max_removal_percent, max_removals_per_day: _, max_changes } =
            plan::SafetyLimits::default();
        Self { max_removals, max_removal_percent, max_removals_per_day: None, max_changes }
    }
}

/// How long is remembered what nobody needs daily, in days.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionTable {
    /// Whoever left is remembered so long, by anchor, account id and user name: who returns gets the same account.
    #[schemars(range(min = 1, max = 3650))]
    pub left_days: u32,
    /// What was done to whom is remembered so long.
    #[schemars(range(min = 1, max = 3650))]
    pub history_days: u32,
}

impl Default for RetentionTable {
    fn default() -> Self {
        Self { left_days: store::Store::RETENTION_DAYS, history_days: store::Store::HISTORY_DAYS }
    }
}

/// A rule written out as a table. Exactly one of `from`, `expression`, `value` and `reference` must be there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleTable {
    /// A directory attribute, or several: the first that has a value counts.
    pub from: Option<OneOrMore>,
    /// An expression such as `{{ givenName }} {{ sn }}`.
    pub expression: Option<String>,
    /// The same value for everybody.
    pub value: Option<String>,
    /// A directory attribute with the DN of another user.
    pub reference: Option<String>,
    /// Used when the source fails or yields nothing.
    pub default: Option<String>,
    /// Send it when the account is created and never again.
    pub create_only: bool,
    /// Take the spaces off both ends.
    pub trim: bool,
    /// `lower` or `upper`.
    pub case: Option<CaseWord>,
    /// Take a part out of the value.
    pub extract: Option<ExtractWord>,
    /// Don't show the value in plans, logs and reports.
    pub masked: bool,
}

/// One name or a list of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several, in order.
    More(Vec<String>),
}

/// A change of case.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CaseWord {
    /// All lower.
    Lower,
    /// All upper.
    Upper,
}

/// A part of a value.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExtractWord {
    /// The CN of a DN.
    Cn,
    /// The part of an e-mail address before the `@`.
    UserName,
}

/// What a mapping's value may look like; for the JSON Schema alone, because reading it by hand gives better
/// messages.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum MappingShape {
    /// A directory attribute, or an expression if it has `{{` in it.
    Text(String),
    /// A rule.
    Rule(RuleTable),
}

fn default_timeout() -> u64 {
    60
}

fn default_full_read_hours() -> u32 {
    6
}

fn default_concurrency() -> usize {
    4
}

fn default_max_attempts() -> u32 {
    5
}
