import assert from "node:assert/strict";
import { test } from "node:test";

import { UNLIMITED } from "../lib/access/statements.ts";
import { listRights, rightsOfEverything } from "./support/rights.ts";
import { rustSources } from "./support/rust.ts";
import { importNetwork } from "../lib/app/stack.ts";
import { NETWORK, template } from "./support/site.ts";

const rights = rightsOfEverything();
const plain = listRights(template().toJSON() as { Resources: Record<string, unknown> });

/** The rights of a role, by their purpose. */
function of(role: string, from = plain): Record<string, [string[], string[]]> {
  const own = from.filter((right) => right.role === role);
  return Object.fromEntries(own.map(({ sid, actions, resources }) => [sid, [[...actions], [...resources]]]));
}

const STATE = ["BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"];
const common = (log: string): Record<string, [string[], string[]]> => ({
  State: [STATE.map((action) => `dynamodb:${action}`), ["Table"]],
  Indexes: [["dynamodb:Query"], ["Table/index/by_dn", "Table/index/by_work"]],
  Decrypt: [["kms:Decrypt"], ["Key"]],
  Encrypt: [["kms:GenerateDataKey"], ["Key"]],
  Log: [["logs:CreateLogStream", "logs:PutLogEvents"], [log]],
});
const scanArn = "arn:{Partition}:lambda:{Region}:{AccountId}:function:provisioner-scan";
const provisionArn = "arn:{Partition}:lambda:{Region}:{AccountId}:function:provisioner-provision";

test("the scan function reads the directory's secret, writes state, sends requests, and invokes itself and the provision function", () => {
  assert.deepEqual(of("ScanRole"), {
    ...common("ScanLog"),
    SendRequests: [["sqs:GetQueueAttributes", "sqs:SendMessage"], ["Requestscorp"]],
    ContinueInAnotherInvocation: [["lambda:InvokeFunction"], [scanArn]],
    ProvisionOneUser: [["lambda:InvokeFunction"], [provisionArn]],
    Secrets: [["secretsmanager:GetSecretValue"], ["Secretcorpdirectoryd73a905a"]],
  });
});

test("the provision function receives messages, reads only the target's secret, and writes state", () => {
  const take = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
  assert.deepEqual(of("ProvisionRole"), {
    ...common("ProvisionLog"),
    ReceiveRequests: [take, ["DeadLetterscorp", "Requestscorp"]],
    SendAndDelayRequests: [["sqs:ChangeMessageVisibility", "sqs:SendMessage"], ["Requestscorp"]],
    Secrets: [["secretsmanager:GetSecretValue"], ["Secretcorpworkplace0f5743c1"]],
  });
});

test("the scheduler starts scans and keeps the events that it could not deliver", () => {
  assert.deepEqual(of("SchedulerRole"), {
    StartScans: [["lambda:InvokeFunction"], [scanArn]],
    KeepMissedScans: [["sqs:SendMessage"], ["MissedScans"]],
    EncryptMissedScans: [["kms:Decrypt", "kms:GenerateDataKey"], ["Key"]],
  });
});

test("there are no other roles", () => {
  assert.deepEqual([...new Set(rights.map(({ role }) => role))].sort(), ["ProvisionRole", "ScanRole", "SchedulerRole"]);
});

test("each wildcard in a policy has a reason", () => {
  for (const { role, sid, actions, resources } of rights) {
    for (const action of actions) {
      assert.ok(!action.includes("*"), `${role} ${sid}: ${action}`);
      if (resources.includes("*")) assert.ok(UNLIMITED[action], `${role} ${sid}: ${action} on * without a reason`);
    }
    const wild = resources.filter((resource) => resource !== "*" && resource.includes("*"));
    assert.deepEqual(wild, [], `${role} ${sid}`);
  }
  const used = new Set(rights.filter(({ resources }) => resources.includes("*")).flatMap(({ actions }) => actions));
  assert.deepEqual(Object.keys(UNLIMITED).sort(), [...used].sort(), "a reason without a right");
});

test("a secret's name is followed only by the six characters of Secrets Manager", () => {
  const [, resources] = of("ScanRole", rights)["Secrets"] ?? [[], []];
  assert.deepEqual(resources, ["arn:{Partition}:secretsmanager:{Region}:{AccountId}:secret:corp/directory-??????"]);
});

test("the key is used only through AWS services", () => {
  const key = rights.filter(({ actions }) => actions.some((action) => action.startsWith("kms:")));
  assert.ok(key.length > 0);
  for (const { role, sid, condition } of key) assert.match(condition, /^kms:ViaService = /, `${role} ${sid}`);
});

test("a role has rights for a network or for X-Ray only where they are in use", () => {
  assert.deepEqual(plain.filter(({ sid }) => ["LambdaManagesInterfaces", "Trace"].includes(sid)), []);
  const inVpc = listRights(template((stack) => importNetwork(stack, NETWORK)).toJSON() as { Resources: Record<string, unknown> });
  assert.deepEqual(inVpc.filter(({ sid }) => sid === "LambdaManagesInterfaces").map(({ role }) => role), ["ScanRole"]);
});

test("the function's code can't call the network actions of Lambda", () => {
  for (const role of ["ScanRole", "ProvisionRole"]) {
    const denied = rights.find((right) => right.role === role && right.effect === "Deny");
    const allowed = rights.find((right) => right.role === role && right.sid === "LambdaManagesInterfaces");
    assert.deepEqual(denied?.actions, allowed?.actions);
    assert.match(denied?.condition ?? "", /^lambda:SourceFunctionArn = arn:.*:function:provisioner-/);
  }
});

test("the roles allow exactly the calls of the store", () => {
  const source = rustSources("shared/store/src");
  const calls = [...source.matchAll(/^\s*\.(get_item|batch_get_item|query|put_item|update_item|delete_item|batch_write_item|scan)\(\)|client\.(batch_get_item|put_item|update_item|delete_item|batch_write_item|transact_write_items|scan)\(\)/gm)];
  const called = new Set(calls.map((match) => (match[1] ?? match[2] ?? "").split("_").map((word) => word[0]?.toUpperCase() + word.slice(1)).join("")));
  // A transaction needs the rights of the writes that it is made of.
  called.delete("TransactWriteItems");
  assert.deepEqual([...called].sort(), STATE);
  // It would need a right of its own.
  assert.doesNotMatch(source, /ConditionCheck::builder/);
});
