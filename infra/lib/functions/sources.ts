import * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";

import { explain } from "../explain.ts";
import type { Queues } from "../state/queues.ts";

/** As many as SQS gives at a time: a batch's users share one warm connection to the target. */
const BATCH = 10;
/** Lambda's least. Dead letters are rare, and nobody waits for them. */
const DEAD_LETTERS_AT_A_TIME = 2;

/** Lets the queues wake the provisioning function. Users that fail are given back one by one, not with their batch. */
export function eventSources(
  scope: Construct,
  target: lambda.IFunction,
  queues: Queues,
  maxConcurrency: number,
): void {
  const common = { target, batchSize: BATCH, reportBatchItemFailures: true };
  const mappings = [
    new lambda.EventSourceMapping(scope, "FromWakeUps", {
      ...common,
      eventSourceArn: queues.wakeUps.queueArn,
      maxConcurrency,
    }),
    new lambda.EventSourceMapping(scope, "FromDeadLetters", {
      ...common,
      eventSourceArn: queues.deadLetters.queueArn,
      maxConcurrency: DEAD_LETTERS_AT_A_TIME,
    }),
  ];
  for (const mapping of mappings) {
    explain(mapping, {
      "Serverless-LambdaEventSourceMappingDestination":
        "Destinations are for streams; what fails here goes back to its queue, and from there to the dead letters",
    });
  }
}
