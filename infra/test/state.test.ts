import assert from "node:assert/strict";
import { test } from "node:test";
import { RemovalPolicy } from "aws-cdk-lib";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import { Match } from "aws-cdk-lib/assertions";

import { connectionToml } from "./support/connections.ts";
import { site, template } from "./support/site.ts";

const synthesised = template();
const key = { "Fn::GetAtt": [Match.stringLikeRegexp("ProvisionerKey"), "Arn"] };

test("the table is on demand, restorable, encrypted with the customer's key, and retained", () => {
  synthesised.hasResource("AWS::DynamoDB::Table", {
    DeletionPolicy: "RetainExceptOnCreate",
    UpdateReplacePolicy: "Retain",
    Properties: {
      BillingMode: "PAY_PER_REQUEST",
      // A protected table would keep a failed first deployment from being deleted.
      DeletionProtectionEnabled: Match.absent(),
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      SSESpecification: { SSEEnabled: true, SSEType: "KMS", KMSMasterKeyId: key },
    },
  });
  synthesised.hasResource("AWS::KMS::Key", { DeletionPolicy: "RetainExceptOnCreate", Properties: { EnableKeyRotation: true } });
});

test("removalPolicy DESTROY deletes the state with the stack", () => {
  const passing = template({ removalPolicy: RemovalPolicy.DESTROY });
  passing.hasResource("AWS::DynamoDB::Table", {
    DeletionPolicy: "Delete",
  });
  passing.hasResource("AWS::KMS::Key", { DeletionPolicy: "Delete" });
  passing.hasResource("AWS::SecretsManager::Secret", { DeletionPolicy: "Delete" });
});

test("a restored table takes the place of the created one, for the functions and their roles alike", () => {
  const restored = template((stack) => ({ table: dynamodb.Table.fromTableName(stack, "Table", "restored") }));
  restored.resourceCountIs("AWS::DynamoDB::Table", 0);
  restored.allResourcesProperties("AWS::Lambda::Function", { Environment: { Variables: Match.objectLike({ PROVISIONER_TABLE: "restored" }) } });
  const state = Object.values(restored.findResources("AWS::IAM::Role")).flatMap(({ Properties }) =>
    Properties.Policies.flatMap(({ PolicyDocument }: { PolicyDocument: { Statement: { Sid: string }[] } }) =>
      PolicyDocument.Statement.filter(({ Sid }) => ["State", "Indexes"].includes(Sid)),
    ),
  );
  assert.equal(state.length, 4);
  for (const statement of state) assert.match(JSON.stringify(statement), /:table\/restored"?/);
});

test("a message is delivered up to 1,000 times and then kept for two weeks", () => {
  synthesised.hasResourceProperties("AWS::SQS::Queue", {
    VisibilityTimeout: 720,
    MessageRetentionPeriod: 1_209_600,
    KmsMasterKeyId: key,
    RedrivePolicy: {
      deadLetterTargetArn: { "Fn::GetAtt": [Match.stringLikeRegexp("DeadLetters"), "Arn"] },
      maxReceiveCount: 1000,
    },
  });
  synthesised.resourceCountIs("AWS::SQS::Queue", 3);
  synthesised.allResourcesProperties("AWS::SQS::Queue", { MessageRetentionPeriod: 1_209_600, KmsMasterKeyId: key });
});

test("each connection has its own queue, dead-letter queue and event sources", () => {
  const two = template({}, site({ "a.toml": connectionToml("a"), "b.toml": connectionToml("b") }));
  const names = Object.values(two.findResources("AWS::SQS::Queue")).map(({ Properties }) => Properties.QueueName as string | undefined);
  const expected = ["a", "b"].flatMap((name) => [`provisioner-dead-letters-${name}`, `provisioner-requests-${name}`]);
  assert.deepEqual(names.filter((name) => name !== undefined).sort(), expected.sort());
  two.resourceCountIs("AWS::Lambda::EventSourceMapping", 4);
});

test("a queue name that SQS would refuse is reported with the file", () => {
  const long = "x".repeat(64);
  assert.throws(() => template({}, site({ "long.toml": connectionToml(long) })), /long\.toml, key name: the queue "provisioner-dead-letters-x+" has 89 characters, and SQS allows 80/);
});

test("the visibility timeout is six times the function's, as Lambda advises", () => {
  const timeout = Object.values(
    synthesised.findResources("AWS::Lambda::Function", { Properties: { FunctionName: "provisioner-provision" } }),
  )[0]?.["Properties"].Timeout;
  const queues = Object.values(synthesised.findResources("AWS::SQS::Queue"));
  const consumed = queues.filter(({ Properties }) => Properties.VisibilityTimeout !== undefined);
  assert.equal(consumed.length, 2);
  for (const { Properties } of consumed) assert.ok(Properties.VisibilityTimeout >= 6 * timeout);
});

test("queues and topic refuse requests without TLS", () => {
  const insecure = { Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } };
  const policy = { PolicyDocument: { Statement: Match.arrayWith([Match.objectLike(insecure)]) } };
  synthesised.resourceCountIs("AWS::SQS::QueuePolicy", 3);
  synthesised.allResourcesProperties("AWS::SQS::QueuePolicy", policy);
  synthesised.hasResourceProperties("AWS::SNS::TopicPolicy", policy);
});

test("secrets are created empty, with the customer's key", () => {
  synthesised.resourceCountIs("AWS::SecretsManager::Secret", 2);
  for (const Name of ["corp/directory", "corp/workplace"]) {
    synthesised.hasResource("AWS::SecretsManager::Secret", {
      DeletionPolicy: "RetainExceptOnCreate",
      Properties: { Name, KmsKeyId: key, SecretString: Match.absent(), GenerateSecretString: Match.absent() },
    });
  }
});

test("existing secrets are named and not created", () => {
  const some = template({ secrets: { existing: ["corp/directory"] } });
  some.resourceCountIs("AWS::SecretsManager::Secret", 1);
  some.hasResourceProperties("AWS::SecretsManager::Secret", { Name: "corp/workplace" });
  template({ secrets: { existing: "all" } }).resourceCountIs("AWS::SecretsManager::Secret", 0);
});

test("a failed first deployment leaves no resource with a fixed name", () => {
  for (const [id, resource] of Object.entries(synthesised.toJSON()["Resources"] as Record<string, { DeletionPolicy?: string }>)) {
    assert.notEqual(resource.DeletionPolicy, "Retain", id);
  }
});

test("secrets with similar names are two secrets", () => {
  const at = site({ "a.toml": connectionToml("a", { directorySecret: 'secret = "secretsmanager:corp/x"', targetSecret: 'secret = "secretsmanager:corp-x"' }) });
  template({}, at).resourceCountIs("AWS::SecretsManager::Secret", 2);
});

test("a secret that two connections share is created once", () => {
  const shared = { targetSecret: 'secret = "secretsmanager:shared/workplace"' };
  const at = site({ "a.toml": connectionToml("a", shared), "b.toml": connectionToml("b", shared) });
  template({}, at).resourceCountIs("AWS::SecretsManager::Secret", 3);
});

test("an anonymous directory needs no secret", () => {
  const at = site({ "corp.toml": connectionToml("corp", { directorySecret: "" }) });
  template({}, at).resourceCountIs("AWS::SecretsManager::Secret", 1);
});
