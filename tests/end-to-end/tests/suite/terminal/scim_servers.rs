//! The terminal program against SCIM servers that are not ours.

use std::collections::BTreeMap;

use end_to_end::{
    ENTERPRISE, GroupEntry, PersonEntry, ScimProduct, ScimServer, Slapd, SlapdOptions, TestConfiguration,
    TestDir, enabled_people, workplace_group,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

struct ScimServerFixture {
    slapd: Slapd,
    server: ScimServer,
    dir: TestDir,
    configuration: TestConfiguration,
    runtime: Runtime,
}

impl ScimServerFixture {
    fn new(product: ScimProduct, people: &[PersonEntry]) -> Self {
        let slapd = Slapd::start(SlapdOptions {
            people: people.to_vec(),
            groups: vec![GroupEntry::of("workplace", people)],
            ..SlapdOptions::default()
        })
        .unwrap();
        let server = ScimServer::start(product).unwrap();
        let mut configuration = TestConfiguration::openldap(&slapd, server.url());
        configuration.target = configuration.target.replace("\"workplace\"", "\"scim2\"");
        let dir = TestDir::for_slapd(&slapd, server.url()).unwrap();
        dir.configure(&configuration).unwrap();
        dir.target_secret(server.token()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { slapd, server, dir, configuration, runtime }
    }

    fn run(&self, command: &[&str]) -> end_to_end::ProgramOutput {
        let arguments = command.iter().copied().chain(["--config", "corp.toml"]);
        self.dir.provisioner(arguments).run().unwrap()
    }

    /// A request by another client.
    fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = Client::builder().no_proxy().build().unwrap();
        let mut request = request
            .request(method, format!("{}{path}", self.server.url()))
            .bearer_auth(self.server.token())
            .header("content-type", "application/scim+json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let text = self.runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// All accounts by lower-case user name.
    fn accounts(&self) -> BTreeMap<String, Value> {
        let mut accounts = BTreeMap::new();
        loop {
            let start = accounts.len() + 1;
            let page = self.call(Method::GET, &format!("/Users?startIndex={start}&count=5"), None);
            for account in page["Resources"].as_array().into_iter().flatten() {
                let name = account["userName"].as_str().unwrap().to_lowercase();
                assert_eq!(
                    accounts.insert(name.clone(), account.clone()),
                    None,
                    "two accounts have the user name {name}"
                );
            }
            if accounts.len() as u64 >= page["totalResults"].as_u64().unwrap() {
                return accounts;
            }
            assert!(accounts.len() >= start, "the list ends early: {page}");
        }
    }

    #[track_caller]
    fn account(&self, name: &str) -> Value {
        self.accounts().remove(name).unwrap_or_else(|| panic!("existing is no account {name}"))
    }
}

fn patch(operation: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]})
}

#[expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "one scenario, told in the order in which it happens"
)]
fn run_life_cycle(product: ScimProduct) {
    let mut people = enabled_people(8);
    people[2].manager = Some(people[1].dn());
    let mut fixture = ScimServerFixture::new(product, &people);
    let admin = fixture.slapd.admin();
    let [linked, boss, worker, leaver, ..] = &people[..] else { panic!("eight people") };
    let manager_of =
        |fixture: &ScimServerFixture| fixture.account(&worker.mail)[ENTERPRISE]["manager"]["value"].clone();

    // Created and linked.
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    let existing = json!({"schemas": schemas, "userName": linked.mail.to_uppercase(), "nickName": "Kept"});
    let existing = fixture.call(Method::POST, "/Users", Some(existing));
    fixture.run(&["check"]).expect_exit(0);
    fixture.run(&["sync"]).expect_exit(0);
    assert_eq!(fixture.accounts().len(), 8, "{product}");
    let account = fixture.account(&linked.mail);
    assert_eq!((&account["id"], &account["nickName"]), (&existing["id"], &json!("Kept")), "{product}");
    assert_eq!(account["name"]["familyName"], linked.family_name, "{product}");
    assert_eq!(manager_of(&fixture), fixture.account(&boss.mail)["id"], "{product}");
    fixture.run(&["sync"]).expect_exit(0).says("nothing to do");

    // Updated, cleared, renamed, and given another manager.
    admin.set(&worker.dn(), "title", &["Poet"]).unwrap();
    admin.set(&worker.dn(), "telephoneNumber", &[]).unwrap();
    admin.set(&worker.dn(), "departmentNumber", &[]).unwrap();
    admin.set(&worker.dn(), "manager", &[&linked.dn()]).unwrap();
    admin.set(&boss.dn(), "mail", &["renamed@acme.test"]).unwrap();
    let before = fixture.accounts();
    fixture.run(&["sync"]).expect_exit(0);
    let account = fixture.account(&worker.mail);
    assert_eq!(account["title"], "Poet", "{product}");
    assert_eq!(account[ENTERPRISE].get("department"), None, "{product}");
    let phones = account["phoneNumbers"].as_array().cloned().unwrap_or_default();
    assert!(!phones.iter().any(|phone| phone["type"] == "work"), "{product}: {phones:?}");
    assert_eq!(manager_of(&fixture), existing["id"], "{product}");
    assert_eq!(fixture.account("renamed@acme.test")["id"], before[&boss.mail]["id"], "{product}");
    admin.set(&worker.dn(), "manager", &[]).unwrap();
    fixture.run(&["sync"]).expect_exit(0);
    assert_eq!(manager_of(&fixture), Value::Null, "{product}");

    // Deactivated and reactivated.
    for active in [false, true] {
        if active {
            admin.add_member(&workplace_group(), &leaver.dn()).unwrap();
        } else {
            admin.remove_member(&workplace_group(), &leaver.dn()).unwrap();
        }
        fixture.run(&["sync"]).expect_exit(0);
        let account = fixture.account(&leaver.mail);
        assert_eq!(
            (&account["active"], &account["id"]),
            (&json!(active), &before[&leaver.mail]["id"]),
            "{product}"
        );
        assert_eq!(account["displayName"], before[&leaver.mail]["displayName"], "{product}");
    }

    // Drift: one account is changed at the target, one is deleted, one is created.
    fixture.run(&["drift"]).expect_exit(0).says("8 equal");
    let title = patch(json!({"op": "replace", "path": "title", "value": "Impostor"}));
    let path = |name: &str| format!("/Users/{}", before[name]["id"].as_str().unwrap());
    fixture.call(Method::PATCH, &path(&worker.mail), Some(title));
    fixture.call(Method::DELETE, &path(&leaver.mail), None);
    let unlinked = json!({"schemas": schemas, "userName": "unlinked@acme.test", "title": "Unlinked"});
    let unlinked = fixture.call(Method::POST, "/Users", Some(unlinked));
    fixture
        .run(&["drift"])
        .expect_exit(3)
        .says_in_one_line(&[&worker.mail, "changed"])
        .says_in_one_line(&["title", "Impostor", "Poet"])
        .says_in_one_line(&[&leaver.mail, "gone"])
        .says("6 equal, 1 changed, 1 gone, 0 waiting, 1 not linked");
    fixture.run(&["drift", "--repair"]).expect_exit(0);
    fixture.run(&["drift"]).expect_exit(0).says("8 equal, 0 changed, 0 gone, 0 waiting, 1 not linked");
    assert_eq!(fixture.account(&worker.mail)["title"], "Poet", "{product}");
    assert_eq!(fixture.account("unlinked@acme.test")["id"], unlinked["id"], "{product}");
    assert_ne!(fixture.account(&leaver.mail)["id"], before[&leaver.mail]["id"], "{product}");

    // Deleted.
    fixture.configuration.options = "remove_action = \"delete\"".to_owned();
    fixture.dir.configure(&fixture.configuration).unwrap();
    admin.delete(&leaver.dn()).unwrap();
    fixture.run(&["sync"]).expect_exit(0).says_in_one_line(&[&leaver.mail, "deleted"]);
    assert_eq!(fixture.accounts().get(&leaver.mail), None, "{product}");
    fixture.run(&["sync"]).expect_exit(0).says("nothing to do");
}

#[test]
fn account_life_cycle_at_scim2_server() {
    run_life_cycle(ScimProduct::Scim2Server);
}

#[test]
fn account_life_cycle_at_scimmy() {
    run_life_cycle(ScimProduct::Scimmy);
}
