import { Duration } from "aws-cdk-lib";

import { Mistake } from "../mistake.ts";
import type { ConnectionSchedules } from "../schedules/schedules.ts";

/** Period of an alarm, and the number of periods that it evaluates. */
export interface Windows {
  readonly period: Duration;
  readonly count: number;
}

const SHORTEST = Duration.minutes(5);
/** A problem that lasts for three periods raises an alarm. */
const COUNT = 3;
const HOUR = 3600;
const DAY = 24 * HOUR;
/** CloudWatch looks back a week at most, and a day where its periods are shorter than an hour. */
const LONGEST = 7 * DAY;

/** Alarm periods that cover three intervals of a connection's shortest schedule. */
export function scanWindows(
  connection: string,
  { incremental, full }: ConnectionSchedules,
  lateAfter: Duration | undefined,
): Windows | undefined {
  const schedules = [incremental, full].filter((schedule) => schedule !== undefined);
  if (schedules.length === 0) return undefined;
  const intervals = schedules.flatMap(({ interval }) => interval?.toSeconds() ?? []);
  const shortest = intervals.length > 0 ? Math.min(...intervals) : undefined;
  const seconds = lateAfter?.toSeconds() ?? (shortest === undefined ? undefined : shortest * COUNT);
  if (seconds === undefined) {
    throw new Mistake(
      `alarms: the interval of ${connection} is unknown because its schedules are cron(…); set lateAfter (-c late-after=HOURS)`,
    );
  }
  if (seconds > LONGEST) {
    throw new Mistake(
      `alarms: a scan of ${connection} would be late after ${seconds / DAY} days, and CloudWatch looks back 7 at most; scan more often, or set lateAfter (-c late-after=HOURS)`,
    );
  }
  return windowsOf(seconds);
}

/** Alarm periods that cover at least these seconds. */
function windowsOf(seconds: number): Windows {
  const least = Math.max(Math.ceil(seconds / COUNT), SHORTEST.toSeconds());
  if (least * COUNT <= DAY) return { period: Duration.seconds(Math.ceil(least / 60) * 60), count: COUNT };
  const period = Math.ceil(least / HOUR) * HOUR;
  return { period: Duration.seconds(period), count: Math.max(1, Math.min(COUNT, Math.floor(LONGEST / period))) };
}
