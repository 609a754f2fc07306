// The template as a whole: what it was, what cdk-nag and cfn-lint think of it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { test } from "node:test";
import { Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks, ServerlessChecks } from "cdk-nag";
import type { IConstruct } from "constructs";

import { assertSnapshot } from "./support/compare.ts";
import { site, synthesise, type Synthesised } from "./support/site.ts";
import { pythonTool } from "./support/tools.ts";

const NETWORK = { vpcId: "vpc-0123456789abcdef0", subnetIds: ["subnet-0123456789abcdef0"] };

test("the template is the one that was looked at", () => {
  const { app, stack } = synthesise();
  const { template } = app.synth().getStackByName(stack.stackName) as { template: unknown };
  // What is in the assets is tested elsewhere; here their hashes would change with every word in them.
  const text = JSON.stringify(template, null, 2).replaceAll(/[0-9a-f]{64}/g, "HASH");
  assertSnapshot("provisioner.template.json", `${text}\n`);
});

/** What the two packs that fit serverless applications ask, by rule and construct. */
function questions({ app, stack }: Synthesised, withAnswers: boolean): string[] {
  return [AwsSolutionsChecks, ServerlessChecks].flatMap((Pack) => {
    const pack = new Pack(app);
    if (!withAnswers) Object.assign(pack, { isAcknowledged: () => false });
    return pack
      .validateScope(stack)
      .violations.flatMap(({ ruleName, violatingResources }) =>
        violatingResources.map(({ constructPath }) => `${ruleName} ${constructPath}`),
      );
  });
}

/** The answers that are given in the construct tree. */
function answers(from: IConstruct): { id: string; path: string; reason: string }[] {
  const own = from.node.metadata
    .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
    .flatMap(({ data }) => Object.entries(data as Record<string, string>))
    .map(([id, reason]) => ({ id: id.replace(/^annotation::/i, ""), path: from.node.path, reason }));
  return [...own, ...from.node.children.flatMap(answers)];
}

test("cdk-nag has no question that isn't answered", () => {
  for (const network of [undefined, NETWORK]) {
    assert.deepEqual(questions(synthesise({ network }), true), []);
  }
});

test("every answer has a question, and a reason", () => {
  const synthesised = synthesise();
  const asked = questions(synthesised, false);
  const given = answers(synthesised.stack);
  assert.ok(given.length > 0);
  for (const { id, path, reason } of given) {
    const isAsked = asked.some((question) => question.startsWith(`${id} ${path}`));
    assert.ok(isAsked, `${path}: the acknowledgement ${id} has no finding`);
    assert.ok(reason.length > 30, `${id} of ${path}: ${reason}`);
  }
});

test("cfn-lint has nothing to say", () => {
  for (const network of [undefined, NETWORK]) {
    const { app, stack } = synthesise({ network, alarms: { email: "it@corp.example" } }, site());
    const { templateFullPath } = app.synth().getStackByName(stack.stackName);
    const run = spawnSync(pythonTool("cfn-lint"), [templateFullPath, "--regions", "eu-west-1", "us-east-1"], { encoding: "utf8" });
    assert.equal(run.error, undefined);
    assert.equal(`${run.stdout}${run.stderr}`, "");
    assert.equal(run.status, 0);
    assert.ok(fs.statSync(templateFullPath).size < 1_000_000, "CloudFormation takes no template over 1 MB");
  }
});
