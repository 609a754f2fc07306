import { Duration, Stack } from "aws-cdk-lib";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as scheduler from "aws-cdk-lib/aws-scheduler";
import type * as sqs from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";

import type { Connection } from "../connections/connection.ts";
import type { ScanEvent } from "../contract.ts";
import { hint, Mistake } from "../mistake.ts";
import type { SchedulesProps } from "../props.ts";
import { parseSchedule, type ScheduleExpression } from "./expression.ts";

/** A schedule, and the time zone in which its `cron(…)` is read. */
interface Schedule extends ScheduleExpression {
  readonly timezone: string;
}

/** Schedules of one connection. */
export interface ConnectionSchedules {
  readonly incremental: Schedule | undefined;
  readonly full: Schedule | undefined;
}

const DEFAULTS = { incremental: "rate(1 minute)", full: "cron(15 2 * * ? *)", timezone: "UTC" } as const;
const OFF = "off";
/** EventBridge Scheduler's limits for the age of an event, in seconds. */
const YOUNGEST = 60;
const OLDEST = 86_400;
/** EventBridge Scheduler's limit for the length of a name. */
const LONGEST_NAME = 64;

/** Reads the schedules of every connection. */
export function readSchedules(
  connections: readonly Connection[],
  common: SchedulesProps,
  byConnection: Readonly<Record<string, SchedulesProps>>,
): Map<string, ConnectionSchedules> {
  const names = connections.map(({ name }) => name);
  for (const name of Object.keys(byConnection)) {
    if (!names.includes(name)) throw new Mistake(`schedules: there is no connection "${name}"${hint(name, names)}`);
  }
  return new Map(
    names.map((name) => {
      const { incremental, full, timezone } = { ...DEFAULTS, ...common, ...byConnection[name] };
      checkTimezone(name, timezone);
      const read = (kind: string, given: scheduler.ScheduleExpression | string): Schedule | undefined => {
        if (given === OFF) return undefined;
        const text = typeof given === "string" ? given : given.expressionString;
        const own = typeof given === "string" ? undefined : given.timeZone?.timezoneName;
        return { ...parseSchedule(`schedule ${kind} of ${name}`, text), timezone: own ?? timezone };
      };
      return [name, { incremental: read("incremental", incremental), full: read("full", full) }];
    }),
  );
}

function checkTimezone(connection: string, timezone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    throw new Mistake(
      `timezone of ${connection}: there is no time zone "${timezone}"; write one such as Europe/Berlin or UTC`,
    );
  }
}

/** Creates up to two schedules for each connection, in one schedule group. */
export function createSchedules(
  scope: Construct,
  group: scheduler.CfnScheduleGroup,
  schedules: ReadonlyMap<string, ConnectionSchedules>,
  scan: lambda.IFunction,
  role: iam.IRole,
  missedScans: sqs.IQueue,
): void {
  const create = (connection: string, mode: ScanEvent["mode"], when: Schedule): void => {
    const event: ScanEvent = { connection, mode, dry_run: false, user: null };
    const name = `${connection}-${mode}`;
    const full = mode === "full";
    new scheduler.CfnSchedule(scope, `Schedule-${name}`, {
      ...(name.length <= LONGEST_NAME ? { name } : {}),
      groupName: group.ref,
      description: full ? `Full scan of ${connection}` : `Incremental scan of ${connection}`,
      scheduleExpression: when.text,
      scheduleExpressionTimezone: when.timezone,
      // Full scans of several connections start at different minutes.
      flexibleTimeWindow: full ? { mode: "FLEXIBLE", maximumWindowInMinutes: 15 } : { mode: "OFF" },
      state: "ENABLED",
      target: {
        arn: scan.functionArn,
        roleArn: role.roleArn,
        input: Stack.of(scope).toJsonString(event),
        // A late start of an incremental scan is useless once the next one is due. A daily full scan is retried for hours.
        retryPolicy: {
          maximumEventAgeInSeconds: full ? Duration.hours(6).toSeconds() : longestUsefulAge(when),
          maximumRetryAttempts: full ? 30 : 3,
        },
        deadLetterConfig: { arn: missedScans.queueArn },
      },
    });
  };
  for (const [connection, { incremental, full }] of schedules) {
    if (incremental !== undefined) create(connection, "auto", incremental);
    if (full !== undefined) create(connection, "full", full);
  }
}

function longestUsefulAge({ interval }: ScheduleExpression): number {
  const seconds = interval?.toSeconds() ?? OLDEST;
  return Math.min(Math.max(seconds, YOUNGEST), OLDEST);
}
