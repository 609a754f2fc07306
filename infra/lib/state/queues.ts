import { ArnFormat, Duration, Stack } from "aws-cdk-lib";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as sqs from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";

import type { Connection } from "../connections/connection.ts";
import { TIMEOUT_SECONDS } from "../contract.ts";
import { explain } from "../explain.ts";
import { Mistake } from "../mistake.ts";

/** The queues of one connection. An outage of its target delays no other connection. */
export interface ConnectionQueues {
  readonly connection: Connection;
  /** Provision requests: users with an action to perform. */
  readonly requests: sqs.Queue;
  /** Requests that were delivered too often. */
  readonly deadLetters: sqs.Queue;
}

export interface Queues {
  readonly connections: readonly ConnectionQueues[];
  /** Scans that EventBridge Scheduler could not start. */
  readonly missedScans: sqs.Queue;
}

/** SQS's maximum. */
const RETENTION = Duration.days(14);
/** Six times the function's timeout, as Lambda recommends, so that a throttled function is retried. */
const VISIBILITY = Duration.seconds(6 * TIMEOUT_SECONDS.provision);
/** SQS's maximum. The record in the table still says what is due when a request is given up, and a scan sends the request again. */
const MAX_RECEIVES = 1000;
const LONGEST_NAME = 80;

/** The queues' names up to the connection's name. The functions complete them. */
const prefixes = (name: string) => ({ requests: `${name}-requests-`, deadLetters: `${name}-dead-letters-` });

export function createQueues(scope: Construct, name: string, key: kms.IKey, connections: readonly Connection[]): Queues {
  const common = {
    encryption: sqs.QueueEncryption.KMS,
    encryptionMasterKey: key,
    // Fewer requests to KMS; the data key never leaves SQS.
    dataKeyReuse: Duration.hours(1),
    enforceSSL: true,
    retentionPeriod: RETENTION,
  };
  const given = "Messages that another queue gave up; an alarm reports each";
  const create = (connection: Connection): ConnectionQueues => {
    const { requests, deadLetters } = prefixes(name);
    const queueName = (prefix: string): string => checked(connection, `${prefix}${connection.name}`);
    const dead = new sqs.Queue(scope, `DeadLetters-${connection.name}`, {
      ...common,
      queueName: queueName(deadLetters),
      visibilityTimeout: VISIBILITY,
    });
    explain(dead, { "Serverless-SQSRedrivePolicy": given });
    const queue = new sqs.Queue(scope, `Requests-${connection.name}`, {
      ...common,
      queueName: queueName(requests),
      visibilityTimeout: VISIBILITY,
      deadLetterQueue: { queue: dead, maxReceiveCount: MAX_RECEIVES },
    });
    return { connection, requests: queue, deadLetters: dead };
  };
  const missedScans = new sqs.Queue(scope, "MissedScans", common);
  explain(missedScans, { "AwsSolutions-SQS3": given, "Serverless-SQSRedrivePolicy": given });
  return { connections: connections.map(create), missedScans };
}

function checked({ file }: Connection, queueName: string): string {
  if (queueName.length <= LONGEST_NAME) return queueName;
  throw new Mistake(
    `${file}, key name: the queue "${queueName}" has ${queueName.length} characters, and SQS allows ${LONGEST_NAME}; shorten the connection's name or -c name`,
  );
}

/** URL of the request queues up to the connection's name. */
export function requestUrlPrefix(scope: Construct, name: string): string {
  const { account, region, urlSuffix } = Stack.of(scope);
  return `https://sqs.${region}.${urlSuffix}/${account}/${prefixes(name).requests}`;
}

/** ARN of the dead-letter queues up to the connection's name. */
export function deadLetterArnPrefix(scope: Construct, name: string): string {
  return Stack.of(scope).formatArn({
    service: "sqs",
    resource: prefixes(name).deadLetters,
    arnFormat: ArnFormat.NO_RESOURCE_NAME,
  });
}
