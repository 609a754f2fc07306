import { Duration } from "aws-cdk-lib";

import { Mistake } from "../mistake.ts";

/** When a scan starts. */
export interface ScheduleExpression {
  /** As EventBridge Scheduler reads it. */
  readonly text: string;
  /** The time from one run to the next, where the expression says so by itself. */
  readonly interval: Duration | undefined;
}

const SHAPE = "write rate(5 minutes), rate(1 day), or six fields such as cron(15 2 * * ? *)";

/** Reads `rate(…)` or `cron(…)`. `place` names it in a message. */
export function parseSchedule(place: string, text: string): ScheduleExpression {
  const fail = (problem: string): never => {
    throw new Mistake(`${place}: "${text}" is no schedule: ${problem}; ${SHAPE}`);
  };
  const call = /^(\w+)\((.*)\)$/.exec(text.trim());
  switch (call?.[1]) {
    case "rate":
      return { text: text.trim(), interval: parseRate(call[2] ?? "", fail) };
    case "cron":
      parseCron(call[2] ?? "", fail);
      return { text: text.trim(), interval: undefined };
    case "at":
      return fail("at(…) happens once");
    default:
      return fail("it is neither rate(…) nor cron(…)");
  }
}

function parseRate(text: string, fail: (problem: string) => never): Duration {
  const parts = /^(\d+) (minute|hour|day)s?$/.exec(text.trim());
  const count = Number(parts?.[1]);
  if (parts === null || count < 1) return fail("a rate is a number from 1 on and minutes, hours or days");
  switch (parts[2]) {
    case "minute":
      return Duration.minutes(count);
    case "hour":
      return Duration.hours(count);
    default:
      return Duration.days(count);
  }
}

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  /** Names for numbers, in order from `least`. */
  readonly words?: readonly string[];
  /** Whether `?`, and what else, may stand there. */
  readonly day?: "of the month" | "of the week";
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const FIELDS: readonly Field[] = [
  { name: "minutes", least: 0, most: 59 },
  { name: "hours", least: 0, most: 23 },
  { name: "day of the month", least: 1, most: 31, day: "of the month" },
  { name: "month", least: 1, most: 12, words: MONTHS },
  { name: "day of the week", least: 1, most: 7, words: DAYS, day: "of the week" },
  { name: "year", least: 1970, most: 2199 },
];

function parseCron(text: string, fail: (problem: string) => never): void {
  const values = text.trim().split(/\s+/);
  if (values.length !== FIELDS.length) return fail(`a cron has ${FIELDS.length} fields, and this has ${values.length}`);
  FIELDS.forEach((field, at) => {
    const value = values[at] ?? "";
    if (!value.split(",").every((part) => fits(part.toUpperCase(), field))) {
      fail(`${value} can't be its ${field.name}`);
    }
  });
  const open = values.filter((value) => value === "?").length;
  if (open !== 1) return fail("exactly one of the day of the month and the day of the week is ?");
}

function fits(part: string, field: Field): boolean {
  if (part === "*") return true;
  if (part === "?") return field.day !== undefined;
  if (field.day === "of the month" && /^(L|LW|\d+W)$/.test(part)) return true;
  if (field.day === "of the week" && /^([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)?(L|#[1-5])$/.test(part)) return true;
  const [range = "", step] = part.split("/");
  if (step !== undefined && !/^[1-9]\d*$/.test(step)) return false;
  if (range === "*") return true;
  const ends = range.split("-").map((end) => toNumber(end, field));
  return ends.length <= 2 && ends.every((end) => end >= field.least && end <= field.most);
}

function toNumber(text: string, { words, least }: Field): number {
  const word = words?.indexOf(text) ?? -1;
  if (word >= 0) return word + least;
  return /^\d+$/.test(text) ? Number(text) : NaN;
}
