// The template as a whole: its snapshot, and the findings of cdk-nag and cfn-lint.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { test } from "node:test";
import { Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks, NIST80053R5Checks, ServerlessChecks } from "cdk-nag";
import type { IConstruct } from "constructs";

import { assertSnapshot } from "./support/compare.ts";
import { EVERYTHING, synthesise, type Synthesised } from "./support/site.ts";
import { pythonTool } from "./support/tools.ts";

test("the template equals its snapshot", () => {
  const { app, stack } = synthesise();
  const { template } = app.synth().getStackByName(stack.stackName) as { template: unknown };
  // The content of the assets is tested elsewhere. Their hashes would change with each of their lines.
  const text = JSON.stringify(template, null, 2).replaceAll(/[0-9a-f]{64}/g, "HASH");
  assertSnapshot("provisioner.template.json", `${text}\n`);
});

/** Findings of the two cdk-nag packs that fit serverless applications and of NIST 800-53, by rule and construct. */
function questions({ app, stack }: Synthesised, withAnswers: boolean): string[] {
  return [AwsSolutionsChecks, ServerlessChecks, NIST80053R5Checks].flatMap((Pack) => {
    const pack = new Pack(app);
    if (!withAnswers) Object.assign(pack, { isAcknowledged: () => false });
    return pack
      .validateScope(stack)
      .violations.flatMap(({ ruleName, violatingResources }) =>
        violatingResources.map(({ constructPath }) => `${ruleName} ${constructPath}`),
      );
  });
}

/** Explanations in the construct tree. */
function answers(from: IConstruct): { id: string; path: string; reason: string }[] {
  const own = from.node.metadata
    .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
    .flatMap(({ data }) => Object.entries(data as Record<string, string>))
    .map(([id, reason]) => ({ id: id.replace(/^annotation::/i, ""), path: from.node.path, reason }))
    // The CDK's constructs acknowledge findings of its own rules.
    .filter(({ id }) => !id.startsWith("CloudFormation-Validate::"));
  return [...own, ...from.node.children.flatMap(answers)];
}

test("each finding of cdk-nag has an explanation", () => {
  for (const given of [{}, EVERYTHING]) assert.deepEqual(questions(synthesise(given), true), []);
});

test("each explanation belongs to a finding and has a reason", () => {
  // With the secrets of the plain deployment and the network of the full one, every explained resource is there.
  const all = [synthesise(), synthesise(EVERYTHING)];
  const asked = all.flatMap((synthesised) => questions(synthesised, false));
  const given = all.flatMap(({ stack }) => answers(stack));
  assert.ok(given.length > 0);
  for (const { id, path, reason } of given) {
    const isAsked = asked.some((question) => question.startsWith(`${id} ${path}`));
    assert.ok(isAsked, `${path}: the acknowledgement ${id} has no finding`);
    assert.ok(reason.length > 30, `${id} of ${path}: ${reason}`);
  }
});

test("cfn-lint and the CDK's validation have no findings", () => {
  process.env["CDK_VALIDATION"] = "true";
  for (const props of [{}, EVERYTHING]) {
    const { app, stack } = synthesise(props);
    const { templateFullPath } = app.synth().getStackByName(stack.stackName);
    const run = spawnSync(pythonTool("cfn-lint"), [templateFullPath, "--regions", "eu-west-1", "us-east-1"], { encoding: "utf8" });
    assert.equal(run.error, undefined);
    assert.equal(`${run.stdout}${run.stderr}`, "");
    assert.equal(run.status, 0);
    assert.ok(fs.statSync(templateFullPath).size < 1_000_000, "CloudFormation takes no template over 1 MB");
  }
});
