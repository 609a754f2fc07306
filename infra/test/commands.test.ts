// The commands of the documents, as they stand there.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { type Block, blocksOf, type Call, Clone } from "./support/clone.ts";
import { projectFile } from "./support/rust.ts";
import { template } from "./support/site.ts";

let clone: Clone;
before(() => {
  clone = new Clone();
});

/** Commands that name a file of the repository's top start there; the others start in infra. */
const startsAtTop = ({ text }: Block): boolean => /^(cd infra|\.\/tests\/run|infra\/|mkdir -p target)/m.test(text);

function runAll(document: string, top: boolean): string {
  let output = "";
  for (const block of blocksOf(projectFile(document)).filter(({ language }) => language === "sh")) {
    const folder = top || startsAtTop(block) ? clone.folder : clone.infra;
    const { status, stdout, stderr } = clone.run(block.text, folder);
    assert.equal(status, 0, `${document}:\n${block.text}\n${stderr}${stdout}`);
    output += stdout + stderr;
  }
  return output;
}

const code = (document: string, language: string): string =>
  blocksOf(projectFile(document)).find((block) => block.language === language)?.text ?? assert.fail(`${document} has no block ${language}`);

/** Names in a template that commands may use, by the parameter that names them. */
function namesIn(from: { Resources: Record<string, { Type: string; Properties?: Record<string, never> }> }): Record<string, Set<string>> {
  const of = (type: string, key: string): Set<string> =>
    new Set(Object.values(from.Resources).flatMap(({ Type, Properties }) => (Type === type ? [String(Properties?.[key])] : [])));
  return {
    FunctionName: of("AWS::Lambda::Function", "FunctionName"),
    SecretId: of("AWS::SecretsManager::Secret", "Name"),
    GroupName: of("AWS::Scheduler::ScheduleGroup", "Name"),
    Name: of("AWS::Scheduler::Schedule", "Name"),
    QueueName: of("AWS::SQS::Queue", "QueueName"),
    AlarmNames: of("AWS::CloudWatch::Alarm", "AlarmName"),
    logGroupName: of("AWS::Logs::LogGroup", "LogGroupName"),
    StackName: new Set(["provisioner"]),
  };
}

function assertNames(calls: readonly Call[], known: Record<string, Set<string>>, outputs: readonly string[]): void {
  for (const { service, operation, params, query } of calls) {
    for (const [key, value] of Object.entries(params)) {
      const names = known[key];
      if (names === undefined) continue;
      for (const name of [value].flat()) assert.ok(names.has(String(name)), `aws ${service} ${operation}: there is no ${key} ${name}`);
    }
    const [, output] = /contains\(OutputKey, ?'(\w+)'\)/.exec(query) ?? [];
    if (output !== undefined) assert.ok(outputs.some((id) => id.includes(output)), `no output ${output}`);
    if (operation === "invoke") assertEvent(JSON.parse(String(params["Payload"])) as Record<string, unknown>);
  }
}

/** The scan function refuses unknown keys. */
function assertEvent(event: Record<string, unknown>): void {
  const [, fields = ""] = /struct ScanEvent \{([^}]*)\}/.exec(projectFile("functions/scan/src/event.rs")) ?? [];
  const known = [...fields.matchAll(/^\s+pub (\w+):/gm)].map((match) => match[1]);
  for (const key of Object.keys(event)) assert.ok(known.includes(key), `the scan function knows no ${key}`);
}

const resources = (from: Clone["templates"][number] | undefined, type: string): Record<string, never>[] =>
  Object.values(from?.Resources ?? {}).filter(({ Type }) => Type === type).map(({ Properties }) => Properties);
const observing = (from: Clone["templates"][number] | undefined): boolean =>
  JSON.stringify(resources(from, "AWS::Lambda::Function")).includes('"PROVISIONER_OBSERVE":"true"');

test("README.md: the demo runs, and the downloaded tool accepts its commands and its configuration", () => {
  const example = code("README.md", "toml");
  assert.match(example, /^# corp\.toml/);
  clone.write({ "corp.toml": example, "directory.json": '{"bind_dn": "cn=reader", "password": "x"}', "workplace.json": '{"access_token": "x"}' });
  const output = runAll("README.md", true);
  assert.match(output, /provisioner-[\d.]+-linux-x86-64\.tar\.gz: OK/);
  // The example's directory does not exist, and that is all that is wrong with it.
  assert.match(output, /ldap\.corp\.example/);
  assert.deepEqual(clone.runs.map(({ program, args }) => [program, ...args].join(" ")), [
    "cargo run -- demo",
    "tests/run",
    "cargo install --path functions/cli",
    "provisioner check --config corp.toml",
    "provisioner plan --config corp.toml",
    "provisioner sync --config corp.toml",
  ]);
});

test("infra/README.md: from a download to a deployment that observes, and then writes", () => {
  const files = { "infra/corp.settings.json": code("infra/README.md", "json"), "infra/directory.json": "{}", "infra/target.json": "{}" };
  clone.write(files);
  clone.answer(healthy());
  const from = clone.runs.length;
  const output = runAll("infra/README.md", false);
  assert.match(output, /^all checks passed$/m);
  assert.doesNotMatch(output, /feature flag|\[warning/i);
  const runs = clone.runs.slice(from).map(({ program, args }) => [program, ...args].join(" "));
  assert.deepEqual(
    runs.filter((line) => !line.startsWith("cargo lambda")).map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["npm ci", "cdk synth", "tests/run", "cdk bootstrap", "cdk deploy", "cdk deploy", "cdk synth"],
  );
  const [synthesised, first, second, network] = clone.templates;
  assert.deepEqual([synthesised, first, second, network].map(observing), [false, true, false, true]);
  for (const [at, recipients] of [[synthesised, 0], [first, 1], [second, 1]] as const) {
    assert.equal(resources(at, "AWS::SNS::Subscription").length, recipients);
    assert.equal(resources(at, "AWS::Scheduler::Schedule").length, 2);
  }
  assert.equal(resources(network, "AWS::EC2::VPCEndpoint").length, 4);
  assert.ok(resources(network, "AWS::Lambda::Function").some((properties) => "VpcConfig" in properties));
  const { calls } = clone;
  assertNames(calls, namesIn(first ?? assert.fail()), Object.keys(first?.Outputs ?? {}));
  const secrets = calls.filter(({ operation }) => operation === "put-secret-value").map(({ params }) => params["SecretId"]);
  assert.deepEqual(secrets, ["provisioner/corp/directory", "provisioner/corp/target"]);
  const events = calls.filter(({ operation }) => operation === "invoke").map(({ params }) => JSON.parse(String(params["Payload"])) as object);
  assert.deepEqual(events.slice(1), [
    { connection: "corp", mode: "full" },
    { connection: "corp", dry_run: true },
    { connection: "corp", user: "jsmith" },
    { connection: "corp", user: "jsmith", dry_run: true },
    { connection: "corp", approve: "4f1c0a9d2b77", approved_by: "Grace Okafor" },
  ]);
});

test("infra/OPERATIONS.md: upgrade, rollback, restore, destroy, rotation and a second environment", () => {
  clone.write({
    "staging/corp.toml": projectFile("shared/runtime/examples/active-directory-workplace.toml"),
    "infra/corp.toml": code("README.md", "toml"),
    "infra/directory.json": '{"bind_dn": "cn=reader", "password": "x"}',
    "infra/workplace.json": '{"access_token": "x"}',
  });
  clone.answer(healthy("provisioner-staging"));
  const [templates, calls, runs] = [clone.templates.length, clone.calls.length, clone.runs.length];
  runAll("infra/OPERATIONS.md", false);
  const [upgradeDiff, upgrade, rollback, stopped, restored, removing, staging] = clone.templates.slice(templates);
  assert.equal(clone.templates.length - templates, 7);
  for (const each of [upgradeDiff, upgrade, rollback]) assert.equal(resources(each, "AWS::DynamoDB::Table").length, 1);
  assert.deepEqual([resources(stopped, "AWS::Scheduler::Schedule").length, observing(stopped)], [0, true]);
  assert.equal(resources(restored, "AWS::DynamoDB::Table").length, 0);
  assert.match(JSON.stringify(resources(restored, "AWS::Lambda::Function")), /"PROVISIONER_TABLE":"provisioner-restored"/);
  assert.equal(Object.values(removing?.Resources ?? {}).some((resource) => JSON.stringify(resource).includes("RetainExceptOnCreate")), false);
  assert.match(JSON.stringify(resources(staging, "AWS::Lambda::Function")), /"FunctionName":"provisioner-staging-scan"/);
  const made = clone.calls.slice(calls).filter(({ service }) => service === "dynamodb");
  assert.deepEqual(made.map(({ operation }) => operation), ["restore-table-to-point-in-time", "wait", "update-time-to-live", "update-continuous-backups"]);
  const [timeToLive] = resources(upgrade, "AWS::DynamoDB::Table").map(({ TimeToLiveSpecification }) => TimeToLiveSpecification);
  assert.deepEqual(made[2]?.params["TimeToLiveSpecification"], timeToLive);
  const tool = clone.runs.slice(runs).filter(({ program }) => program === "provisioner").map(({ args }) => args[0]);
  assert.deepEqual(tool, ["drift"]);
});

test("infra/RUNBOOK.md: each command is one that AWS has, about a resource of the deployment", () => {
  const plain = template().toJSON() as Parameters<typeof namesIn>[0] & { Outputs: Record<string, unknown> };
  const from = clone.calls.length;
  clone.answer({ ...healthy(), "sqs get-queue-url": { QueueUrl: "https://sqs.eu-west-1.amazonaws.com/111122223333/q" } });
  runAll("infra/RUNBOOK.md", false);
  const calls = clone.calls.slice(from);
  assert.ok(calls.length > 20);
  assertNames(calls, namesIn(plain), Object.keys(plain.Outputs));
});

/** Answers of a deployment in which all is well. */
function healthy(name = "provisioner"): Record<string, unknown> {
  const url = (queue: string): string => `https://sqs.eu-west-1.amazonaws.com/111122223333/${queue}`;
  return {
    "cloudformation describe-stacks": {
      Stacks: [
        {
          Outputs: [
            { OutputKey: "ProvisionerRequestsUrlcorp", OutputValue: url(`${name}-requests-corp`), Description: "Queue of provision requests of corp" },
            { OutputKey: "ProvisionerDeadLettersUrlcorp", OutputValue: url(`${name}-dead-letters-corp`), Description: "Given up provision requests of corp" },
            { OutputKey: "ProvisionerMissedScansUrl", OutputValue: url("missed"), Description: "Scans never started" },
          ],
        },
      ],
    },
    "lambda get-function-configuration": {
      State: "Active",
      LastUpdateStatus: "Successful",
      LastModified: "2026-03-01T06:00:00.000+0000",
      CodeSha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    },
    "sqs get-queue-attributes": { Attributes: { ApproximateNumberOfMessages: "0", ApproximateNumberOfMessagesNotVisible: "0", ApproximateNumberOfMessagesDelayed: "0" } },
    "cloudwatch describe-alarms": { MetricAlarms: [{ AlarmName: `${name}-scan-failing`, StateValue: "OK" }] },
    "lambda invoke": { StatusCode: 200, Payload: { read: 312, created: 2, complete: true } },
  };
}
