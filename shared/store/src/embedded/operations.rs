//! The DynamoDB operations that this crate uses, by name.

use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Performs one operation; returns the HTTP status and body that DynamoDB would send.
pub(super) fn perform(database: &Database, operation: &str, body: &[u8]) -> (u16, String) {
    let done = match operation {
        "GetItem" => with(body, |it| database.get_item(it)),
        "PutItem" => with(body, |it| database.put_item(it)),
        "UpdateItem" => with(body, |it| database.update_item(it)),
        "DeleteItem" => with(body, |it| database.delete_item(it)),
        "Query" => with(body, |it| database.query(it)),
        "BatchGetItem" => with(body, |it| database.batch_get_item(it)),
        "BatchWriteItem" => with(body, |it| database.batch_write_item(it)),
        // The client sends a token so that a repeated transaction is recognised. No response is lost here, and the
        // engine would search all tokens of the last minutes for every transaction.
        "TransactWriteItems" => with(body, |it: TransactWriteItemsRequest| {
            database.transact_write_items(TransactWriteItemsRequest { client_request_token: None, ..it })
        }),
        "CreateTable" => with(body, |it| database.create_table(it)),
        "DescribeTable" => with(body, |it| database.describe_table(it)),
        "UpdateTimeToLive" => with(body, |it| database.update_time_to_live(it)),
        other => Err(DynoxideError::UnsupportedCapability(format!("{other} is not used here"))),
    };
    match done {
        Ok(answer) => (200, answer),
        Err(error) => (error.status_code(), error.to_json()),
    }
}

fn with<Asked: DeserializeOwned, Answer: Serialize>(
    body: &[u8],
    run: impl FnOnce(Asked) -> dynoxide::Result<Answer>,
) -> dynoxide::Result<String> {
    let asked = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&run(asked)?).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
