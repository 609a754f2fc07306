//! The example configurations beside the reference page are complete and valid.

use std::path::Path;

#[test]
fn examples_are_valid_configurations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let connection = runtime::config::parse(&text, &path).unwrap_or_else(|error| panic!("{error}"));
        names.push(connection.policy.name.clone());
    }
    names.sort();
    assert_eq!(names, ["corp", "scim", "slack"]);
}
