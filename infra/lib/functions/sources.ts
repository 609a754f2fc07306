import * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";

import { explain } from "../explain.ts";
import type { Queues } from "../state/queues.ts";
import { maximumConcurrency } from "./budget.ts";

/** SQS's maximum for one receive: the users of a batch share one open connection to the target. */
const BATCH = 10;
/** Lambda's minimum. Dead letters are rare and not urgent. */
const DEAD_LETTER_CONCURRENCY = 2;

/** Connects each connection's queues with the provision function. A failed message is returned alone, not with its batch. */
export function eventSources(scope: Construct, target: lambda.IFunction, queues: Queues): void {
  const common = { target, batchSize: BATCH, reportBatchItemFailures: true };
  const mappings = queues.connections.flatMap(({ connection, requests, deadLetters }) => [
    new lambda.EventSourceMapping(scope, `FromRequests-${connection.name}`, {
      ...common,
      eventSourceArn: requests.queueArn,
      maxConcurrency: maximumConcurrency(connection),
    }),
    new lambda.EventSourceMapping(scope, `FromDeadLetters-${connection.name}`, {
      ...common,
      eventSourceArn: deadLetters.queueArn,
      maxConcurrency: DEAD_LETTER_CONCURRENCY,
    }),
  ]);
  for (const mapping of mappings) {
    explain(mapping, {
      "Serverless-LambdaEventSourceMappingDestination":
        "Destinations are for streams; a failed message returns to its queue, and from there to the dead letters",
    });
  }
}
