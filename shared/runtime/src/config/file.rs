//! The TOML form of a configuration file. [`super::check`] checks its meaning. The comments are the descriptions of the
//! JSON Schema.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// One connection: a directory and a target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Provisioner connection")]
pub struct ConnectionFile {
    /// Name of the connection: letters, digits, `-` and `_`. It keys the stored state, so it must not change.
    pub name: String,
    /// The LDAP directory.
    pub directory: DirectoryTable,
    /// Users to provision.
    pub scope: ScopeTable,
    /// The SCIM target.
    pub target: TargetTable,
    /// Capabilities that are on.
    #[serde(default)]
    pub options: OptionsTable,
    /// Limits up to which removals and changes need no approval.
    #[serde(default)]
    pub safety: SafetyTable,
    /// How long departed users and history are kept.
    #[serde(default)]
    pub retention: RetentionTable,
    /// Target attributes, each with a directory attribute, an expression or a rule. `userName` is required.
    pub mapping: BTreeMap<String, MappingValue>,
}

/// The LDAP server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryTable {
    /// `active-directory`, `openldap`, `389ds`, `pingdirectory` or `generic`: sets the defaults below.
    pub kind: String,
    /// `ldaps://host` or `ldap://host:port`, or a list of the servers of one directory in the order of preference.
    pub url: OneOrMore,
    /// Encrypt an `ldap://` connection by StartTLS.
    #[serde(default)]
    pub start_tls: bool,
    /// DN of the entry under which users are.
    pub base_dn: String,
    /// Bind DN and password: `file:PATH`, `env:NAME` or `secretsmanager:ID`, each holding
    /// `{"bind_dn": "…", "password": "…"}`; or, for a client certificate (SASL EXTERNAL),
    /// `{"certificate": "PEM", "private_key": "PEM"}`. Without it the bind is anonymous.
    pub secret: Option<String>,
    /// Certificate authority of the directory, as `file:PATH` of a PEM file. Default: those of the system.
    pub ca: Option<String>,
    /// Filter that every user entry matches. Default: by kind.
    pub user_filter: Option<String>,
    /// Attribute with the immutable id. Default: by kind.
    pub anchor: Option<String>,
    /// Entries per page. Default: by kind.
    pub page_size: Option<i32>,
    /// Longest wait for a response, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
    /// How the directory marks disabled users. Default: by kind.
    pub status: Option<StatusTable>,
    /// Whether an account that has expired, by Active Directory's `accountExpires`, is disabled.
    #[serde(default)]
    pub account_expires: bool,
    /// How changes are detected.
    #[serde(default)]
    pub changes: ChangesWord,
    /// Hours after which a scan is full.
    #[serde(default = "default_full_read_hours")]
    #[schemars(range(min = 1, max = 168))]
    pub full_read_hours: u32,
}

/// How changes are detected.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangesWord {
    /// By the best method that the server offers.
    #[default]
    Auto,
    /// By Active Directory's DirSync control.
    Dirsync,
    /// By content synchronisation (RFC 4533), in OpenLDAP the overlay `syncprov`.
    Sync,
    /// By `modifyTimestamp` and a comparison of the users in scope.
    Timestamp,
    /// Not at all: every scan is full.
    None,
}

/// How the directory marks disabled users.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "algorithm", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StatusTable {
    /// Every user is enabled.
    None,
    /// A number with bits.
    Bitmap {
        /// Attribute with the number.
        attribute: String,
        /// Bits that mean disabled; one is enough.
        disabled_bits: u64,
    },
    /// An attribute that is compared with a value.
    Flag {
        /// Name of the attribute.
        attribute: String,
        /// The value, compared without case.
        value: String,
        /// Status of entries with this value.
        means: StatusWord,
        /// Status of entries without the attribute.
        #[serde(default)]
        default: StatusWord,
    },
}

/// `enabled` or `disabled`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusWord {
    /// The user may sign in.
    #[default]
    Enabled,
    /// The user may not sign in.
    Disabled,
}

/// Users to provision: the members of a group, or the entries that match a filter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeTable {
    /// DN of the group.
    pub group: Option<String>,
    /// Include members of nested groups.
    #[serde(default)]
    pub nested: bool,
    /// Attribute type that holds the membership. Default: by kind.
    pub membership: Option<MembershipWord>,
    /// Name of the membership attribute. Default: by kind and membership.
    pub member_attribute: Option<String>,
    /// An LDAP filter.
    pub filter: Option<String>,
}

/// Attribute type that holds the membership of a group.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MembershipWord {
    /// An attribute of the user with the DNs of the groups, such as `memberOf`.
    MemberOf,
    /// An attribute of the group with the DNs of the members, such as `member`.
    Member,
    /// An attribute of the group with the `uid`s of the members, such as `memberUid`.
    MemberUid,
}

/// The SCIM target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetTable {
    /// Dialect: `workplace`, `workplace-v1` for its older API without PATCH, `workvivo`, `slack`, or `scim2` for servers
    /// that conform to RFC 7644.
    pub kind: String,
    /// Base URL: `https://scim.workplace.com` for Workplace, `https://www.workplace.com/scim/v1` for its v1.
    pub url: String,
    /// Access token: `file:PATH`, `env:NAME` or `secretsmanager:ID`, each holding
    /// `{"access_token": "…", "app_secret": "…"}` (`app_secret` optional).
    pub secret: String,
    /// Longest wait for a response, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
    /// Concurrent requests to the target.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: usize,
    /// Most requests per second, of all workers together. Default: by dialect (`slack` 3 writes and 5 reads, others no
    /// limit). The rate is lower for a while after each response 429.
    #[schemars(range(min = 1, max = 1000))]
    pub calls_per_second: Option<u32>,
    /// Failed attempts after which a user is failed, unless the target is down.
    #[serde(default = "default_max_attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: u32,
}

/// Capabilities that are on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptionsTable {
    /// Scan and report only: nothing is written to the target, whatever the other options say.
    pub observe: bool,
    /// Create accounts.
    pub create: bool,
    /// Update and reactivate accounts.
    pub update: bool,
    /// Deprovision accounts.
    pub deprovision: bool,
    /// Give disabled users inactive accounts.
    pub provision_disabled: bool,
    /// `disable` or `delete`.
    pub remove_action: RemoveWord,
    /// Days after which a deactivated account is deleted, unless its user has returned. Default: never.
    #[schemars(range(min = 1, max = 3650))]
    pub delete_after_days: Option<u32>,
}

/// What deprovisioning does.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RemoveWord {
    /// Deactivate the account.
    #[default]
    Disable,
    /// Delete the account; where the target refuses that, deactivate it.
    Delete,
}

impl Default for OptionsTable {
    fn default() -> Self {
        let model::Options {
            observe,
            create,
            update,
            deprovision,
            provision_disabled,
            remove_action: _,
            delete_after_days,
        } = model::Options::default();
        let remove_action = RemoveWord::Disable;
        Self { observe, create, update, deprovision, provision_disabled, remove_action, delete_after_days }
    }
}

/// Limits up to which removals and changes need no approval.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SafetyTable {
    /// Removals in one scan. More are held.
    pub max_removals: u64,
    /// Share of the active linked accounts in one scan, in percent, from three removals on. More are held.
    #[schemars(range(max = 100))]
    pub max_removal_percent: u64,
    /// Removals within a day. More are held. Default: twice `max_removals`.
    pub max_removals_per_day: Option<u64>,
    /// Users of the first load, before any account is linked: 0 to 1000, or `unlimited`. A first load of more is held until it
    /// is approved.
    pub max_first_load: FirstLoadLimit,
    /// Accounts that a change of this file creates, or updates. A change with more is held until it is approved.
    pub max_changes: u64,
    /// User names that change in one scan. More are held.
    pub max_renames: u64,
    /// Inactive accounts that become active in one scan. More are held.
    pub max_reactivations: u64,
    /// Accounts or user names that pass from an entry that is gone to another entry in one scan. More are held.
    pub max_transfers: u64,
    /// Links to accounts that are gone from the target, dropped within a day. More users wait until an approval, and get no
    /// other account.
    pub max_link_drops: u64,
    /// Share of the users with one attribute cleared, or changed, in one scan, in percent, from 25 users on. More are held.
    #[schemars(range(max = 100))]
    pub max_attribute_percent: u64,
}

impl Default for SafetyTable {
    fn default() -> Self {
        let plan::SafetyLimits {
            max_removals,
            max_removal_percent,
            max_removals_per_day: _,
            max_first_load: _,
            max_changes,
            max_renames,
            max_reactivations,
            max_transfers,
            max_link_drops,
            max_attribute_percent,
        } = plan::SafetyLimits::default();
        Self {
            max_removals,
            max_removal_percent,
            max_removals_per_day: None,
            max_first_load: FirstLoadLimit::default(),
            max_changes,
            max_renames,
            max_reactivations,
            max_transfers,
            max_link_drops,
            max_attribute_percent,
        }
    }
}

/// Limit on the first load.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(untagged, expecting = "must be a number of users, or \"unlimited\"")]
pub enum FirstLoadLimit {
    /// Users up to which a first load needs no approval.
    Users(#[schemars(range(max = 1000))] u64),
    /// No limit.
    Word(NoLimitWord),
}

/// The word for no limit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoLimitWord {
    /// Every first load begins at once.
    Unlimited,
}

impl Default for FirstLoadLimit {
    fn default() -> Self {
        plan::SafetyLimits::default().max_first_load.map_or(Self::Word(NoLimitWord::Unlimited), Self::Users)
    }
}

/// How long departed users and history are kept, in days.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionTable {
    /// Days for departed users: anchor, account id and user name. A user that returns in time gets the same account.
    #[schemars(range(min = 1, max = 3650))]
    pub left_days: u32,
    /// Days for the history of actions.
    #[schemars(range(min = 1, max = 3650))]
    pub history_days: u32,
}

impl Default for RetentionTable {
    fn default() -> Self {
        Self { left_days: store::Store::RETENTION_DAYS, history_days: store::Store::HISTORY_DAYS }
    }
}

/// A mapping rule. Exactly one of `from`, `expression`, `value` and `reference` is required.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleTable {
    /// A directory attribute, or a list, of which the first with a value counts.
    pub from: Option<OneOrMore>,
    /// An expression such as `{{ givenName }} {{ sn }}`.
    pub expression: Option<String>,
    /// The same value for every user.
    pub value: Option<String>,
    /// Directory attribute with the DN of another user.
    pub reference: Option<String>,
    /// Form of the value that counts where an attribute has several, with `*` for any text and case counting, such as
    /// `*@acme.com`. Default: the value of the last scan while the entry has it, else the smallest one; of `proxyAddresses`
    /// the primary address, `SMTP:*`.
    pub prefer: Option<String>,
    /// Value for a source that fails or is empty.
    pub default: Option<String>,
    /// Send at creation and never update.
    pub create_only: bool,
    /// Remove spaces at both ends.
    pub trim: bool,
    /// `lower` or `upper`.
    pub case: Option<CaseWord>,
    /// Extract a part of the value.
    pub extract: Option<ExtractWord>,
    /// Hide the value in plans, logs and reports.
    pub masked: bool,
}

/// A name, or a list of names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be text in quotes, or a list of texts")]
pub enum OneOrMore {
    /// A name.
    One(String),
    /// A list, in order.
    More(Vec<String>),
}

/// A change of case.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CaseWord {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
}

/// A part of a value to extract.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExtractWord {
    /// The CN of a distinguished name.
    Cn,
    /// The part of an e-mail address before the `@`.
    UserName,
}

/// A value of the mapping.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum MappingValue {
    /// A directory attribute, or an expression if it contains `{{`.
    Text(String),
    /// A rule.
    Rule(Box<RuleTable>),
}

/// By hand, because a derived implementation forgets where in a rule the mistake is.
impl<'de> Deserialize<'de> for MappingValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MappingVisitor)
    }
}

struct MappingVisitor;

impl<'de> Visitor<'de> for MappingVisitor {
    type Value = MappingValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a directory attribute in quotes, an expression or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<MappingValue, E> {
        Ok(MappingValue::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MappingValue, A::Error> {
        RuleTable::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(MappingValue::Rule)
    }
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
