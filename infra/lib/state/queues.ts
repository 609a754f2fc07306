import { Duration } from "aws-cdk-lib";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as sqs from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";

import { TIMEOUT_SECONDS } from "../contract.ts";
import { explain } from "../explain.ts";

/** The queues. */
export interface Queues {
  /** Wake-ups: who has something to be done. */
  readonly wakeUps: sqs.Queue;
  /** Wake-ups that were delivered too often. */
  readonly deadLetters: sqs.Queue;
  /** Scans that the scheduler could not start. */
  readonly missedScans: sqs.Queue;
}

/** As long as SQS keeps anything. */
const KEEP = Duration.days(14);
/** Long enough for a function that is just failing to be throttled and tried again, as Lambda advises. */
const VISIBILITY = Duration.seconds(6 * TIMEOUT_SECONDS.provision);

/**
 * A wake-up is given back on purpose, later and later, while the target is down: a hundred deliveries outlast a long
 * week-end. Whoever is given up then is not lost, because the record in the table still says what is to be done.
 */
const DELIVERIES = 100;

export function createQueues(scope: Construct, key: kms.IKey): Queues {
  const common = {
    encryption: sqs.QueueEncryption.KMS,
    encryptionMasterKey: key,
    // Fewer calls of the key; the data key never leaves SQS.
    dataKeyReuse: Duration.hours(1),
    enforceSSL: true,
    retentionPeriod: KEEP,
  };
  const deadLetters = new sqs.Queue(scope, "DeadLetters", { ...common, visibilityTimeout: VISIBILITY });
  const missedScans = new sqs.Queue(scope, "MissedScans", common);
  const wakeUps = new sqs.Queue(scope, "RequestQueue", {
    ...common,
    visibilityTimeout: VISIBILITY,
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: DELIVERIES },
  });
  const last = "It is where messages go that were given up elsewhere; an alarm tells of each";
  explain(deadLetters, { "Serverless-SQSRedrivePolicy": last });
  explain(missedScans, { "AwsSolutions-SQS3": last, "Serverless-SQSRedrivePolicy": last });
  return { wakeUps, deadLetters, missedScans };
}
