// The app as it is run: by the CDK's command line, with settings of -c.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { App, RemovalPolicy } from "aws-cdk-lib";

import { ProvisionerStack } from "../lib/app/stack.ts";
import { readSettings, SETTINGS } from "../lib/app/settings.ts";
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
  const without = { AWS_ACCESS_KEY_ID: undefined, AWS_PROFILE: undefined, AWS_CONFIG_FILE: "/dev/null", AWS_EC2_METADATA_DISABLED: "true", CDK_VALIDATION: "true" };
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
    "vpc-endpoints": "true",
    "route-tables": "r",
    "fixed-egress": "true",
    "https-proxy": "http://proxy.corp.example:3128",
    observe: "true",
    "users-per-invocation": "5",
    tracing: "true",
    "runbook-url": "https://wiki.corp.example/runbook",
    tags: "team=identity, cost-centre=42",
    "permissions-boundary": "Boundary",
    "role-path": "/provisioner/",
    qualifier: "corp",
    table: "restored",
  };
  const { props, network, table, stack } = readSettings({ ...values, "full.corp": "rate(1 day)" });
  const { alarms, ...read } = props;
  assert.equal(alarms?.lateAfter?.toHours(), 30);
  assert.deepEqual(
    { ...alarms, lateAfter: undefined },
    { email: "it@corp.example", lateAfter: undefined, usersFailing: 0, runbookUrl: "https://wiki.corp.example/runbook" },
  );
  assert.deepEqual(network, { vpcId: "v", subnetIds: ["s", "t"], routeTableIds: ["r"], securityGroupIds: ["g"], directoryCidrs: ["10.0.0.0/8"] });
  assert.equal(table, "restored");
  assert.deepEqual(stack, { tags: { team: "identity", "cost-centre": "42" }, permissionsBoundary: "Boundary", qualifier: "corp" });
  assert.deepEqual(read, {
    config: "c",
    name: "n",
    artefacts: "a",
    architecture: "arm64",
    schedules: { incremental: "off", full: "off", timezone: "Europe/Berlin" },
    schedulesByConnection: { corp: { full: "rate(1 day)" } },
    secrets: { existing: ["x", "y"], check: true, keys: ["k"] },
    vpcEndpoints: true,
    fixedEgress: true,
    httpsProxy: "http://proxy.corp.example:3128",
    observe: true,
    usersPerInvocation: 5,
    tracing: true,
    rolePath: "/provisioner/",
    scan: { memorySize: 512, log: "debug" },
    provision: { memorySize: 128, log: "debug" },
    logRetention: 30,
    provisioner: "p",
    removalPolicy: RemovalPolicy.DESTROY,
  });
});

test("an invalid setting is reported", () => {
  for (const [setting, value, expect] of [
    ["architecture", "sparc", 'setting architecture: "sparc" is neither arm64 nor x86_64'],
    ["check-secrets", "yes", 'setting check-secrets: "yes" is neither true nor false'],
    ["scan-memory", "1 GB", 'setting scan-memory: "1 GB" is not a whole number from 1 on'],
    ["log-days", "31", "setting log-days: CloudWatch keeps logs for 1, 3, 5, 7, "],
    ["subnets", "subnet-1", "vpc is missing: subnets needs a VPC (-c vpc=vpc-…)"],
    ["vpc-endpoints", "true", "vpc is missing: vpc-endpoints needs a VPC"],
    ["vpc", "vpc-1", "subnets: no subnets of vpc-1 are named"],
    ["tags", "identity", 'setting tags: "identity" is not KEY=VALUE'],
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
  assert.deepEqual([read.network?.vpcId, read.network?.subnetIds, read.network?.directoryCidrs], ["vpc-2", ["subnet-1"], ["10.0.0.0/8"]]);
  assert.deepEqual([read.props.config, read.props.schedulesByConnection], ["c", { corp: { full: "off" } }]);
  assert.equal(read.props.removalPolicy, RemovalPolicy.DESTROY);
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

test("a network by ids that can't be meant is reported", () => {
  const network = { config: "c", vpc: "vpc-1", subnets: "subnet-1,subnet-2" };
  assert.throws(() => readSettings({ ...network, "directory-cidr": "10.0.0.0" }), /setting directory-cidr: "10\.0\.0\.0" is no IPv4 address range/);
  assert.throws(() => readSettings({ ...network, "route-tables": "a,b,c" }), /route-tables: 3 are named for 2 subnets; name one for all/);
});

test("tags, permissions boundary, role path and qualifier reach the template", () => {
  const at = site();
  const settings = { tags: "team=identity", "permissions-boundary": "Boundary", "role-path": "/provisioner/", qualifier: "corpq" };
  const outdir = path.join(at.folder, "out");
  const app = new App({ outdir, context: { config: at.config, artefacts: at.artefacts, ...settings }, analyticsReporting: false });
  new ProvisionerStack(app);
  const { template, tags } = app.synth().getStackByName("provisioner");
  const resources = Object.values((template as { Resources: Record<string, { Type: string; Properties: Record<string, unknown> }> }).Resources);
  const roles = resources.filter(({ Type }) => Type === "AWS::IAM::Role");
  assert.equal(roles.length, 3);
  for (const { Properties } of roles) {
    assert.equal(Properties["Path"], "/provisioner/");
    assert.match(JSON.stringify(Properties["PermissionsBoundary"]), /:policy\/Boundary"/);
  }
  // CloudFormation passes the tags of the stack on to its resources.
  assert.deepEqual(tags, { team: "identity" });
  assert.match(JSON.stringify(template), /\/cdk-bootstrap\/corpq\/version/);
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
