//! Where the configuration is searched, what is logged, and what the program says about itself.

use end_to_end::{TerminalFixture, TestDir, enabled_people};

#[test]
fn configuration_is_found_by_argument_option_variable_and_name() {
    let fixture = TerminalFixture::of(&enabled_people(1));
    let run = |arguments: &[&str]| fixture.dir.provisioner(arguments).run().unwrap();
    for command in ["check", "plan", "sync", "status"] {
        run(&[command, "corp.toml"]).expect_exit(0);
        run(&[command, "--config", "corp.toml"]).expect_exit(0);
        run(&[command, "corp.toml", "--config", "corp.toml"]).expect_exit(2).says("cannot be used with");
        let named = fixture.dir.provisioner([command]).env("PROVISIONER_CONFIG", "corp.toml");
        named.run().unwrap().expect_exit(0);
        run(&[command])
            .expect_exit(2)
            .says("provisioner.toml does not exist in this folder")
            .says("--config FILE")
            .says("PROVISIONER_CONFIG")
            .says("provisioner init");
    }
    let missing = fixture.dir.provisioner(["status"]).env("PROVISIONER_CONFIG", "other.toml");
    missing.run().unwrap().expect_exit(2).says("PROVISIONER_CONFIG names the configuration other.toml");
    std::fs::rename(fixture.dir.file("corp.toml"), fixture.dir.file("provisioner.toml")).unwrap();
    run(&["check"]).expect_exit(0).says("provisioner.toml is in order");
}

#[test]
fn operations_are_logged_without_a_value_of_a_user() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    let quiet = fixture.plan();
    assert_eq!(quiet.expect_exit(0).stderr, "");

    let verbose = fixture.run(&["sync", "-v"]);
    verbose.expect_exit(0);
    let lines: Vec<&str> = verbose.stderr.lines().collect();
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["LDAP bind at ldap://", "success", " ms"]), "{verbose}");
    assert!(has(&["LDAP search, reading the users under", "subtree", "=…", "3 entries", " ms"]), "{verbose}");
    assert!(has(&["SCIM POST /Users: HTTP 201", " ms"]), "{verbose}");
    assert!(has(&["SCIM GET /Users?filter=userName eq \"…\""]), "{verbose}");
    assert!(lines.iter().all(|line| line.starts_with("LDAP ") || line.starts_with("SCIM ")), "{verbose}");

    // Everything of this project, and nothing of the state's engine and of libraries.
    people.iter().for_each(|person| fixture.set(person, "title", &["Another"]));
    let detailed = fixture.run(&["sync", "-vv"]);
    let by_variable = fixture.call(&["status"]).env("PROVISIONER_LOG", "debug").run().unwrap();
    let named = fixture.call(&["status"]).env("PROVISIONER_LOG", "aws_smithy_runtime=debug").run().unwrap();
    for output in [&detailed, &by_variable] {
        output.expect_exit(0);
        for foreign in ["dynoxide", "hyper", "aws_", "DynamoDB"] {
            assert!(!output.stderr.contains(foreign), "{output}");
        }
    }
    assert!(
        detailed.stderr.contains("LDAP search") && named.stderr.contains("aws_smithy_runtime"),
        "{named}"
    );
    for output in [&verbose, &detailed, &by_variable] {
        for person in &people {
            for value in [&person.mail, &person.family_name, &person.employee_number, &person.dn()] {
                assert!(!output.stderr.contains(value.as_str()), "{value}\n{output}");
            }
        }
    }
}

#[test]
fn version_names_the_commit_and_the_manual_page_names_each_command() {
    let dir = TestDir::new().unwrap();
    let run = |arguments: &[&str]| dir.provisioner(arguments).run().unwrap();
    let version = run(&["--version"]);
    let text = version.expect_exit(0).stdout.trim_end();
    assert!(text.starts_with("provisioner ") && text.ends_with(')'), "{text}");
    assert!(text.contains(" (commit ") || text.contains(" (built without git"), "{text}");
    let manual = run(&["man"]);
    manual.expect_exit(0).says(".TH provisioner 1").says("Exit codes");
    let help = run(&["--help"]);
    let commands = help.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> =
        commands.map_while(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    assert!(commands.contains(&"sync") && commands.contains(&"man"), "{help}");
    for command in commands {
        // A hyphen is escaped in the page.
        manual.says(&command.replace('-', "\\-"));
    }
}
