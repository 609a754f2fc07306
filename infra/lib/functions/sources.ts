import * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";

import { explain } from "../explain.ts";
import { Mistake } from "../mistake.ts";
import type { Queues } from "../state/queues.ts";
import { maximumConcurrency } from "./budget.ts";

/** Users of one invocation. With more than one, they share an open connection to the target, and a slow user delays the others. */
const DEFAULT_BATCH = 1;
/** SQS's maximum for one receive. */
const MOST_BATCH = 10;
/** Lambda's minimum. Dead letters are rare and not urgent. */
const DEAD_LETTER_CONCURRENCY = 2;

/** Connects each connection's queues with the provision function. A failed message is returned alone, not with its batch. */
export function eventSources(scope: Construct, target: lambda.IFunction, queues: Queues, usersPerInvocation = DEFAULT_BATCH): void {
  if (!Number.isInteger(usersPerInvocation) || usersPerInvocation < 1 || usersPerInvocation > MOST_BATCH) {
    throw new Mistake(`usersPerInvocation (users-per-invocation) is ${usersPerInvocation}; it must be a whole number from 1 to ${MOST_BATCH}`);
  }
  const common = { target, reportBatchItemFailures: true };
  const mappings = queues.connections.flatMap(({ connection, requests, deadLetters }) => [
    new lambda.EventSourceMapping(scope, `FromRequests-${connection.name}`, {
      ...common,
      batchSize: usersPerInvocation,
      eventSourceArn: requests.queueArn,
      maxConcurrency: maximumConcurrency(connection),
    }),
    new lambda.EventSourceMapping(scope, `FromDeadLetters-${connection.name}`, {
      ...common,
      batchSize: MOST_BATCH,
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
