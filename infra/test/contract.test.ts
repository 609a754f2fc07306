// Names that the functions read and names that are deployed exist twice, in Rust and here. These tests compare them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";

import { BINARIES, ENVIRONMENT, METRICS, TABLE } from "../lib/contract.ts";
import { constants, projectFile, rustSources } from "./support/rust.ts";
import { connectionToml } from "./support/connections.ts";
import { site, template } from "./support/site.ts";

const synthesised = template();

test("the environment variables are those that the functions read", () => {
  const read = constants("shared/runtime/src/environment.rs");
  for (const [constant, name] of Object.entries(ENVIRONMENT)) {
    assert.equal(read.get(constant), name, `environment.rs: ${constant}`);
  }
});

test("each function gets the variables that it needs, and no others", () => {
  const variables = (binary: string): unknown => {
    const functions = synthesised.findResources("AWS::Lambda::Function", {
      Properties: { FunctionName: `provisioner-${binary}` },
    });
    const [found] = Object.values(functions);
    return Object.keys(found?.["Properties"].Environment.Variables).sort();
  };
  const common = [ENVIRONMENT.CONFIG, ENVIRONMENT.DEPLOYMENT, ENVIRONMENT.QUEUE_URL_PREFIX, ENVIRONMENT.TABLE];
  assert.deepEqual(variables("scan"), [...common, ENVIRONMENT.PROVISION_FUNCTION].sort());
  assert.deepEqual(variables("provision"), [...common, ENVIRONMENT.DEAD_LETTER_ARN_PREFIX].sort());
});

test("the functions complete prefixes and names to the queues and the function that exist", () => {
  const two = template({ name: "hr" }, site({ "a.toml": connectionToml("a"), "b.toml": connectionToml("b-2") }));
  const [scan, provision] = ["hr-scan", "hr-provision"].map((FunctionName) => {
    const [found] = Object.values(two.findResources("AWS::Lambda::Function", { Properties: { FunctionName } }));
    return found?.["Properties"].Environment.Variables as Record<string, unknown>;
  });
  // The last part of an URL or ARN is text; what comes before is a reference to account and region.
  const ending = (value: unknown): string => JSON.stringify(value).replace(/^.*[/:]([^"]*)"\]\]\}$/, "$1");
  const names = Object.values(two.findResources("AWS::SQS::Queue")).map(({ Properties }) => Properties.QueueName as string | undefined);
  for (const connection of ["a", "b-2"]) {
    for (const variables of [scan, provision]) assert.ok(names.includes(`${ending(variables?.[ENVIRONMENT.QUEUE_URL_PREFIX])}${connection}`));
    assert.ok(names.includes(`${ending(provision?.[ENVIRONMENT.DEAD_LETTER_ARN_PREFIX])}${connection}`));
  }
  assert.equal(scan?.[ENVIRONMENT.PROVISION_FUNCTION], "hr-provision");
  // This is how Rust completes them.
  assert.match(projectFile("shared/runtime/src/deployed.rs"), /format!\("\{\}\{\}", self\.queue_url_prefix, connection\.name\)/);
  assert.match(projectFile("functions/provision/src/batch.rs"), /arn\.starts_with\(&self\.dead_letter_arn_prefix\)/);
});

test("the table's keys, indexes and expiry are those of the store", () => {
  const keys = constants("shared/store/src/keys.rs");
  for (const [constant, name] of Object.entries(TABLE)) {
    assert.equal(keys.get(constant), name, `keys.rs: ${constant}`);
  }
  const text = (AttributeName: string): object => ({ AttributeName, AttributeType: "S" });
  const hash = (AttributeName: string): object => ({ AttributeName, KeyType: "HASH" });
  const range = (AttributeName: string): object => ({ AttributeName, KeyType: "RANGE" });
  const Projection = { ProjectionType: "KEYS_ONLY" };
  synthesised.hasResourceProperties("AWS::DynamoDB::Table", {
    KeySchema: [hash("PK"), range("SK")],
    AttributeDefinitions: Match.arrayWith([text("PK"), text("SK"), text("work_pk"), text("work_sk"), text("dn_pk")]),
    GlobalSecondaryIndexes: [
      { IndexName: "by_work", KeySchema: [hash("work_pk"), range("work_sk")], Projection },
      { IndexName: "by_dn", KeySchema: [hash("dn_pk")], Projection },
    ],
    TimeToLiveSpecification: { AttributeName: "expires_at", Enabled: true },
  });
});

test("the store makes the same indexes where it makes the table itself", () => {
  const table = projectFile("shared/store/src/table.rs");
  assert.match(table, /index\(WORK_INDEX, WORK_PK, Some\(WORK_SK\)\)/);
  assert.match(table, /index\(DN_INDEX, DN_PK, None\)/);
  assert.match(table, /ProjectionType::KeysOnly/);
  assert.equal(table.match(/\.global_secondary_indexes\(/g)?.length, 2);
});

test("the packages have the names of their binaries", () => {
  for (const binary of BINARIES) {
    assert.match(projectFile(`functions/${binary}/Cargo.toml`), new RegExp(`^\\[package\\]\\nname = "${binary}-function"$`, "m"));
  }
});

test("the metrics are those that the functions emit", () => {
  const source = projectFile("shared/runtime/src/metrics.rs");
  const read = constants("shared/runtime/src/metrics.rs");
  assert.equal(read.get("NAMESPACE"), METRICS.namespace);
  assert.equal(read.get("CONNECTION"), METRICS.dimensions.connection);
  assert.equal(read.get("DEPLOYMENT"), METRICS.dimensions.deployment);
  const emitted = [...source.matchAll(/^\s{8}([A-Z]\w+),$/gm)].map((match) => match[1]);
  assert.deepEqual(emitted.sort(), [...METRICS.counts, ...METRICS.samples].sort());
});

test("a schedule's event has only keys that the scan function reads", () => {
  const source = projectFile("functions/scan/src/event.rs");
  const [, fields = ""] = /struct ScanEvent \{([^}]*)\}/.exec(source) ?? [];
  const known = [...fields.matchAll(/^\s+pub (\w+):/gm)].map((match) => match[1]);
  const modes = rustSources("shared/scan/src");
  for (const schedule of Object.values(synthesised.findResources("AWS::Scheduler::Schedule"))) {
    const event = JSON.parse(schedule["Properties"].Target.Input) as Record<string, unknown>;
    for (const key of Object.keys(event)) assert.ok(known.includes(key), `the scan knows no ${key}: ${known.join(", ")}`);
    assert.match(modes, new RegExp(`\\b${String(event["mode"])[0]?.toUpperCase()}${String(event["mode"]).slice(1)},`));
  }
});
