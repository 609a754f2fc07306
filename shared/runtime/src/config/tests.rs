//! Valid and invalid configuration files.

use model::Options;

use super::*;

const GOOD: &str = r#"
name = "corp"

[directory]
kind = "openldap"
url = "ldaps://ldap.corp.example"
base_dn = "dc=corp,dc=example"
secret = "secretsmanager:corp/directory"
ca = "file:corp-ca.pem"

[scope]
group = "cn=workplace,ou=groups,dc=corp,dc=example"

[target]
kind = "workplace"
url = "https://scim.workplace.com"
secret = "env:TOKEN"

[mapping]
userName = "mail"
"name.givenName" = "givenName"
"name.familyName" = "sn"
title = { from = ["title", "description"], default = "Employee", create_only = true }
displayName = "{{ givenName }} {{ sn | upper }}"
manager = { reference = "manager" }
"#;

fn check(text: &str) -> Result<Connection, String> {
    parse(text, Path::new("conf/corp.toml")).map_err(|error| error.to_string())
}

/// The message for the valid file with one line replaced, or a line added.
fn message(line: &str, by: &str) -> String {
    let text = if line.is_empty() { format!("{GOOD}{by}\n") } else { GOOD.replace(line, by) };
    assert_ne!(text, GOOD, "nothing was replaced");
    check(&text).err().unwrap_or_else(|| panic!("accepted with {by:?} for {line:?}"))
}

#[test]
fn valid_file_is_accepted_with_its_defaults() {
    let connection = check(GOOD).unwrap();
    assert_eq!(connection.policy.options, Options::default());
    assert_eq!(connection.policy.safety, plan::SafetyLimits::default());
    let unlimited = GOOD.replace("[mapping]", "[safety]\nmax_first_load = \"unlimited\"\n[mapping]");
    assert_eq!(check(&unlimited).unwrap().policy.safety.max_first_load, None);
    assert_eq!(connection.policy.rules.dialect, "workplace");
    let sources = connection.policy.rules.mapping.source_attributes();
    assert!(
        ["mail", "givenname", "sn", "title", "description", "manager"]
            .iter()
            .all(|name| sources.contains(*name))
    );
}

/// Words of Rust and of its libraries.
const INTERNAL: [&str; 16] = [
    "struct",
    "enum",
    "variant",
    "field",
    "expected",
    "untagged",
    "i32",
    "i64",
    "u32",
    "u64",
    "usize",
    "bool",
    "string",
    "invalid type",
    "serde",
    "None",
];

/// Each mistake, and the message after `conf/corp.toml`.
#[test]
#[expect(clippy::too_many_lines, reason = "a table with one mistake per line")]
fn each_mistake_names_its_line_and_its_key() {
    let mut wrong: Vec<String> = Vec::new();
    for (line, by, expected) in [
        // Syntax.
        (
            "kind = \"openldap\"",
            "kind = openldap",
            ":5:8: the line can't be read as TOML: text needs quotes, as in",
        ),
        (
            "kind = \"openldap\"",
            "kind = \"openldap",
            ":5:17: the line can't be read as TOML: text ends with a quote",
        ),
        (
            "kind = \"openldap\"",
            "kind",
            ":5:5: the line can't be read as TOML: a key is followed by = and a value",
        ),
        ("kind = \"openldap\"", "kind =", ":5:7: the line can't be read as TOML: a value is missing after ="),
        (
            "kind = \"openldap\"",
            "kind: \"openldap\"",
            ":5:7: the line can't be read as TOML: a key is followed by = and a value",
        ),
        ("[directory]", "[directory", ":4:11: the line can't be read as TOML: a closing bracket is missing"),
        (
            "kind = \"openldap\"",
            "kind = \"openldap\"\nkind = \"389ds\"",
            ":6:1: the key `kind` is there twice; remove one",
        ),
        ("[scope]", "[directory]", ":11:2: the key `directory` is there twice; remove one"),
        // Unknown and missing keys.
        ("base_dn = ", "basedn = ", ":7: unknown key `basedn` in [directory]; the nearest is `base_dn`"),
        ("[scope]", "[scoop]", ":11: unknown section [scoop]; the nearest is [scope]"),
        (
            "name = \"corp\"",
            "nome = \"corp\"",
            ":2: unknown key `nome` at the top of the file; the nearest is `name`",
        ),
        (
            "[mapping]",
            "[safety]\nmax_removal = 5\n[mapping]",
            ":20: unknown key `max_removal` in [safety]; the nearest is `max_removals`",
        ),
        (
            "[mapping]",
            "[retention]\nxyz = 5\n[mapping]",
            ":20: unknown key `xyz` in [retention]; known keys are left_days, history_days",
        ),
        (
            "{ reference = \"manager\" }",
            "{ referense = \"manager\" }",
            ":25: unknown key `referense` in [mapping.manager]; the nearest is `reference`",
        ),
        (
            "[scope]",
            "[directory.status]\nalgorithm = \"flag\"\nattribut = \"a\"\n[scope]",
            ":11: unknown key `attribut` in [directory.status]; the nearest is `attribute`",
        ),
        (
            "[scope]",
            "[directory.status]\nalgorithm = \"flag\"\n[scope]",
            ":11: the key `attribute` is missing in [directory.status]",
        ),
        ("name = \"corp\"", "", ": the key `name` is missing at the top of the file"),
        ("base_dn = \"dc=corp,dc=example\"", "", ":4: the key `base_dn` is missing in [directory]"),
        (
            "[scope]\ngroup = \"cn=workplace,ou=groups,dc=corp,dc=example\"",
            "",
            ": the section [scope] is missing",
        ),
        // Kinds of values.
        (
            "[mapping]",
            "[safety]\nmax_removals = \"5\"\n[mapping]",
            ":20, key safety.max_removals: must be a whole number, not text",
        ),
        (
            "[mapping]",
            "[safety]\nmax_removals = -5\n[mapping]",
            ":20, key safety.max_removals: must be 0 or more",
        ),
        (
            "[mapping]",
            "[safety]\nmax_removals = 2.5\n[mapping]",
            ":20, key safety.max_removals: must be a whole number, not a decimal number",
        ),
        (
            "[mapping]",
            "[safety]\nmax_removals = 99999999999999999999\n[mapping]",
            ":20, key safety.max_removals: is too large",
        ),
        (
            "[mapping]",
            "[retention]\nleft_days = 5000000000\n[mapping]",
            ":20, key retention.left_days: is too large",
        ),
        (
            "[mapping]",
            "[safety]\nmax_first_load = \"none\"\n[mapping]",
            ":20, key safety.max_first_load: must be a number of users, or \"unlimited\"",
        ),
        (
            "[mapping]",
            "[safety]\nmax_first_load = -1\n[mapping]",
            ":20, key safety.max_first_load: must be a number of users, or \"unlimited\"",
        ),
        (
            "[mapping]",
            "[options]\nobserve = \"yes\"\n[mapping]",
            ":20, key options.observe: must be true or false, not text",
        ),
        (
            "[mapping]",
            "[options]\nremove_action = \"burn\"\n[mapping]",
            ":20, key options.remove_action: \"burn\" is not one of: disable, delete",
        ),
        (
            "[mapping]",
            "[options]\nremove_action = 5\n[mapping]",
            ":20, key options.remove_action: must be in quotes, and one of: disable, delete",
        ),
        (
            "[scope]",
            "changes = \"sometimes\"\n[scope]",
            ":11, key directory.changes: \"sometimes\" is not one of: auto, dirsync, sync, timestamp, none",
        ),
        (
            "url = \"ldaps://ldap.corp.example\"",
            "url = 7",
            ":6, key directory.url: must be text in quotes, or a list of texts",
        ),
        (
            "kind = \"openldap\"",
            "kind = 7",
            ":5, key directory.kind: must be text in quotes, not a whole number",
        ),
        (
            "kind = \"openldap\"",
            "kind = 2026-01-01",
            ":5, key directory.kind: must be text in quotes, not a date",
        ),
        ("[scope]", "status = \"none\"\n[scope]", ":11, key directory.status: must be a table, not text"),
        (
            "[scope]",
            "status = { algorithm = \"maybe\" }\n[scope]",
            ":11, key directory.status.algorithm: \"maybe\" is not one of: none, bitmap, flag",
        ),
        (
            "[scope]",
            "status = { algorithm = \"bitmap\", attribute = 1, disabled_bits = 2 }\n[scope]",
            ":11, key directory.status: must be text in quotes, not a whole number",
        ),
        (
            "[scope]",
            "status = { algorithm = \"bitmap\", attribute = \"a\", disabled_bits = -2 }\n[scope]",
            ":11, key directory.status: must be 0 or more",
        ),
        (
            "userName = \"mail\"",
            "userName = 7",
            ":20, key mapping.userName: must be the name of a directory attribute in quotes, an expression or a table, not a whole number",
        ),
        (
            "userName = \"mail\"",
            "userName = { from = 7 }",
            ":20, key mapping.userName.from: must be text in quotes, or a list of texts",
        ),
        (
            "userName = \"mail\"",
            "userName = { from = \"mail\", case = \"title\" }",
            ":20, key mapping.userName.case: \"title\" is not one of: lower, upper",
        ),
        (
            "userName = \"mail\"",
            "\"name.middleName\" = { from = \"a\", trim = 1 }",
            ":20, key mapping.\"name.middleName\".trim: must be true or false, not a whole number",
        ),
        // Values.
        ("name = \"corp\"", "name = \"my corp\"", ":2, key name: must have 1 to 64 letters"),
        (
            "kind = \"openldap\"",
            "kind = \"novell\"",
            ":5, key directory.kind: 'novell' is not a kind of directory; use one of active-directory",
        ),
        (
            "kind = \"workplace\"",
            "kind = \"myspace\"",
            ":15, key target.kind: \"myspace\" is not one of: workplace",
        ),
        ("ldaps://", "http://", ":6, key directory.url: must start with ldaps:// or ldap://"),
        ("ldaps://ldap", "ldap", ":6, key directory.url: must start with ldaps:// or ldap://"),
        (
            "ldaps://",
            "ldap://",
            ":6, key directory.url: the connection to ldap://ldap.corp.example:389 is not encrypted",
        ),
        (
            "ldaps://",
            "ldaps://admin:hunter2@",
            ":6, key directory.url: the directory's address can't be used: it holds a name or a password",
        ),
        ("url = \"ldaps://ldap.corp.example\"", "url = []", ":6, key directory.url: is an empty list"),
        (
            "url = \"ldaps://ldap.corp.example\"",
            "url = [\"ldaps://dc1\", \"dc2\"]",
            ":6, key directory.url: must start with",
        ),
        (
            "base_dn = \"dc=corp,dc=example\"",
            "base_dn = \"corp.example\"",
            ":7, key directory.base_dn: \"corp.example\" is no DN; set the key to the DN of the entry",
        ),
        ("file:corp-ca.pem", "corp-ca.pem", ":9, key directory.ca: must be file:PATH of a PEM file"),
        (
            "secretsmanager:corp",
            "vault:corp",
            ":8, key directory.secret: must name the place of the secret, not the secret itself: file:PATH, env:NAME or",
        ),
        (
            "[scope]",
            "full_read_hours = 0\n[scope]",
            ":11, key directory.full_read_hours: must be from 1 to 168",
        ),
        (
            "https://scim.workplace.com",
            "http://scim.workplace.com",
            ":16, key target.url: target URL http://scim.workplace.com is not encrypted; use https",
        ),
        (
            "https://scim.workplace.com",
            "scim.workplace.com",
            ":16, key target.url: target URL can't be used: it must begin with https://",
        ),
        ("\"env:TOKEN\"", "'{\"access_token\":\"x\"}'", ":17, key target.secret: must name the place"),
        ("\"env:TOKEN\"", "\"DQVJ0token\"", ":17, key target.secret: must name the place"),
        ("\"env:TOKEN\"", "\"secretsmanager:\"", ":17, key target.secret: must name the place"),
        ("\"env:TOKEN\"", "\"\"", ":17, key target.secret: must name the place"),
        ("userName = \"mail\"", "", ":19, key mapping: userName is not mapped"),
        (
            "userName = \"mail\"",
            "userName = { from = \"mail\", create_only = true }",
            ":20, key mapping.userName: userName can't be create-only",
        ),
        (
            "userName = \"mail\"",
            "userName = \"my mail\"",
            ":20, key mapping.userName: \"my mail\" is not the name of a directory attribute",
        ),
        ("{{ sn | upper }}", "{{ sn | shout }}", ":24, key mapping.displayName: the expression"),
        (
            "title = { from = [\"title\", \"description\"], default = \"Employee\", create_only = true }",
            "title = { value = \"Employee\", prefer = \"E*\" }",
            ":23, key mapping.title: prefer chooses among the values of a directory attribute",
        ),
        ("{{ sn | upper }}", "{{ sn | }}", ":24, key mapping.displayName: the expression"),
        ("title = {", "active = \"x\"\ntitle = {", ":23, key mapping.active: active can't be mapped"),
        (
            "title = {",
            "titel = {",
            ":23, key mapping.titel: the workplace target has no attribute of this name; nearest names: title",
        ),
        (
            "title = {",
            "nickName = { from = \"a\", value = \"b\" }\ntitle = {",
            ":23, key mapping.nickName: set exactly one of from, expression",
        ),
        (
            "title = {",
            "nickName = { reference = \"a\" }\ntitle = {",
            ":23, key mapping.nickName: this attribute takes a value, not a reference to another user",
        ),
        ("group = ", "filter = \"(a=b)\"\ngroup = ", ":11, key scope: has both group and filter"),
        (
            "group = \"cn=workplace,ou=groups,dc=corp,dc=example\"",
            "",
            ":11, key scope: has neither group nor filter",
        ),
        (
            "group = \"cn=workplace,ou=groups,dc=corp,dc=example\"",
            "group = \"workplace\"",
            ":12, key scope.group: \"workplace\" is no DN; set the key to the DN of the group",
        ),
        (
            "group = \"cn=workplace,ou=groups,dc=corp,dc=example\"",
            "filter = \"(a=b\"",
            ":12, key scope.filter: ",
        ),
        (
            "[target]",
            "nested = true\nmembership = \"member-uid\"\n[target]",
            ":14, key scope.nested: is not possible with member-uid",
        ),
        (
            "[mapping]",
            "[safety]\nmax_removal_percent = 101\n[mapping]",
            ":20, key safety.max_removal_percent: must be from 0",
        ),
        (
            "[mapping]",
            "[safety]\nmax_first_load = 2000\n[mapping]",
            ":20, key safety.max_first_load: must be from 0 to 1000 users, or \"unlimited\"",
        ),
        (
            "[mapping]",
            "[retention]\nleft_days = 0\n[mapping]",
            ":20, key retention.left_days: must be from 1 to",
        ),
        (
            "[mapping]",
            "[retention]\nhistory_days = 9999\n[mapping]",
            ":20, key retention.history_days: must be",
        ),
        ("[target]", "[target]\nmax_attempts = 0", ":15, key target.max_attempts: must be from 1 to 100"),
    ] {
        let text = message(line, by);
        if !text.starts_with(&format!("conf/corp.toml{expected}")) {
            wrong.push(format!("{text}\nshould begin with\n{expected}"));
        }
        for word in INTERNAL {
            if text.contains(word) {
                wrong.push(format!("{text}\ncontains {word}"));
            }
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn missing_file_is_reported() {
    let error = read(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: the configuration can't be read: "), "{error}");
}

#[test]
fn directory_may_have_several_servers() {
    let text = GOOD.replace("\"ldaps://ldap.corp.example\"", "[\"ldaps://dc1\", \"ldaps://dc2\"]");
    assert_eq!(check(&text).unwrap().directory.config.urls, ["ldaps://dc1", "ldaps://dc2"]);
    assert_eq!(check(GOOD).unwrap().directory.config.urls, ["ldaps://ldap.corp.example"]);
}

#[test]
fn committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("connection.schema.json");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed != json_schema() {
        std::fs::write(&path, json_schema()).unwrap();
        panic!("{} was out of date and is rewritten; commit it", path.display());
    }
}

#[test]
fn each_dialect_accepts_its_own_attributes() {
    for dialect in ["workplace", "workplace-v1", "scim2"] {
        let text = GOOD.replace("kind = \"workplace\"", &format!("kind = {dialect:?}"));
        let connection = check(&text).unwrap();
        assert_eq!(
            (connection.policy.rules.dialect.as_str(), connection.target.dialect.name),
            (dialect, dialect)
        );
    }
    let v1_date = "\"urn:scim:schemas:extension:facebook:starttermdates:1.0:startDate\" = \"hired\"";
    let with_date =
        |dialect: &str| check(&format!("{}{v1_date}\n", GOOD.replace("\"workplace\"", dialect))).map(|_| ());
    assert_eq!(with_date("\"workplace-v1\""), Ok(()));
    for dialect in ["\"workplace\"", "\"scim2\""] {
        let text = with_date(dialect).unwrap_err();
        assert!(text.contains("target has no attribute of this name"), "{text}");
    }
}

/// The safeguard compares this serialisation from scan to scan. A change of it counts as a changed configuration.
#[test]
fn serialisation_of_the_policy_is_pinned() {
    let serialised = |text: &str| {
        let Connection { policy, directory, .. } = check(text).unwrap();
        let mut hash = model::Fingerprinter::new("test");
        directory::describe(&directory.config, &policy.rules, &policy.options, &mut hash);
        let rules = policy.rules.version().0.escape_ascii().to_string();
        hash.serialised().escape_ascii().to_string().replace(&rules, "RULES").replace(r"\x00", "")
    };
    let filter = GOOD.replace("group = \"cn=workplace,ou=groups,dc=corp,dc=example\"", "filter = \"(a=b)\"");
    let uid = GOOD
        .replace("[target]\n", "membership = \"member-uid\"\n[options]\ndelete_after_days = 30\n[target]\n");
    let expected = |scope: &str, options: &str| {
        format!(
            r"\x10RULES\x12dc=corp,dc=example\x1b(objectClass=inetOrgPerson)\tentryUUID\x04uuid{scope}\x01\x01\x01\x07disable{options}"
        )
    };
    let group = r"\x05group)cn=workplace,ou=groups,dc=corp,dc=example";
    assert_eq!(serialised(GOOD), expected(&format!(r"{group}\x06member\x06member"), r"\x08"));
    assert_eq!(serialised(&filter), expected(r"\x06filter\x05(a=b)", r"\x08"));
    let member_uid = format!(r"{group}\nmember-uid\tmemberUid\x03uid");
    assert_eq!(serialised(&uid), expected(&member_uid, r"\x01\x08\x1e"));
}
