//! The environment of a deployed function: connections, table, queue and secrets.

use std::collections::BTreeMap;
use std::path::Path;

use aws_config::SdkConfig;
use queue::Queue;
use store::Table;

use crate::environment::{self, required};
use crate::function::shortened;
use crate::{Connection, FunctionError, Secrets, config};

/// The environment of a deployed function.
pub struct Deployment {
    connections: BTreeMap<String, Connection>,
    /// State table.
    pub table: Table,
    queues: aws_sdk_sqs::Client,
    queue_url_prefix: String,
    /// Secrets, with their cache.
    pub secrets: Secrets,
    /// AWS region and credentials.
    pub sdk: SdkConfig,
}

impl Deployment {
    /// Reads the environment and checks every configuration. No request is sent.
    pub async fn open() -> Result<Self, FunctionError> {
        let path = required(environment::CONFIG, "the path of a configuration file, or of a folder of them")?;
        let table = required(environment::TABLE, "the name of the state table")?;
        let queue_url_prefix = required(
            environment::QUEUE_URL_PREFIX,
            "the URL of the connections' queues up to the name of the connection",
        )?;
        let connections = config::read_all(Path::new(&path))?;
        let sdk = crate::aws_config().await;
        Ok(Self {
            connections,
            table: table_at(&sdk, &table),
            queues: aws_sdk_sqs::Client::new(&sdk),
            queue_url_prefix,
            secrets: Secrets::with_client(aws_sdk_secretsmanager::Client::new(&sdk)),
            sdk,
        })
    }

    /// The queue of this connection. Each connection has its own, so that an outage of one target delays no other.
    pub fn queue(&self, connection: &Connection) -> Queue {
        Queue::new(self.queues.clone(), &format!("{}{}", self.queue_url_prefix, connection.name))
    }

    /// The connection of this name. The name may be omitted where there is only one.
    pub fn connection(&self, name: Option<&str>) -> Result<&Connection, FunctionError> {
        let found = match name {
            Some(name) => self.connections.get(name),
            None if self.connections.len() == 1 => self.connections.values().next(),
            None => None,
        };
        found.ok_or_else(|| {
            let names: Vec<&str> = self.connections.keys().map(String::as_str).collect();
            let problem = name.map_or("names no connection".to_owned(), |name| {
                format!("names the connection {:?}, which is not deployed", shortened(name))
            });
            FunctionError {
                kind: "BadEvent",
                message: format!("the event {problem}; deployed connections: {}", names.join(", ")),
            }
        })
    }
}

/// The deployed table of this name, in the region and with the credentials of the caller.
pub async fn deployed_table(name: &str) -> Table {
    table_at(&crate::aws_config().await, name)
}

fn table_at(sdk: &SdkConfig, name: &str) -> Table {
    Table::new(aws_sdk_dynamodb::Client::new(sdk), name)
}
