import { Duration, type RemovalPolicy, Stack } from "aws-cdk-lib";
import type * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";

import { provisionRole, scanRole, type Touched } from "../access/roles.ts";
import { CONFIG_PATH } from "../connections/layer.ts";
import { type Binary, ENVIRONMENT, HANDLER, TIMEOUT_SECONDS } from "../contract.ts";
import { explain } from "../explain.ts";
import type { FunctionNetwork } from "../network.ts";
import type { FunctionProps } from "../props.ts";
import { deadLetterArnPrefix, requestUrlPrefix } from "../state/queues.ts";
import type { Artefacts } from "./artefacts.ts";

/**
 * Enough for the snapshot of half a million users. At 128 MB a function has half of the processor time, and TLS handshakes
 * take twice as long.
 */
const MEMORY_MB = 256;

/** Parts of both functions. */
export interface Parts extends Touched {
  readonly name: string;
  readonly artefacts: Artefacts;
  readonly layer: lambda.ILayerVersion;
  /** The scan function is in the directories' network. The provision function is in none, or in that of fixed egress. */
  readonly networks: Readonly<Partial<Record<Binary, FunctionNetwork>>>;
  /** HTTP proxy of the targets. */
  readonly proxy: string | undefined;
  readonly observe: boolean;
  readonly logRetention: logs.RetentionDays;
  readonly removalPolicy: RemovalPolicy;
}

/** Creates the function that reads the directory. */
export function scanFunction(scope: Construct, parts: Parts, props: FunctionProps): lambda.Function {
  const created = createFunction(scope, "scan", parts, props, scanRole, {
    description: "Reads the directory and records what each changed user should be",
    // The lease keeps two scans of one connection apart. Without a reservation the stack fits into an account with a small quota.
    ...reservation(props),
    environment: {
      ...environment(scope, parts, props),
      [ENVIRONMENT.PROVISION_FUNCTION]: `${parts.name}-provision`,
    },
  });
  // The next schedule is the retry. An event waits for its turn as long as one invocation may take.
  const events = new lambda.EventInvokeConfig(scope, "ScanEvents", {
    function: created,
    retryAttempts: 0,
    maxEventAge: Duration.seconds(TIMEOUT_SECONDS.scan),
  });
  const reason = "A failed scan needs no repeat: the next one finds the same changes, and an alarm reports the failure";
  explain(created, { "Serverless-LambdaDLQ": reason, "NIST.800.53.R5-LambdaDLQ": reason });
  explain(events, { "Serverless-LambdaAsyncFailureDestination": reason });
  return created;
}

/** Creates the function that calls the target. */
export function provisionFunction(scope: Construct, parts: Parts, props: FunctionProps): lambda.Function {
  const created = createFunction(scope, "provision", parts, props, provisionRole, {
    description: "Brings each user's account in line with its record",
    ...reservation(props),
    environment: {
      ...environment(scope, parts, props),
      [ENVIRONMENT.DEAD_LETTER_ARN_PREFIX]: deadLetterArnPrefix(scope, parts.name),
      ...(parts.proxy === undefined ? {} : { HTTPS_PROXY: parts.proxy, NO_PROXY: `localhost,127.0.0.1,.${Stack.of(scope).urlSuffix}` }),
    },
  });
  const reason = "Its event source is a queue with a dead-letter queue; a direct invocation gets the answer";
  explain(created, { "Serverless-LambdaDLQ": reason, "NIST.800.53.R5-LambdaDLQ": reason });
  return created;
}

/** Whether a log level contains lines below INFO. */
function isVerbose(log: string | undefined): boolean {
  return log !== undefined && /debug|trace/i.test(log);
}

function reservation({ reservedConcurrentExecutions }: FunctionProps): { reservedConcurrentExecutions?: number } {
  return reservedConcurrentExecutions === undefined ? {} : { reservedConcurrentExecutions };
}

function environment(scope: Construct, { table, name, observe }: Parts, { log }: FunctionProps): Record<string, string> {
  return {
    [ENVIRONMENT.CONFIG]: CONFIG_PATH,
    [ENVIRONMENT.TABLE]: table.tableName,
    [ENVIRONMENT.QUEUE_URL_PREFIX]: requestUrlPrefix(scope, name),
    [ENVIRONMENT.DEPLOYMENT]: name,
    ...(observe ? { [ENVIRONMENT.OBSERVE]: "true" } : {}),
    ...(log === undefined ? {} : { [ENVIRONMENT.LOG]: log }),
  };
}

function createFunction(
  scope: Construct,
  binary: Binary,
  parts: Parts,
  { memorySize = MEMORY_MB, log }: FunctionProps,
  role: (scope: Construct, name: string, logGroup: logs.ILogGroup, touched: Touched) => iam.Role,
  own: Pick<lambda.FunctionProps, "description" | "environment" | "reservedConcurrentExecutions">,
): lambda.Function {
  const { artefacts, layer, logRetention, removalPolicy, networks } = parts;
  const functionName = `${parts.name}-${binary}`;
  const title = binary === "scan" ? "Scan" : "Provision";
  const logGroup = new logs.LogGroup(scope, `${title}Log`, {
    logGroupName: `/aws/lambda/${functionName}`,
    retention: logRetention,
    removalPolicy,
  });
  const created = new lambda.Function(scope, title, {
    ...own,
    functionName,
    runtime: lambda.Runtime.PROVIDED_AL2023,
    architecture: artefacts.machine === "arm64" ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
    handler: HANDLER,
    code: artefacts.code[binary],
    layers: [layer],
    memorySize,
    timeout: Duration.seconds(TIMEOUT_SECONDS[binary]),
    role: role(scope, functionName, logGroup, parts).withoutPolicyUpdates(),
    ...networks[binary],
    tracing: parts.tracing ? lambda.Tracing.ACTIVE : lambda.Tracing.DISABLED,
    logGroup,
    loggingFormat: lambda.LoggingFormat.JSON,
    // Without it Lambda drops the lines below INFO that the function writes.
    ...(isVerbose(log) ? { applicationLogLevelV2: lambda.ApplicationLogLevel.TRACE } : {}),
    // A long scan continues in another invocation of the same function, more often than Lambda's loop detection allows.
    ...(binary === "scan" ? { recursiveLoop: lambda.RecursiveLoop.ALLOW } : {}),
  });
  explain(logGroup, {
    "NIST.800.53.R5-CloudWatchLogGroupEncrypted": "Logs contain anchors and no names, so CloudWatch's own encryption is enough",
  });
  explain(created, {
    "Serverless-LambdaTracing": "X-Ray is opt-in (tracing), because it is paid by the trace and the logs have the duration of each step",
    "NIST.800.53.R5-LambdaInsideVPC": "Opt-in (vpc, fixedEgress): a directory or a target with a public address needs no VPC, and nothing can open a connection to a function",
    "NIST.800.53.R5-LambdaConcurrency": "Opt-in (reservedConcurrentExecutions): leases and the event source's maximum limit the work, and a reservation fails in accounts with a small quota",
  });
  const resource = created.node.defaultChild as lambda.CfnFunction;
  // The role contains its policy, so the reference to its ARN is the only dependency.
  resource.addDeletionOverride("DependsOn");
  return created;
}
