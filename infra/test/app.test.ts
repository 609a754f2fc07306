// The app as it is run: by the CDK's command line, with settings of -c.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { readSettings, removesAll, SETTINGS } from "../lib/app/settings.ts";
import { connectionToml, writeFolder } from "./support/connections.ts";
import { temporaryFolder } from "./support/folder.ts";
import { type Site, site } from "./support/site.ts";

const INFRA = fileURLToPath(new URL("..", import.meta.url));

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `cdk synth` without credentials and region in the environment. */
function cdkSynth(at: Site, settings: Readonly<Record<string, string>>): Run {
  const own = Object.entries({ config: at.config, artefacts: at.artefacts, ...settings });
  const context = own.flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  const program = path.join(INFRA, "node_modules", ".bin", "cdk");
  const without = { AWS_ACCESS_KEY_ID: undefined, AWS_PROFILE: undefined, AWS_CONFIG_FILE: "/dev/null", AWS_EC2_METADATA_DISABLED: "true" };
  return spawnSync(program, ["synth", "--quiet", "--no-notices", "-o", path.join(at.folder, "out"), ...context], {
    cwd: INFRA,
    encoding: "utf8",
    env: { ...process.env, ...without },
  });
}

/** The app, as the command line runs it. */
function app(context: Readonly<Record<string, unknown>>): Run {
  return spawnSync(process.execPath, ["--no-warnings", "--import", "tsx", "bin/app.ts"], {
    cwd: INFRA,
    encoding: "utf8",
    env: { ...process.env, CDK_CONTEXT_JSON: JSON.stringify(context) },
  });
}

test("from a connection file to a template, without an account", () => {
  const at = site({ "corp.toml": connectionToml(), "lab.toml": connectionToml("lab") });
  const run = cdkSynth(at, { name: "hr", "incremental.lab": "rate(10 minutes)", "existing-secrets": "all" });
  assert.equal(run.status, 0, run.stderr);
  const template = fs.readFileSync(path.join(at.folder, "out", "hr.template.json"), "utf8");
  const { Resources } = JSON.parse(template) as { Resources: Record<string, { Type: string; Properties: Record<string, string> }> };
  const schedules = Object.values(Resources)
    .filter(({ Type }) => Type === "AWS::Scheduler::Schedule")
    .map(({ Properties }) => `${Properties["Name"]}: ${Properties["ScheduleExpression"]}`);
  assert.deepEqual(schedules.sort(), [
    "corp-auto: rate(1 minute)",
    "corp-full: cron(15 2 * * ? *)",
    "lab-auto: rate(10 minutes)",
    "lab-full: cron(15 2 * * ? *)",
  ]);
});

test("a mistake is reported in one sentence and a non-zero exit code", () => {
  for (const [context, expect] of [
    [{ config: "/none", confg: "x" }, "unknown setting confg (-c confg=…); did you mean config?"],
    [{ config: "/none" }, "config: there is no file or folder /none; name a connection's TOML file or a folder of them"],
  ] as const) {
    const run = app(context);
    assert.equal(run.stderr, `error: ${expect}\n`);
    assert.equal(run.status, 1);
  }
});

test("each setting has an effect", () => {
  const settingsFile = path.join(writeFolder(temporaryFolder(), { "corp.settings.json": '{"timezone": "UTC"}' }), "corp.settings.json");
  const values: Record<keyof typeof SETTINGS, string> = {
    settings: settingsFile,
    config: "c",
    name: "n",
    artefacts: "a",
    architecture: "arm64",
    incremental: "off",
    full: "off",
    timezone: "Europe/Berlin",
    "existing-secrets": "x, y",
    "check-secrets": "true",
    "secret-keys": "k",
    vpc: "v",
    subnets: "s,t",
    "security-groups": "g",
    "directory-cidr": "10.0.0.0/8",
    "scan-memory": "512",
    "provision-memory": "128",
    log: "debug",
    "log-days": "30",
    "alarm-email": "it@corp.example",
    "late-after": "30",
    "users-failing": "0",
    provisioner: "p",
    "remove-all": "true",
  };
  const { alarms, ...read } = readSettings({ ...values, "full.corp": "rate(1 day)" });
  assert.equal(alarms?.lateAfter?.toHours(), 30);
  assert.deepEqual({ email: alarms?.email, usersFailing: alarms?.usersFailing }, { email: "it@corp.example", usersFailing: 0 });
  assert.deepEqual(read, {
    config: "c",
    name: "n",
    artefacts: "a",
    architecture: "arm64",
    schedules: { incremental: "off", full: "off", timezone: "Europe/Berlin" },
    schedulesByConnection: { corp: { full: "rate(1 day)" } },
    secrets: { existing: ["x", "y"], check: true, keys: ["k"] },
    network: { vpcId: "v", subnetIds: ["s", "t"], securityGroupIds: ["g"], directoryCidr: "10.0.0.0/8" },
    scan: { memoryMb: 512, log: "debug" },
    provision: { memoryMb: 128, log: "debug" },
    logRetention: 30,
    provisioner: "p",
  });
});

test("an invalid setting is reported", () => {
  for (const [setting, value, expect] of [
    ["architecture", "sparc", 'setting architecture: "sparc" is neither arm64 nor x86_64'],
    ["check-secrets", "yes", 'setting check-secrets: "yes" is neither true nor false'],
    ["scan-memory", "1 GB", 'setting scan-memory: "1 GB" is not a whole number from 1 on'],
    ["log-days", "31", "setting log-days: CloudWatch keeps logs for 1, 3, 5, 7, "],
    ["subnets", "subnet-1", "vpc is missing: subnets, security-groups and directory-cidr need a VPC"],
    ["incrementl.corp", "off", "unknown setting incrementl.corp (-c incrementl.corp=…); did you mean incremental?"],
  ] as const) {
    assert.throws(() => readSettings({ config: "c", [setting]: value }), (error: Error) => {
      assert.ok(error.message.startsWith(expect), error.message);
      return true;
    });
  }
});

test("a settings file is read, checked and overridden", () => {
  const folder = writeFolder(temporaryFolder(), {
    "corp.json": '{"config": "c", "vpc": "vpc-1", "subnets": "subnet-1", "directory-cidr": "10.0.0.0/8", "full.corp": "off", "remove-all": true}',
    "typo.json": '{"confg": "c"}',
    "list.json": "[]",
    "bad.json": "{",
    "nested.json": '{"settings": "corp.json"}',
  });
  const at = (name: string): string => path.join(folder, name);
  const read = readSettings({ settings: at("corp.json"), vpc: "vpc-2" });
  assert.deepEqual(read.network, { vpcId: "vpc-2", subnetIds: ["subnet-1"], directoryCidr: "10.0.0.0/8" });
  assert.deepEqual([read.config, read.schedulesByConnection], ["c", { corp: { full: "off" } }]);
  assert.equal(removesAll({ settings: at("corp.json") }), true);
  for (const [name, expect] of [
    ["typo.json", /typo\.json: unknown setting confg .*; did you mean config\?$/],
    ["list.json", /list\.json must hold one JSON object/],
    ["bad.json", /bad\.json is not JSON: /],
    ["nested.json", /nested\.json must not name another settings file/],
    ["none.json", /there is no file .*none\.json/],
  ] as const) {
    assert.throws(() => readSettings({ settings: at(name) }), expect);
  }
});

test("without a configuration the stack is listed, and neither synthesised nor deployed", () => {
  const program = path.join(INFRA, "node_modules", ".bin", "cdk");
  const cdk = (...words: string[]): Run =>
    spawnSync(program, [...words, "--no-notices", "-o", temporaryFolder()], { cwd: INFRA, encoding: "utf8" });
  const listed = cdk("ls");
  assert.deepEqual([listed.status, listed.stdout.trim()], [0, "provisioner"], listed.stderr);
  const synthesised = cdk("synth");
  assert.notEqual(synthesised.status, 0);
  assert.match(`${synthesised.stderr}${synthesised.stdout}`, /config is missing; name a connection's TOML file/);
});

test("messages of the CDK are not changed", () => {
  readSettings({ config: "c", "aws:cdk:bundling-stacks": ["**"], "@aws-cdk/core:target-partitions": ["aws"], "cli:x": 1 });
});

test("the README lists every setting", () => {
  const readme = fs.readFileSync(path.join(INFRA, "README.md"), "utf8");
  for (const [setting, meaning] of Object.entries(SETTINGS)) {
    assert.ok(readme.includes(`| \`${setting}\` | ${meaning} |`), `README.md: | \`${setting}\` | ${meaning} |`);
  }
});
