// The prices in README.md: the arithmetic, and the quantities of the templates.
import assert from "node:assert/strict";
import { test } from "node:test";

import { METRICS } from "../lib/contract.ts";
import { INTERFACE_SERVICES } from "../lib/network.ts";
import { projectFile } from "./support/rust.ts";
import { EVERYTHING, NETWORK, template } from "./support/site.ts";

const HOURS = 730;
const readme = projectFile("infra/README.md");

interface Row {
  readonly part: string;
  readonly quantity: number;
  readonly price: number;
  readonly month: number;
}

/** Rows of the table with this heading; `together` rows have no quantity. */
function rows(heading: string): Row[] {
  const [, table = ""] = new RegExp(`^\\| part \\| quantity \\| ${heading} \\| a month \\|\\n\\|.*\\n((?:\\|.*\\n)+)`, "m").exec(readme) ?? [];
  const number = (text = ""): number => Number(text.replace("$", "").trim());
  return table.trim().split("\n").map((line) => {
    const [part = "", quantity, price, month] = line.split("|").slice(1).map((cell) => cell.trim());
    return { part, quantity: number(quantity), price: number(price), month: number(month) };
  });
}

/** Each month is quantity times price, and each sum that of the rows since the last one. */
function assertArithmetic(table: readonly Row[], factor: number): void {
  assert.ok(table.length > 3);
  let sum = 0;
  for (const { part, quantity, price, month } of table) {
    if (part.endsWith("together")) {
      assert.equal(month.toFixed(2), sum.toFixed(2), part);
      sum = 0;
    } else {
      assert.equal(month.toFixed(2), (quantity * price * factor).toFixed(2), part);
      sum += month;
    }
  }
  assert.equal(sum, 0, "the last row is a sum");
}

const quantity = (table: readonly Row[], part: RegExp): number | undefined => table.find((row) => part.test(row.part))?.quantity;

test("the prices of a network are those of what is created", () => {
  const table = rows("price an hour");
  assertArithmetic(table, HOURS);
  const all = template(EVERYTHING);
  const endpoints = Object.values(all.findResources("AWS::EC2::VPCEndpoint", { Properties: { VpcEndpointType: "Interface" } }));
  assert.equal(endpoints.length, INTERFACE_SERVICES.length);
  assert.equal(quantity(table, /^interface endpoints/), endpoints.length * NETWORK.subnetIds.length);
  assert.equal(quantity(table, /^NAT gateways/), Object.keys(all.findResources("AWS::EC2::NatGateway")).length);
  assert.equal(quantity(table, /^public IPv4/), Object.keys(all.findResources("AWS::EC2::EIP")).length);
});

test("the fixed prices are those of what is created", () => {
  const table = rows("price");
  assertArithmetic(table, 1);
  const plain = template();
  const count = (type: string): number => Object.keys(plain.findResources(type)).length;
  const watched = Object.values(plain.findResources("AWS::CloudWatch::Alarm")).map(({ Properties }) =>
    Properties.Metrics === undefined ? 1 : (Properties.Metrics as object[]).filter((metric) => "MetricStat" in metric).length,
  );
  assert.equal(quantity(table, /^KMS/), count("AWS::KMS::Key"));
  assert.equal(quantity(table, /^dashboard/), count("AWS::CloudWatch::Dashboard"));
  assert.equal(quantity(table, /^metrics of alarms/), watched.reduce((a, b) => a + b));
  assert.equal(quantity(table, /^custom metrics/), METRICS.counts.length + METRICS.samples.length);
  assert.equal(quantity(table, /^secrets/), count("AWS::SecretsManager::Secret"));
});
