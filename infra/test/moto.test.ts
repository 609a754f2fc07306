// The template, created by moto: an independent reader of it that makes real tables, queues and functions of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CloudFormationClient, CreateStackCommand, DescribeStacksCommand, ListStackResourcesCommand } from "@aws-sdk/client-cloudformation";
import { CloudWatchClient, DescribeAlarmsCommand, PutMetricAlarmCommand, type PutMetricAlarmCommandInput } from "@aws-sdk/client-cloudwatch";
import { DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetRolePolicyCommand, IAMClient } from "@aws-sdk/client-iam";
import { GetFunctionCommand, LambdaClient, ListEventSourceMappingsCommand } from "@aws-sdk/client-lambda";
import { CreateScheduleCommand, type CreateScheduleCommandInput, CreateScheduleGroupCommand, GetScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { CreateSecretCommand, DescribeSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";

import { Moto } from "./support/moto.ts";
import { type Resource, type Resources, resolveIn, withoutResources } from "./support/resources.ts";
import { synthesise } from "./support/site.ts";

const ACCOUNT = "123456789012";
const REGION = "eu-west-1";
const STACK = "provisioner";

/** What moto's CloudFormation doesn't make. Those with a service in moto are made there, with the template's properties. */
const NOT_BY_CLOUDFORMATION = [
  "AWS::CloudWatch::Alarm",
  "AWS::CloudWatch::Dashboard",
  "AWS::Lambda::EventInvokeConfig",
  "AWS::Scheduler::Schedule",
  "AWS::Scheduler::ScheduleGroup",
  "AWS::SNS::TopicPolicy",
  "AWS::SecretsManager::Secret",
];

/** What it takes without giving it an id. */
const NOT_LISTED = ["AWS::SNS::Subscription", "AWS::SQS::QueuePolicy"];

// What it takes and forgets: the queues' policies; the table's expiry, restore, key and deletion protection; the functions'
// machine and log format. Other tests look for these in the template itself.

const { app, stack } = synthesise({ alarms: { email: "it@corp.example" } });
const synthesised = app.synth().getStackByName(stack.stackName).template as { Resources: Resources; Outputs: object };
const left = Object.entries(synthesised.Resources).filter(([, { Type }]) => NOT_BY_CLOUDFORMATION.includes(Type));

let moto: Moto;
/** By logical id. */
let made: Map<string, string>;
let outputs: Map<string, string>;

before(async () => {
  moto = await Moto.start();
  await uploadAssets();
  const cloudformation = new CloudFormationClient(moto.client());
  const template = withoutResources(synthesised, new Map(left));
  await cloudformation.send(
    new CreateStackCommand({ StackName: STACK, TemplateBody: JSON.stringify(template), Capabilities: ["CAPABILITY_IAM"] }),
  );
  const { Stacks } = await cloudformation.send(new DescribeStacksCommand({ StackName: STACK }));
  assert.equal(Stacks?.[0]?.StackStatus, "CREATE_COMPLETE");
  outputs = new Map(Stacks[0].Outputs?.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey.replace(/^Provisioner|[0-9A-F]{8}$/g, ""), OutputValue]));
  const { StackResourceSummaries = [] } = await cloudformation.send(new ListStackResourcesCommand({ StackName: STACK }));
  made = new Map(StackResourceSummaries.map(({ LogicalResourceId = "", PhysicalResourceId = "" }) => [LogicalResourceId, PhysicalResourceId]));
});
after(async () => moto?.stop());

test("everything is made but what moto's CloudFormation can't", () => {
  const expected = Object.entries(synthesised.Resources)
    .filter(([, { Type }]) => !NOT_BY_CLOUDFORMATION.includes(Type) && !NOT_LISTED.includes(Type))
    .map(([id]) => id);
  assert.deepEqual([...made.keys()].filter((id) => id !== "").sort(), expected.sort());
  assert.deepEqual([...new Set(left.map(([, { Type }]) => Type))].sort(), [...NOT_BY_CLOUDFORMATION].sort());
});

test("the table has its keys and indexes", async () => {
  const dynamodb = new DynamoDBClient(moto.client());
  const TableName = output("TableName");
  const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName }));
  const keys = (schema: { AttributeName?: string; KeyType?: string }[] = []): string =>
    schema.map(({ AttributeName, KeyType }) => `${AttributeName} ${KeyType}`).join(", ");
  assert.equal(keys(Table?.KeySchema), "PK HASH, SK RANGE");
  assert.deepEqual(
    Table?.GlobalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection }) => [IndexName, keys(KeySchema), Projection?.ProjectionType]),
    [
      ["by_work", "work_pk HASH, work_sk RANGE", "KEYS_ONLY"],
      ["by_dn", "dn_pk HASH", "KEYS_ONLY"],
    ],
  );
  assert.equal(Table?.BillingModeSummary?.BillingMode, "PAY_PER_REQUEST");
});

test("the queue of wake-ups gives up to the dead letters", async () => {
  const sqs = new SQSClient(moto.client());
  const attributes = async (url: string): Promise<Record<string, string>> =>
    (await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }))).Attributes ?? {};
  const wakeUps = await attributes(output("WakeUpsUrl"));
  const deadLetters = await attributes(output("DeadLettersUrl"));
  const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(wakeUps["RedrivePolicy"] ?? "{}") as Record<string, unknown>;
  assert.equal(deadLetterTargetArn, deadLetters["QueueArn"]);
  assert.equal(Number(maxReceiveCount), 100);
  assert.equal(wakeUps["VisibilityTimeout"], "720");
  assert.equal(deadLetters["MessageRetentionPeriod"], "1209600");
});

test("the functions' variables name the table and the queues that are there", async () => {
  const scan = await variables("ScanFunction");
  const provision = await variables("ProvisionFunction");
  for (const found of [scan, provision]) {
    assert.equal(found["PROVISIONER_CONFIG"], "/opt/connections");
    assert.equal(found["PROVISIONER_TABLE"], output("TableName"));
    assert.equal(found["PROVISIONER_QUEUE_URL"], output("WakeUpsUrl"));
  }
  const name = output("DeadLettersUrl").split("/").at(-1);
  assert.equal(provision["PROVISIONER_DEAD_LETTER_QUEUE_ARN"], `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`);
  assert.equal(scan["PROVISIONER_DEAD_LETTER_QUEUE_ARN"], undefined);
});

test("both queues wake the provisioning function", async () => {
  const lambda = new LambdaClient(moto.client());
  const { EventSourceMappings = [] } = await lambda.send(new ListEventSourceMappingsCommand({}));
  const found = EventSourceMappings.map(({ EventSourceArn, FunctionArn, BatchSize, FunctionResponseTypes }) => [
    EventSourceArn?.split(":").at(-1),
    FunctionArn?.split(":").at(-1),
    BatchSize,
    FunctionResponseTypes,
  ]);
  const source = (url: string): string | undefined => output(url).split("/").at(-1);
  const batches = ["provisioner-provision", 10, ["ReportBatchItemFailures"]];
  assert.deepEqual(found.sort(), [[source("WakeUpsUrl"), ...batches], [source("DeadLettersUrl"), ...batches]].sort());
});

test("a role's rights name the things that were made", async () => {
  const [id] = Object.keys(synthesised.Resources).filter((id) => id.startsWith("ProvisionerScanRole"));
  const iam = new IAMClient(moto.client());
  const { PolicyDocument = "" } = await iam.send(new GetRolePolicyCommand({ RoleName: made.get(id ?? ""), PolicyName: "rights" }));
  // moto shows a role's own policy the way Python writes it.
  const { Statement } = JSON.parse(decodeURIComponent(PolicyDocument).replaceAll("'", '"')) as { Statement: { Sid: string; Resource: unknown }[] };
  const resources = Object.fromEntries(Statement.map(({ Sid, Resource }) => [Sid, Resource]));
  assert.equal(resources["State"], `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/${output("TableName")}`);
  assert.equal(resources["GoOnInAnotherInvocation"], `arn:aws:lambda:${REGION}:${ACCOUNT}:function:provisioner-scan`);
});

test("the scheduler takes the schedules, made by its own API", async () => {
  const scheduler = new SchedulerClient(moto.client());
  for (const { Properties } of of("AWS::Scheduler::ScheduleGroup")) {
    await scheduler.send(new CreateScheduleGroupCommand(resolve(Properties) as { Name: string }));
  }
  for (const { Properties } of of("AWS::Scheduler::Schedule")) {
    const input = resolve(Properties) as CreateScheduleCommandInput;
    await scheduler.send(new CreateScheduleCommand(input));
    const found = await scheduler.send(new GetScheduleCommand({ Name: input.Name, GroupName: "provisioner" }));
    assert.equal(found.ScheduleExpression, input.ScheduleExpression);
    assert.equal(found.Target?.Arn, `arn:aws:lambda:${REGION}:${ACCOUNT}:function:provisioner-scan`);
    assert.deepEqual(found.Target?.RetryPolicy, input.Target?.RetryPolicy);
    assert.match(found.Target?.DeadLetterConfig?.Arn ?? "", /MissedScans/);
  }
});

test("CloudWatch takes the alarms, made by its own API", async () => {
  const cloudwatch = new CloudWatchClient(moto.client());
  const alarms = of("AWS::CloudWatch::Alarm");
  for (const { Properties } of alarms) {
    await cloudwatch.send(new PutMetricAlarmCommand(resolve(Properties) as PutMetricAlarmCommandInput));
  }
  const { MetricAlarms = [] } = await cloudwatch.send(new DescribeAlarmsCommand({}));
  assert.equal(MetricAlarms.length, alarms.length);
  for (const { AlarmName, AlarmActions } of MetricAlarms) assert.deepEqual(AlarmActions, [output("AlarmTopic")], AlarmName);
});

test("Secrets Manager takes the secrets, empty, made by its own API", async () => {
  const secrets = new SecretsManagerClient(moto.client());
  for (const { Properties } of of("AWS::SecretsManager::Secret")) {
    await secrets.send(new CreateSecretCommand(resolve(Properties) as { Name: string }));
    const found = await secrets.send(new DescribeSecretCommand({ SecretId: Properties["Name"] as string }));
    assert.deepEqual(Object.keys(found.VersionIdsToStages ?? {}), []);
  }
});

function output(name: string): string {
  const value = outputs.get(name);
  assert.ok(value, `the stack has no output ${name}`);
  return value;
}

async function variables(name: string): Promise<Record<string, string>> {
  const { Configuration } = await new LambdaClient(moto.client()).send(new GetFunctionCommand({ FunctionName: output(name) }));
  assert.equal(Configuration?.Handler, "bootstrap");
  assert.equal(Configuration?.Runtime, "provided.al2023");
  return Configuration?.Environment?.Variables ?? {};
}

/** The properties as a service's own API takes them. */
function resolve(value: unknown): unknown {
  return resolveIn({ account: ACCOUNT, region: REGION, resources: synthesised.Resources, made }, value);
}

function of(type: string): Resource[] {
  return left.map(([, resource]) => resource).filter(({ Type }) => Type === type);
}

/** The functions' code is not run here, but it has to be somewhere. */
async function uploadAssets(): Promise<void> {
  const bucket = `${moto.endpoint}/cdk-hnb659fds-assets-${ACCOUNT}-${REGION}`;
  const put = async (url: string, body?: string): Promise<void> => {
    const answer = await fetch(url, { method: "PUT", ...(body === undefined ? {} : { body }) });
    assert.ok(answer.ok, `${url}: ${answer.status}`);
  };
  await put(bucket);
  const names = new Set(JSON.stringify(synthesised).match(/[0-9a-f]{64}\.zip/g));
  for (const name of names) await put(`${bucket}/${name}`, "a function's code");
}
