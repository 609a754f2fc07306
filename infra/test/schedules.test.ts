import assert from "node:assert/strict";
import { test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";

import { parseSchedule } from "../lib/schedules/expression.ts";
import { connectionToml } from "./support/connections.ts";
import { site, template } from "./support/site.ts";

const two = (): ReturnType<typeof site> => site({ "corp.toml": connectionToml("corp"), "lab.toml": connectionToml("lab") });

test("default schedules: incremental every minute, full every night", () => {
  const synthesised = template({}, two());
  synthesised.resourceCountIs("AWS::Scheduler::Schedule", 4);
  for (const connection of ["corp", "lab"]) {
    const target = (mode: string, age: number): object => ({
      Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("Scan"), "Arn"] },
      Input: JSON.stringify({ connection, mode, dry_run: false, user: null }),
      RetryPolicy: { MaximumEventAgeInSeconds: age, MaximumRetryAttempts: Match.anyValue() },
      DeadLetterConfig: { Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("MissedScans"), "Arn"] } },
    });
    synthesised.hasResourceProperties("AWS::Scheduler::Schedule", {
      Name: `${connection}-auto`,
      ScheduleExpression: "rate(1 minute)",
      State: "ENABLED",
      // A start that is a minute late is the next one's.
      Target: target("auto", 60),
    });
    synthesised.hasResourceProperties("AWS::Scheduler::Schedule", {
      Name: `${connection}-full`,
      ScheduleExpression: "cron(15 2 * * ? *)",
      ScheduleExpressionTimezone: "UTC",
      FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 15 },
      Target: target("full", 21_600),
    });
  }
});

test("schedules are chosen for all and for one", () => {
  const synthesised = template(
    {
      schedules: { incremental: "rate(5 minutes)", timezone: "Europe/Berlin" },
      schedulesByConnection: { lab: { incremental: "off", full: "rate(1 day)" } },
    },
    two(),
  );
  const found = Object.values(synthesised.findResources("AWS::Scheduler::Schedule")).map(({ Properties }) => [
    Properties.Name,
    Properties.ScheduleExpression,
    Properties.ScheduleExpressionTimezone,
  ]);
  assert.deepEqual(found.sort(), [
    ["corp-auto", "rate(5 minutes)", "Europe/Berlin"],
    ["corp-full", "cron(15 2 * * ? *)", "Europe/Berlin"],
    ["lab-full", "rate(1 day)", "Europe/Berlin"],
  ]);
});

test("a schedule without room for its name gets a generated one", () => {
  const long = "a".repeat(64);
  const synthesised = template({ name: "hr" }, site({ "long.toml": connectionToml(long) }));
  synthesised.allResourcesProperties("AWS::Scheduler::Schedule", { Name: Match.absent() });
});

test("schedule expressions that EventBridge Scheduler accepts are accepted", () => {
  for (const [text, minutes] of [
    ["rate(1 minute)", 1],
    ["rate(90 minutes)", 90],
    ["rate(2 hours)", 120],
    [" rate(1 day) ", 1440],
  ] as const) {
    assert.equal(parseSchedule("x", text).interval?.toMinutes(), minutes, text);
  }
  for (const text of [
    "cron(15 2 * * ? *)",
    "cron(0/15 8-18 ? * MON-FRI *)",
    "cron(0 3 L * ? 2026-2030)",
    "cron(0 3 ? JAN,JUL 6#1 *)",
    "cron(0 3 15W */2 ? *)",
  ]) {
    assert.equal(parseSchedule("x", text).interval, undefined, text);
  }
});

test("schedule expressions that EventBridge Scheduler refuses are reported", () => {
  for (const [text, expect] of [
    ["every minute", "neither rate(…) nor cron(…)"],
    ["rate(0 minutes)", "a number from 1 on"],
    ["rate(30 seconds)", "minutes, hours or days"],
    ["rate(1.5 hours)", "a number from 1 on"],
    ["at(2026-12-24T00:00:00)", "happens once"],
    ["cron(15 2 * * *)", "6 fields, and this has 5"],
    ["cron(15 2 * * * *)", "is ?"],
    ["cron(15 2 ? * ? *)", "is ?"],
    ["cron(60 2 * * ? *)", "60 can't be its minutes"],
    ["cron(0 24 * * ? *)", "24 can't be its hours"],
    ["cron(0 2 ? * FRO *)", "FRO can't be its day of the week"],
    ["cron(0 2 * 13 ? *)", "13 can't be its month"],
    ["cron(0/0 2 * * ? *)", "0/0 can't be its minutes"],
  ] as const) {
    assert.throws(() => parseSchedule("schedule full of corp", text), (error: Error) => {
      assert.ok(error.message.startsWith(`schedule full of corp: "${text}" is no schedule: `), error.message);
      assert.ok(error.message.includes(expect), `${text}: ${error.message}`);
      return true;
    });
  }
});
