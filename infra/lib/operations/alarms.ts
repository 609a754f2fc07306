import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sqs from "aws-cdk-lib/aws-sqs";

import type { Binary } from "../contract.ts";
import type { AlarmProps } from "../props.ts";
import type { ConnectionSchedules } from "../schedules/schedules.ts";
import type { ConnectionQueues, Queues } from "../state/queues.ts";
import type { Watch } from "./alarm.ts";
import { emitted, type Emitter } from "./metrics.ts";
import { scanWindows, type Windows } from "./windows.ts";

const { IGNORE, MISSING, NOT_BREACHING } = cloudwatch.TreatMissingData;
const FIVE_MINUTES = Duration.minutes(5);

/** Workplace deactivates an integration after this time without a request. */
const IDLE_DAYS_ALLOWED = 60;
/** The longest time that CloudWatch evaluates. */
const IDLE_DAYS_SEEN = 7;
/** A few users with a wrong value are usual; a fault of the target or of the mapping concerns more. */
const USERS_FAILING = 5;

/** Alarms for all connections together. */
export function commonWatches(
  { scan, provision }: Readonly<Record<Binary, lambda.IFunction>>,
  queues: Queues,
  windows: Windows | undefined,
): Watch[] {
  const { period, count } = windows ?? { period: FIVE_MINUTES, count: 3 };
  return [
    {
      kind: "scan-failing",
      meaning: "The scan function fails repeatedly for at least one connection",
      metric: scan.metricErrors({ period, statistic: "Sum" }),
      threshold: 1,
      evaluationPeriods: count,
      treatMissingData: NOT_BREACHING,
    },
    {
      kind: "missed-scans",
      meaning: "The scheduler could not start a scan and gave up",
      metric: visible(queues.missedScans),
      threshold: 1,
      evaluationPeriods: 1,
      treatMissingData: NOT_BREACHING,
    },
    {
      kind: "functions-throttled",
      meaning: "Lambda has refused invocations of the scan or the provision function for 15 minutes",
      metric: new cloudwatch.MathExpression({
        expression: "FILL(scan, 0) + FILL(provision, 0)",
        usingMetrics: {
          scan: scan.metricThrottles({ period: FIVE_MINUTES, statistic: "Sum" }),
          provision: provision.metricThrottles({ period: FIVE_MINUTES, statistic: "Sum" }),
        },
        period: FIVE_MINUTES,
        label: "Throttled invocations",
      }),
      threshold: 1,
      evaluationPeriods: 3,
      treatMissingData: NOT_BREACHING,
    },
    {
      kind: "events-dropped",
      meaning: "Lambda dropped the start or the continuation of a scan, because the scan function could not run in time",
      // Lambda counts the event of a failed scan as dropped too; that is the alarm scan-failing.
      metric: new cloudwatch.MathExpression({
        expression: "FILL(dropped, 0) - FILL(failed, 0)",
        usingMetrics: {
          dropped: scan.metric("AsyncEventsDropped", { period: FIVE_MINUTES, statistic: "Sum" }),
          failed: scan.metricErrors({ period: FIVE_MINUTES, statistic: "Sum" }),
        },
        period: FIVE_MINUTES,
        label: "Dropped events",
      }),
      threshold: 1,
      evaluationPeriods: 1,
      treatMissingData: NOT_BREACHING,
    },
  ];
}

/** Alarms on the queues of one connection. */
export function queueWatches(
  deployment: string,
  { connection: { name: connection }, requests, deadLetters }: ConnectionQueues,
  { oldestMessage = Duration.hours(1) }: AlarmProps,
): Watch[] {
  return [
    {
      kind: "messages-old",
      connection,
      meaning: `A provision request of ${connection} has waited in the queue for more than ${oldestMessage.toMinutes()} minutes`,
      // SQS's age leaves out the messages that were given back, and the functions' own metric those that nothing receives.
      metric: new cloudwatch.MathExpression({
        expression: "MAX([FILL(waiting, 0), FILL(received, 0)])",
        usingMetrics: {
          waiting: requests.metricApproximateAgeOfOldestMessage({ period: FIVE_MINUTES, statistic: "Maximum" }),
          received: emitted({ deployment, connection }, "QueueAge", "Maximum", FIVE_MINUTES),
        },
        period: FIVE_MINUTES,
        label: "Age of the oldest request",
      }),
      threshold: oldestMessage.toSeconds(),
      evaluationPeriods: 3,
      treatMissingData: NOT_BREACHING,
    },
    {
      kind: "dead-letters",
      connection,
      meaning: `A provision request of ${connection} was given up after a thousand deliveries`,
      // The provision function receives dead letters and records them, so the number of visible messages is not enough.
      metric: new cloudwatch.MathExpression({
        expression: "FILL(visible, 0) + FILL(received, 0)",
        usingMetrics: {
          visible: visible(deadLetters),
          received: deadLetters.metricNumberOfMessagesReceived({ period: FIVE_MINUTES, statistic: "Sum" }),
        },
        period: FIVE_MINUTES,
        label: "Dead letters",
      }),
      threshold: 1,
      evaluationPeriods: 1,
      treatMissingData: NOT_BREACHING,
    },
  ];
}

/** Alarms on the metrics of one connection. */
export function connectionWatches(
  emitter: Emitter,
  schedules: ConnectionSchedules,
  { lateAfter, usersFailing = USERS_FAILING }: AlarmProps,
): Watch[] {
  const { connection } = emitter;
  const windows = scanWindows(connection, schedules, lateAfter);
  const { period, count } = windows ?? { period: FIVE_MINUTES, count: 3 };
  // Between two scans the result of the last one holds, so missing data changes nothing.
  const state = { connection, treatMissingData: IGNORE, threshold: 1 };
  const watches: Watch[] = [
    {
      ...state,
      kind: "reads-incomplete",
      meaning: `No scan of ${connection} has read the whole scope for a while, so no account is removed`,
      // The minimum of a period is 1 only if every scan in it was incomplete.
      metric: emitted(emitter, "IncompleteReads", "Minimum", period),
      evaluationPeriods: count,
    },
    {
      ...state,
      kind: "removals-held",
      meaning: `Removals of ${connection} wait for an approval because they exceed its limits`,
      metric: emitted(emitter, "Held", "Maximum", period),
      evaluationPeriods: 1,
    },
    {
      ...state,
      kind: "users-failing",
      meaning: `More than ${usersFailing} users of ${connection} cannot be provisioned`,
      metric: emitted(emitter, "UsersFailed", "Minimum", period),
      threshold: usersFailing + 1,
      evaluationPeriods: count,
    },
    {
      ...state,
      kind: "breaker-open",
      meaning: `No requests are sent to the target of ${connection} because it is down or refuses the token`,
      metric: emitted(emitter, "BreakerOpen", "Maximum", period),
      evaluationPeriods: 2,
    },
    {
      kind: "target-idle",
      connection,
      meaning: `The target of ${connection} has had no request for ${IDLE_DAYS_SEEN} days, and Workplace deactivates an integration after ${IDLE_DAYS_ALLOWED}. The state of this alarm is then INSUFFICIENT_DATA. Before the first request it reports nothing`,
      metric: emitted(emitter, "TargetLatency", "SampleCount", Duration.days(1)),
      comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
      threshold: 1,
      evaluationPeriods: IDLE_DAYS_SEEN,
      // A day or a period without data is the finding, but there is none before the first run either.
      treatMissingData: MISSING,
      reportsSilence: true,
    },
  ];
  if (windows === undefined) return watches;
  return [
    {
      kind: "scan-late",
      connection,
      meaning: `No scan of ${connection} has ended for ${period.toMinutes() * count} minutes. The state of this alarm is then INSUFFICIENT_DATA. Before the first scan has ended it reports nothing`,
      metric: emitted(emitter, "ScanDuration", "SampleCount", period),
      comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
      threshold: 1,
      evaluationPeriods: count,
      // A day or a period without data is the finding, but there is none before the first run either.
      treatMissingData: MISSING,
      reportsSilence: true,
    },
    ...watches,
  ];
}

function visible(queue: sqs.IQueue): cloudwatch.Metric {
  return queue.metricApproximateNumberOfMessagesVisible({ period: FIVE_MINUTES, statistic: "Maximum" });
}
