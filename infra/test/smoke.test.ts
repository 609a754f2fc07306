// `infra/smoke` with a stand-in for the AWS command line interface, which checks each call against AWS's service model.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { connectionToml, writeFolder } from "./support/connections.ts";
import { temporaryFolder } from "./support/folder.ts";
import { projectFile } from "./support/rust.ts";
import { site, template } from "./support/site.ts";
import { pythonTool } from "./support/tools.ts";

const SMOKE = fileURLToPath(new URL("../smoke", import.meta.url));
const AWS = fileURLToPath(new URL("support/aws.py", import.meta.url));

type Answers = Record<string, unknown>;

/** The outputs of a real template, with the logical id in place of each value. */
const OUTPUTS = Object.entries(
  template({ name: "hr" }, site({ "corp.toml": connectionToml("corp"), "lab.toml": connectionToml("lab-2") })).findOutputs("*"),
).map(([OutputKey, { Description }]) => ({ OutputKey, OutputValue: OutputKey.replace(/[0-9A-F]{8}$/, ""), Description: Description as string }));

const attributes = (waiting = 0, inFlight = 0): object => ({
  Attributes: {
    ApproximateNumberOfMessages: String(waiting),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: "0",
  },
});
const HEALTHY: Answers = {
  "cloudformation describe-stacks": { Stacks: [{ Outputs: OUTPUTS }] },
  "lambda get-function-configuration": { State: "Active", LastUpdateStatus: "Successful", LastModified: "2026-03-01T06:00:00.000+0000", CodeSha256: "47DEQpj8HBSa+/Tim" },
  "sqs get-queue-attributes": attributes(),
  "cloudwatch describe-alarms": {
    MetricAlarms: [
      { AlarmName: "hr-corp-breaker-open", StateValue: "OK" },
      { AlarmName: "hr-corp-scan-late", StateValue: "INSUFFICIENT_DATA" },
    ],
  },
  "lambda invoke": { StatusCode: 200, Payload: { read: 312, created: 2, skipped: 310, complete: true } },
};

function smoke(answers: Answers, ...args: string[]): { status: number | null; lines: string[]; stderr: string; calls: string } {
  const folder = temporaryFolder();
  writeFolder(folder, {
    "answers.json": JSON.stringify({ ...HEALTHY, ...answers }),
    "bin/aws": `#!/bin/sh\nexec '${pythonTool("python")}' '${AWS}' "$@"\n`,
  });
  fs.chmodSync(path.join(folder, "bin", "aws"), 0o755);
  const env = { ...process.env, STAND_IN: folder, PATH: `${path.join(folder, "bin")}:${process.env["PATH"]}` };
  const { status, stdout, stderr } = spawnSync(pythonTool("python"), [SMOKE, ...args], { encoding: "utf8", env });
  const calls = path.join(folder, "calls");
  return { status, lines: stdout.trim().split("\n"), stderr, calls: fs.existsSync(calls) ? fs.readFileSync(calls, "utf8") : "" };
}

const line = (lines: readonly string[], part: string): string => lines.find((text) => text.slice(5).startsWith(part)) ?? assert.fail(lines.join("\n"));

test("a healthy deployment is one screen, exit code 0, and nothing is written", () => {
  const { status, lines, stderr, calls } = smoke({}, "hr");
  assert.deepEqual([status, stderr], [0, ""]);
  assert.ok(lines.length <= 24);
  for (const text of lines.slice(0, -1)) assert.match(text, /^ok   /);
  assert.match(line(lines, "hr-scan"), /Active, update Successful, deployed 2026-03-01T06:00, code 47DEQpj8HBSa/);
  assert.match(line(lines, "queues lab-2"), /0 requests wait, 0 are in progress or delayed, 0 dead letters/);
  assert.match(line(lines, "alarms"), /2 alarms, 0 on; without data: corp-scan-late/);
  assert.match(line(lines, "dry run corp"), /read 312, created 2, updated 0, deprovisioned 0, held 0, .*skipped 310, .*failed 0/);
  assert.equal(lines.at(-1), "all checks passed");
  // Every invocation is a dry run.
  const payloads = calls.split("\n").filter((call) => call.includes('"invoke"')).map((call) => JSON.parse(call).params.Payload as string);
  assert.deepEqual(payloads.map((text) => JSON.parse(text) as object), ["corp", "lab-2"].map((connection) => ({ connection, mode: "full", dry_run: true })));
});

test("each check can fail, and the others still run", () => {
  const runs: [Answers, Record<string, RegExp>][] = [
    [
      {
        "lambda get-function-configuration hr-provision": { State: "Failed", LastUpdateStatus: "Failed", LastModified: "x", CodeSha256: "x" },
        "sqs get-queue-attributes ProvisionerDeadLettersUrlcorp": attributes(3),
        "sqs get-queue-attributes ProvisionerMissedScansUrl": attributes(1),
        "cloudwatch describe-alarms": { MetricAlarms: [{ AlarmName: "hr-scan-failing", StateValue: "ALARM" }] },
        "lambda invoke": { FunctionError: "Unhandled", Payload: { errorMessage: "the secret corp/directory is empty" } },
      },
      {
        "hr-provision": /Failed, update Failed/,
        "queues corp": /3 dead letters/,
        "missed scans": /1$/,
        alarms: /1 alarms, 1 on: hr-scan-failing/,
        "dry run corp": /the secret corp\/directory is empty/,
      },
    ],
    [
      {
        "cloudwatch describe-alarms": { MetricAlarms: [] },
        "lambda invoke": { Payload: { read: 5, complete: false, incomplete: "size limit" } },
        "sqs get-queue-attributes ProvisionerRequestsUrlcorp": { error: "AccessDenied" },
      },
      {
        "queues corp": /aws sqs get-queue-attributes: aws: AccessDenied/,
        alarms: /0 alarms/,
        "dry run corp": /read 5, .*incomplete: size limit/,
      },
    ],
  ];
  for (const [answers, failing] of runs) {
    const { status, lines } = smoke(answers, "hr", "corp");
    assert.equal(status, 1, lines.join("\n"));
    assert.equal(lines.length, 7, lines.join("\n"));
    for (const [part, expect] of Object.entries(failing)) assert.match(line(lines, part), expect);
    const failed = lines.filter((text) => text.startsWith("FAIL"));
    assert.deepEqual(failed.map((text) => text.slice(5, 30).trim()), Object.keys(failing));
    assert.equal(lines.at(-1), `${failed.length} checks failed`);
  }
});

test("a deployment or a connection that does not exist is reported with exit code 2", () => {
  const missing = smoke({ "cloudformation describe-stacks": { error: "Stack with id hr does not exist" } }, "hr");
  assert.deepEqual([missing.status, missing.stderr], [2, "error: the stack hr can't be read: aws cloudformation describe-stacks: aws: Stack with id hr does not exist\n"]);
  const other = smoke({}, "hr", "crop");
  assert.deepEqual([other.status, other.stderr], [2, "error: the stack hr has no connection crop; there are: corp, lab-2\n"]);
  assert.equal(smoke({}).status, 2);
});

test("the numbers of the dry run are those of a scan's answer", () => {
  const summary = projectFile("shared/scan/src/summary.rs");
  const [, names = ""] = /numbers = \((.*)\)/.exec(projectFile("infra/smoke")) ?? [];
  const numbers = [...names.matchAll(/"(\w+)"/g)].map((match) => match[1]);
  assert.ok(numbers.length > 5);
  for (const name of [...numbers, "complete", "incomplete"]) assert.match(summary, new RegExp(`^    pub ${name}: `, "m"));
});
