//! The table, and one connection's part of it.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, TimeToLiveSpecification,
};

use tokio::sync::OnceCell;

use crate::StoreError;
use crate::errors::{Result, classify, incomplete};
use crate::keys::{ConnectionKeys, DN_INDEX, DN_PK, EXPIRES_AT, PK, SK, WORK_INDEX, WORK_PK, WORK_SK};
use crate::meter::CapacityMeter;
use crate::siblings::Siblings;

/// The table that holds the state of all connections.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// One connection's state.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) table: String,
    pub(crate) keys: ConnectionKeys,
    pub(crate) history_days: u32,
    pub(crate) retention_days: u32,
    pub(crate) meter: Arc<CapacityMeter>,
    /// Names of the other connections with this target, once they were read.
    pub(crate) siblings: Arc<OnceCell<Siblings>>,
}

const CREATE: &str = "create the table (CreateTable)";
const DESCRIBE: &str = "read the table's description (DescribeTable)";
const EXPIRE: &str = "let items expire (UpdateTimeToLive)";

impl Table {
    /// The table of this name, through this client.
    pub fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One connection's part of the table.
    pub fn connection(&self, name: &str) -> Store {
        Store {
            client: self.client.clone(),
            table: self.name.clone(),
            keys: ConnectionKeys::of(name),
            history_days: Store::HISTORY_DAYS,
            retention_days: Store::RETENTION_DAYS,
            meter: Arc::default(),
            siblings: Arc::default(),
        }
    }

    /// Creates the table with its indexes and expiry, and waits until it is active. An existing table stays as it is.
    pub async fn create_if_missing(&self) -> Result<()> {
        if self.status().await?.is_none() {
            self.create().await?;
            self.wait_until_active().await?;
            self.let_items_expire().await?;
        }
        self.wait_until_active().await
    }

    async fn status(&self) -> Result<Option<TableStatus>> {
        match self.client.describe_table().table_name(&self.name).send().await {
            Ok(described) => Ok(described.table.and_then(|table| table.table_status)),
            Err(SdkError::ServiceError(service)) if service.err().is_resource_not_found_exception() => {
                Ok(None)
            }
            Err(error) => Err(classify(DESCRIBE, &self.name, &error)),
        }
    }

    async fn create(&self) -> Result<()> {
        let mut request =
            self.client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        for name in [PK, SK, WORK_PK, WORK_SK, DN_PK] {
            request = request.attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name(name)
                    .attribute_type(ScalarAttributeType::S)
                    .build()
                    .map_err(incomplete(CREATE))?,
            );
        }
        let sent = request
            .key_schema(key(PK, KeyType::Hash)?)
            .key_schema(key(SK, KeyType::Range)?)
            .global_secondary_indexes(index(WORK_INDEX, WORK_PK, Some(WORK_SK))?)
            .global_secondary_indexes(index(DN_INDEX, DN_PK, None)?)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            // Another process created it.
            Err(SdkError::ServiceError(service)) if service.err().is_resource_in_use_exception() => Ok(()),
            Err(error) => Err(classify(CREATE, &self.name, &error)),
        }
    }

    async fn wait_until_active(&self) -> Result<()> {
        for _ in 0..120 {
            if self.status().await? == Some(TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Err(StoreError::Unavailable {
            action: DESCRIBE,
            detail: "it did not become active in a minute".to_owned(),
        })
    }

    async fn let_items_expire(&self) -> Result<()> {
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(EXPIRES_AT)
            .enabled(true)
            .build()
            .map_err(incomplete(CREATE))?;
        let sent = self
            .client
            .update_time_to_live()
            .table_name(&self.name)
            .time_to_live_specification(specification)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            // Another process enabled it; DynamoDB has no specific code for that.
            Err(SdkError::ServiceError(service)) if service.err().code() == Some("ValidationException") => {
                Ok(())
            }
            Err(error) => Err(classify(EXPIRE, &self.name, &error)),
        }
    }
}

impl Store {
    /// Default retention of history.
    pub const HISTORY_DAYS: u32 = 90;

    /// Sets the retention of history written from now on.
    #[must_use]
    pub fn with_history_days(self, history_days: u32) -> Self {
        Self { history_days, ..self }
    }

    /// Default retention of users that left.
    pub const RETENTION_DAYS: u32 = 90;

    /// Sets the retention of users that leave from now on. A user that returns within it gets the same account by id;
    /// later, by user name, like a new user.
    #[must_use]
    pub fn with_retention_days(self, retention_days: u32) -> Self {
        Self { retention_days, ..self }
    }
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(incomplete(CREATE))
}

fn index(name: &str, hash: &str, range: Option<&str>) -> Result<GlobalSecondaryIndex> {
    let mut index = GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(key(hash, KeyType::Hash)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    if let Some(range) = range {
        index = index.key_schema(key(range, KeyType::Range)?);
    }
    index.build().map_err(incomplete(CREATE))
}
