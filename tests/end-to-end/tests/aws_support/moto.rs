use aws_sdk_secretsmanager::Client;
use end_to_end::Aws;
use serde_json::json;

#[tokio::test]
async fn a_rotated_secret_is_the_current_one() {
    let aws = Aws::start().unwrap();
    let client = Client::new(&aws.sdk_config());
    let current = async || {
        let fetched = client.get_secret_value().secret_id("corp/workplace").send().await.unwrap();
        fetched.secret_string.unwrap()
    };
    aws.create_secret("corp/workplace", &json!({ "access_token": "old" })).unwrap();
    assert_eq!(current().await, r#"{"access_token":"old"}"#);
    aws.rotate_secret("corp/workplace", &json!({ "access_token": "new" })).unwrap();
    assert_eq!(current().await, r#"{"access_token":"new"}"#);
}

#[test]
fn the_environment_names_the_endpoint() {
    let aws = Aws::start().unwrap();
    assert!(aws.environment().contains(&("AWS_ENDPOINT_URL".to_owned(), aws.endpoint().to_owned())));
}
