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

#[test]
fn byte_order_mark_is_no_content() {
    assert!(check(&format!("\u{feff}{GOOD}")).is_ok());
}

#[test]
fn unknown_key_is_refused_with_its_place() {
    let text = message("base_dn = ", "basedn = ");
    assert!(text.starts_with("conf/corp.toml:7:1: unknown field `basedn`, expected one of"), "{text}");
    assert!(text.ends_with("; nearest key: `base_dn`"), "{text}");
    let text = message("[scope]", "[scoop]");
    assert!(text.contains("corp.toml:11:2: unknown field `scoop`"), "{text}");
}

#[test]
fn invalid_toml_is_refused_with_its_place() {
    let text = message("kind = \"openldap\"", "kind = openldap");
    assert!(text.starts_with("conf/corp.toml:5:8: "), "{text}");
}

#[test]
fn unknown_target_attribute_is_refused_with_the_nearest_names() {
    let text = message("title = {", "titel = {");
    let start = "conf/corp.toml, key mapping.\"titel\": the workplace target has no attribute of this name; \
                 nearest names: title";
    assert!(text.starts_with(start), "{text}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table with one mistake per line")]
fn each_mistake_names_its_key() {
    for (line, by, expected) in [
        ("name = \"corp\"", "name = \"my corp\"", "key name: must have 1 to 64 letters"),
        ("kind = \"openldap\"", "kind = \"novell\"", "key directory.kind: "),
        (
            "kind = \"workplace\"",
            "kind = \"myspace\"",
            "key target.kind: \"myspace\" is not one of: workplace",
        ),
        ("ldaps://", "http://", "key directory.url: must start with ldaps:// or ldap://"),
        ("url = \"ldaps://ldap.corp.example\"", "url = []", "key directory.url: is an empty list"),
        (
            "url = \"ldaps://ldap.corp.example\"",
            "url = [\"ldaps://dc1\", \"dc2\"]",
            "key directory.url: must start with",
        ),
        ("[scope]", "full_read_hours = 0\n[scope]", "key directory.full_read_hours: must be from 1 to 168"),
        ("[scope]", "changes = \"sometimes\"\n[scope]", "unknown variant `sometimes`"),
        ("\"env:TOKEN\"", "'{\"access_token\":\"x\"}'", "key target.secret: must name the place"),
        ("\"env:TOKEN\"", "\"DQVJ0token\"", "key target.secret: must name the place"),
        ("\"env:TOKEN\"", "\"secretsmanager:\"", "key target.secret: must name the place"),
        ("\"env:TOKEN\"", "\"\"", "key target.secret: must name the place"),
        ("userName = \"mail\"", "", "key mapping: userName is not mapped"),
        (
            "userName = \"mail\"",
            "userName = { from = \"mail\", create_only = true }",
            "userName can't be create-only",
        ),
        (
            "userName = \"mail\"",
            "userName = 7",
            "expected an attribute's name, an expression or a table, found integer",
        ),
        (
            "userName = \"mail\"",
            "userName = \"my mail\"",
            "\"my mail\" is not the name of a directory attribute",
        ),
        (
            "{ reference = \"manager\" }",
            "{ referense = \"manager\" }",
            "key mapping.\"manager\": unknown field `referense`",
        ),
        ("{{ sn | upper }}", "{{ sn | shout }}", "key mapping.\"displayName\": the expression"),
        (
            "title = { from = [\"title\", \"description\"], default = \"Employee\", create_only = true }",
            "title = { value = \"Employee\", prefer = \"E*\" }",
            "key mapping.\"title\": prefer chooses among the values of a directory attribute",
        ),
        ("{{ sn | upper }}", "{{ sn | }}", "is invalid"),
        ("title = {", "active = \"x\"\ntitle = {", "active can't be mapped"),
        (
            "title = {",
            "nickName = { from = \"a\", value = \"b\" }\ntitle = {",
            "set exactly one of from, expression",
        ),
        (
            "title = {",
            "nickName = { reference = \"a\" }\ntitle = {",
            "takes a value, not a reference to another user",
        ),
        ("group = ", "filter = \"(a=b)\"\ngroup = ", "key scope: has both group and filter"),
        (
            "group = \"cn=workplace,ou=groups,dc=corp,dc=example\"",
            "",
            "key scope: has neither group nor filter",
        ),
        ("group = \"cn=workplace,ou=groups,dc=corp,dc=example\"", "filter = \"(a=b\"", "key scope.filter: "),
        (
            "[target]",
            "nested = true\nmembership = \"member-uid\"\n[target]",
            "key scope.nested: is not possible with member-uid",
        ),
        (
            "[mapping]",
            "[safety]\nmax_removal_percent = 101\n[mapping]",
            "key safety.max_removal_percent: must be from 0",
        ),
        ("[mapping]", "[options]\nremove_action = \"burn\"\n[mapping]", "unknown variant `burn`"),
        (
            "[mapping]",
            "[safety]\nmax_first_load = 2000\n[mapping]",
            "key safety.max_first_load: must be from 0 to 1000 users, or \"unlimited\"",
        ),
        (
            "[mapping]",
            "[safety]\nmax_first_load = \"none\"\n[mapping]",
            "expected a number of users, or \"unlimited\"",
        ),
        ("[mapping]", "[retention]\nleft_days = 0\n[mapping]", "key retention.left_days: must be from 1 to"),
        ("[mapping]", "[retention]\nhistory_days = 9999\n[mapping]", "key retention.history_days: must be"),
        ("[target]", "[target]\nmax_attempts = 0", "key target.max_attempts: must be from 1 to 100"),
    ] {
        let text = message(line, by);
        assert!(text.contains(expected), "{text}\nshould contain\n{expected}");
    }
}

#[test]
fn missing_file_is_reported() {
    let error = read(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: can't read the configuration: "), "{error}");
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
