import type { RemovalPolicy } from "aws-cdk-lib";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as kms from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";

import { TABLE } from "../contract.ts";
import { explain } from "../explain.ts";

const text = (name: string): dynamodb.Attribute => ({ name, type: dynamodb.AttributeType.STRING });

/** The one table that holds the state of all connections, as `shared/store` lays it out. */
export function stateTable(scope: Construct, key: kms.IKey, removalPolicy: RemovalPolicy): dynamodb.Table {
  const table = new dynamodb.Table(scope, "Table", {
    partitionKey: text(TABLE.PK),
    sortKey: text(TABLE.SK),
    timeToLiveAttribute: TABLE.EXPIRES_AT,
    // A first scan writes as many records as there are users, and the next weeks hardly any.
    billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
    encryption: dynamodb.TableEncryption.CUSTOMER_MANAGED,
    encryptionKey: key,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    removalPolicy,
  });
  explain(table, {
    "NIST.800.53.R5-DynamoDBInBackupPlan": "Point-in-time recovery restores every second of the last 35 days, and scans make up for what is older",
  });
  const projectionType = dynamodb.ProjectionType.KEYS_ONLY;
  table.addGlobalSecondaryIndex({
    indexName: TABLE.WORK_INDEX,
    partitionKey: text(TABLE.WORK_PK),
    sortKey: text(TABLE.WORK_SK),
    projectionType,
  });
  table.addGlobalSecondaryIndex({ indexName: TABLE.DN_INDEX, partitionKey: text(TABLE.DN_PK), projectionType });
  return table;
}
