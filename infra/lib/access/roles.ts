import { ArnFormat, Stack } from "aws-cdk-lib";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";

import { type Binary, TABLE } from "../contract.ts";
import { explain } from "../explain.ts";
import type { Queues } from "../state/queues.ts";
import type { SecretArns } from "../state/secrets.ts";
import { keyRight, networkRights, type Right, statement, UNLIMITED } from "./statements.ts";

/** Resources that the roles name. */
export interface Touched {
  readonly key: kms.IKey;
  readonly table: dynamodb.ITable;
  readonly queues: Queues;
  readonly secrets: SecretArns;
  /** Keys of existing secrets. */
  readonly secretKeys: readonly string[];
  /** Functions that are in a VPC. */
  readonly inNetwork: ReadonlySet<Binary>;
  readonly tracing: boolean;
  readonly rolePath: string | undefined;
}

/** ARN of a function, made from its name so that its own role can contain it. */
export function functionArn(scope: Construct, functionName: string): string {
  return Stack.of(scope).formatArn({
    service: "lambda",
    resource: "function",
    resourceName: functionName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}

/** The role of the function that reads the directory. */
export function scanRole(scope: Construct, name: string, logGroup: logs.ILogGroup, touched: Touched): iam.Role {
  const { queues, secrets } = touched;
  const self = functionArn(scope, name);
  const provisionName = name.replace(/-scan$/, "-provision");
  return functionRole(scope, "scan", logGroup, self, touched, secrets.directory, [
    {
      sid: "SendRequests",
      actions: ["sqs:GetQueueAttributes", "sqs:SendMessage"],
      resources: requestArns(queues),
    },
    { sid: "ContinueInAnotherInvocation", actions: ["lambda:InvokeFunction"], resources: [self] },
    {
      sid: "ProvisionOneUser",
      actions: ["lambda:InvokeFunction"],
      resources: [functionArn(scope, provisionName)],
    },
  ]);
}

/** The role of the function that calls the target. */
export function provisionRole(
  scope: Construct,
  name: string,
  logGroup: logs.ILogGroup,
  touched: Touched,
): iam.Role {
  const { queues, secrets } = touched;
  return functionRole(scope, "provision", logGroup, functionArn(scope, name), touched, secrets.target, [
    {
      sid: "ReceiveRequests",
      actions: ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
      resources: queues.connections.flatMap(({ requests, deadLetters }) => [requests.queueArn, deadLetters.queueArn]),
    },
    {
      sid: "SendAndDelayRequests",
      actions: ["sqs:ChangeMessageVisibility", "sqs:SendMessage"],
      resources: requestArns(queues),
    },
  ]);
}

const requestArns = (queues: Queues): string[] => queues.connections.map(({ requests }) => requests.queueArn);

/** The role under which the scheduler starts scans. */
export function schedulerRole(scope: Construct, scan: string, group: string, touched: Touched): iam.Role {
  const { account } = Stack.of(scope);
  const groupArn = Stack.of(scope).formatArn({
    service: "scheduler",
    resource: "schedule-group",
    resourceName: group,
  });
  // Only schedules of this group may assume the role.
  const assumedBy = new iam.ServicePrincipal("scheduler.amazonaws.com", {
    conditions: { StringEquals: { "aws:SourceAccount": account, "aws:SourceArn": groupArn } },
  });
  return createRole(scope, "SchedulerRole", { description: "EventBridge Scheduler starts scans with it", assumedBy, path: touched.rolePath }, [
    { sid: "StartScans", actions: ["lambda:InvokeFunction"], resources: [functionArn(scope, scan)] },
    { sid: "KeepMissedScans", actions: ["sqs:SendMessage"], resources: [touched.queues.missedScans.queueArn] },
    keyRight(scope, "EncryptMissedScans", ["kms:Decrypt", "kms:GenerateDataKey"], [touched.key.keyArn], ["sqs"]),
  ]);
}

function functionRole(
  scope: Construct,
  binary: Binary,
  logGroup: logs.ILogGroup,
  self: string,
  touched: Touched,
  secrets: readonly string[],
  own: readonly Right[],
): iam.Role {
  const { key, table, secretKeys, inNetwork, tracing } = touched;
  const index = (name: string): string => `${table.tableArn}/index/${name}`;
  const rights: Right[] = [
    {
      // A transaction needs the rights of what it is made of, and none of its own.
      sid: "State",
      actions: [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ],
      resources: [table.tableArn],
    },
    {
      sid: "Indexes",
      actions: ["dynamodb:Query"],
      resources: [index(TABLE.WORK_INDEX), index(TABLE.DN_INDEX)],
    },
    ...own,
    ...(secrets.length === 0
      ? []
      : [{ sid: "Secrets", actions: ["secretsmanager:GetSecretValue"], resources: secrets }]),
    keyRight(scope, "Decrypt", ["kms:Decrypt"], [key.keyArn], ["dynamodb", "secretsmanager", "sqs"]),
    keyRight(scope, "Encrypt", ["kms:GenerateDataKey"], [key.keyArn], ["dynamodb", "sqs"]),
    ...(secretKeys.length === 0
      ? []
      : [keyRight(scope, "DecryptExistingSecrets", ["kms:Decrypt"], secretKeys, ["secretsmanager"])]),
    { sid: "Log", actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [logGroup.logGroupArn] },
    ...(tracing ? [{ sid: "Trace", actions: ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources: ["*"] }] : []),
    ...(inNetwork.has(binary) ? networkRights(self) : []),
  ];
  const id = binary === "scan" ? "ScanRole" : "ProvisionRole";
  const lambda = new iam.ServicePrincipal("lambda.amazonaws.com");
  return createRole(scope, id, { description: `The ${binary} function works under it`, assumedBy: lambda, path: touched.rolePath }, rights);
}

/**
 * A role with one policy, written out here in full. Lambda gets it in a form that nothing can be added to, so that this
 * list is all there is.
 */
function createRole(
  scope: Construct,
  id: string,
  { path, ...props }: Pick<iam.RoleProps, "description" | "assumedBy" | "path">,
  rights: readonly Right[],
): iam.Role {
  const document = new iam.PolicyDocument({ statements: rights.map(statement) });
  const role = new iam.Role(scope, id, { ...props, ...(path === undefined ? {} : { path }), inlinePolicies: { rights: document } });
  explainWildcards(role, rights);
  explain(role, {
    "NIST.800.53.R5-IAMNoInlinePolicy": "The policy is for this role alone; as a part of the role it can't be attached elsewhere and ends with the role",
  });
  return role;
}

function explainWildcards(role: iam.Role, rights: readonly Right[]): void {
  const unlimited = rights.filter(({ resources }) => resources.includes("*"));
  if (unlimited.length === 0) return;
  const reasons = unlimited.flatMap(({ actions }) => actions.map((action) => `${action}: ${UNLIMITED[action]}`));
  const reason = [...new Set(reasons)].join("; ");
  explain(role, { "AwsSolutions-IAM5[Resource::*]": reason, "Serverless-LambdaStarPermissions": reason });
}
