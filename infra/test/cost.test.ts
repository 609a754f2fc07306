import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";

import { cost, INPUTS, PRICE_LIST, PRICES, quantities, snapshotReadUnits, values } from "../cost/model.ts";
import { costPage } from "../cost/page.ts";
import { METRICS } from "../lib/contract.ts";
import { template } from "./support/site.ts";

test("cost.md is what the script computes", () => {
  const page = fs.readFileSync(new URL("../cost.md", import.meta.url), "utf8");
  assert.equal(page, costPage(), "run: npm run cost");
});

test("every number says where it comes from, and every price its source and date", () => {
  for (const [name, { basis, how }] of Object.entries(INPUTS)) {
    assert.ok(["measured", "derived", "assumed"].includes(basis), name);
    assert.ok(how.length > 10, name);
  }
  for (const [name, { source, unit }] of Object.entries(PRICES)) assert.ok(source !== "" && unit !== "", name);
  assert.match(PRICE_LIST.date, /^\d{4}-\d\d-\d\d$/);
});

test("the snapshot is read in units of 8 KB", () => {
  // 1,024 buckets of 3.2 MB together, by hand: (100,000 x 32 + 1,024 x 110) / 8,192.
  assert.equal(snapshotReadUnits(100_000, values()), 405);
  assert.equal(snapshotReadUnits(1, values()), 1);
});

test("an item costs its quantity times its price", () => {
  assert.equal(cost({ service: "", what: "", price: "tableRead", quantity: 2_000_000 }), 0.25);
  assert.equal(cost({ service: "", what: "", price: "secret", quantity: 2 }), 0.8);
});

test("more users never cost less, and every input matters", () => {
  const total = (users: number, v = values()): number => quantities(users, v).reduce((sum, item) => sum + cost(item), 0);
  assert.ok(total(1_000) < total(10_000) && total(10_000) < total(100_000) && total(100_000) < total(1_000_000));
  for (const name of Object.keys(INPUTS)) {
    const changed = { ...values(), [name]: values()[name as keyof typeof INPUTS] / 64 };
    assert.notEqual(total(1_000_000, changed), total(1_000_000), `${name} changes nothing`);
  }
});

test("what is counted is what is deployed", () => {
  const synthesised = template();
  assert.equal(INPUTS.metrics.value, METRICS.counts.length + METRICS.samples.length);
  const alarms = Object.values(synthesised.findResources("AWS::CloudWatch::Alarm"));
  const watched = alarms.map(({ Properties }) => ((Properties.Metrics as { MetricStat?: object }[] | undefined) ?? [{ MetricStat: {} }]).filter(({ MetricStat }) => MetricStat !== undefined).length);
  assert.equal(INPUTS.alarmMetrics.value, watched.reduce((sum, count) => sum + count, 0));
  for (const input of ["scanMemoryMb", "provisionMemoryMb"] as const) {
    synthesised.allResourcesProperties("AWS::Lambda::Function", { MemorySize: INPUTS[input].value });
  }
  synthesised.resourceCountIs("AWS::SecretsManager::Secret", INPUTS.secrets.value);
  synthesised.resourceCountIs("AWS::CloudWatch::Dashboard", INPUTS.dashboards.value);
});
