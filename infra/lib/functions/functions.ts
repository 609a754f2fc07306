import { Duration, type RemovalPolicy } from "aws-cdk-lib";
import type * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";

import { provisionRole, scanRole, type Touched } from "../access/roles.ts";
import { CONFIG_PATH } from "../connections/layer.ts";
import { type Binary, ENVIRONMENT, HANDLER, TIMEOUT_SECONDS } from "../contract.ts";
import { explain } from "../explain.ts";
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
  /** The network of the directory, which only the scan function needs. */
  readonly vpcConfig: lambda.CfnFunction.VpcConfigProperty | undefined;
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
  explain(created, { "Serverless-LambdaDLQ": reason });
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
    },
  });
  explain(created, {
    "Serverless-LambdaDLQ": "Its event source is a queue with a dead-letter queue; a direct invocation gets the answer",
  });
  return created;
}

/** Whether a log level contains lines below INFO. */
function isVerbose(log: string | undefined): boolean {
  return log !== undefined && /debug|trace/i.test(log);
}

function reservation({ reservedConcurrency }: FunctionProps): { reservedConcurrentExecutions?: number } {
  return reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: reservedConcurrency };
}

function environment(scope: Construct, { table, name }: Parts, { log }: FunctionProps): Record<string, string> {
  return {
    [ENVIRONMENT.CONFIG]: CONFIG_PATH,
    [ENVIRONMENT.TABLE]: table.tableName,
    [ENVIRONMENT.QUEUE_URL_PREFIX]: requestUrlPrefix(scope, name),
    ...(log === undefined ? {} : { [ENVIRONMENT.LOG]: log }),
  };
}

function createFunction(
  scope: Construct,
  binary: Binary,
  parts: Parts,
  { memoryMb = MEMORY_MB, log }: FunctionProps,
  role: (scope: Construct, name: string, logGroup: logs.ILogGroup, touched: Touched) => iam.Role,
  own: Pick<lambda.FunctionProps, "description" | "environment" | "reservedConcurrentExecutions">,
): lambda.Function {
  const { artefacts, layer, logRetention, removalPolicy, vpcConfig } = parts;
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
    memorySize: memoryMb,
    timeout: Duration.seconds(TIMEOUT_SECONDS[binary]),
    role: role(scope, functionName, logGroup, parts).withoutPolicyUpdates(),
    tracing: lambda.Tracing.ACTIVE,
    logGroup,
    loggingFormat: lambda.LoggingFormat.JSON,
    // Without it Lambda drops the lines below INFO that the function writes.
    ...(isVerbose(log) ? { applicationLogLevelV2: lambda.ApplicationLogLevel.TRACE } : {}),
    // A long scan continues in another invocation of the same function, more often than Lambda's loop detection allows.
    ...(binary === "scan" ? { recursiveLoop: lambda.RecursiveLoop.ALLOW } : {}),
  });
  const resource = created.node.defaultChild as lambda.CfnFunction;
  // Ids instead of look-ups, so that synth needs no account.
  resource.vpcConfig = binary === "scan" ? vpcConfig : undefined;
  // The role contains its policy, so the reference to its ARN is the only dependency.
  resource.addDeletionOverride("DependsOn");
  return created;
}
