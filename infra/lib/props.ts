import type { Duration, RemovalPolicy } from "aws-cdk-lib";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as scheduler from "aws-cdk-lib/aws-scheduler";
import type * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type * as sns from "aws-cdk-lib/aws-sns";

import type { Machine } from "./functions/elf.ts";
import { hint, Mistake } from "./mistake.ts";

/** Properties of a provisioner. Only `config` is required. */
export interface WorkplaceProvisionerProps {
  /** A connection's TOML file, or a folder of them: one file a connection. */
  readonly config: string;

  /**
   * Prefix of the names of functions, queues, alarms and dashboard: `NAME-scan`, `NAME-provision` and so on. It is also the
   * dimension `Deployment` of every metric.
   *
   * @default "provisioner"
   */
  readonly name?: string;

  /**
   * The folder with `scan/bootstrap` and `provision/bootstrap`, as `infra/build` makes it.
   *
   * @default "../target/lambda"
   */
  readonly artefacts?: string;

  /**
   * Architecture that the functions must be built for.
   *
   * @default - read from the programs themselves
   */
  readonly architecture?: Machine;

  /**
   * Schedules of every connection that `schedulesByConnection` does not name.
   *
   * @default - an incremental scan every minute, a full scan every night at 02:15 UTC
   */
  readonly schedules?: SchedulesProps;

  /**
   * Schedules by connection. A missing key is taken from `schedules`.
   *
   * @default - none differs
   */
  readonly schedulesByConnection?: Readonly<Record<string, SchedulesProps>>;

  /**
   * The secrets that the connections name.
   *
   * @default - all are created empty
   */
  readonly secrets?: SecretsProps;

  /**
   * The VPC of the scan function, from which the directories can be reached. It also has to lead to SQS, Secrets Manager, Lambda and
   * DynamoDB. The provision function is not in it.
   *
   * @default - none: the scan function reaches public addresses
   */
  readonly vpc?: ec2.IVpc;

  /**
   * Subnets of the scan function.
   *
   * @default - the private subnets of the VPC
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * Security groups of the scan function.
   *
   * @default - one is created that allows HTTPS, name servers and the directories' ports outwards, and nothing inwards
   */
  readonly securityGroups?: readonly ec2.ISecurityGroup[];

  /**
   * Addresses of the directories and their name servers. Required for the created security group.
   *
   * @default - none, for given security groups
   */
  readonly directoryPeers?: readonly ec2.IPeer[];

  /**
   * Creates the VPC endpoints that the scan function needs: DynamoDB as a gateway; SQS, Secrets Manager and Lambda as
   * interfaces. The subnets must know their route tables.
   *
   * @default false - the subnets lead to these services, by a NAT gateway or by endpoints that exist
   */
  readonly vpcEndpoints?: boolean;

  /**
   * Puts the provision function into a VPC of its own with two NAT gateways, so that the target sees two addresses that do not
   * change. They are outputs of the stack.
   *
   * @default false - the target sees changing addresses of AWS
   */
  readonly fixedEgress?: boolean;

  /**
   * HTTP proxy between the provision function and the target: `http://HOST:PORT`. AWS's services are called without it.
   *
   * @default - none
   */
  readonly httpsProxy?: string;

  /**
   * Scans and alarms run, and nothing is written to a target.
   *
   * @default false
   */
  readonly observe?: boolean;

  /**
   * Users that one invocation of the provision function handles, one after another: 1 to 10.
   *
   * @default 1
   */
  readonly usersPerInvocation?: number;

  /**
   * Traces both functions with AWS X-Ray.
   *
   * @default false
   */
  readonly tracing?: boolean;

  /**
   * Key of the table, the queues, the created secrets and the alarms. The policy of an imported key must let CloudWatch use it for
   * the alarms.
   *
   * @default - one is created
   */
  readonly encryptionKey?: kms.IKey;

  /**
   * An existing table with the state, such as one that was restored. It has the keys and indexes of the created one, and is encrypted
   * with `encryptionKey`.
   *
   * @default - one is created
   */
  readonly table?: dynamodb.ITable;

  /**
   * Path of the created roles.
   *
   * @default "/"
   */
  readonly rolePath?: string;

  /**
   * The scan function.
   *
   * @default - 256 MB, no reserved concurrency
   */
  readonly scan?: FunctionProps;

  /**
   * The provision function.
   *
   * @default - 256 MB; for each connection `target.concurrency` concurrent invocations
   */
  readonly provision?: FunctionProps;

  /**
   * Retention of logs.
   *
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * Recipients and thresholds of alarms.
   *
   * @default - a topic without subscriptions
   */
  readonly alarms?: AlarmProps;

  /**
   * Path of the terminal tool, which checks each connection file: `provisioner check --offline`.
   *
   * @default - only the JSON Schema is checked
   */
  readonly provisioner?: string;

  /**
   * Fate of the table, the key, the secrets and the logs when the stack is deleted. The default deletes them only when the first
   * deployment fails, so that it can be repeated under the same names.
   *
   * @default RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
   */
  readonly removalPolicy?: RemovalPolicy;
}

/** Schedules of a connection. */
export interface SchedulesProps {
  /**
   * Incremental scans: a schedule, its text `rate(…)` or `cron(…)`, or "off".
   *
   * @default "rate(1 minute)"
   */
  readonly incremental?: scheduler.ScheduleExpression | string;

  /**
   * Full scans: a schedule, its text `rate(…)` or `cron(…)`, or "off".
   *
   * @default "cron(15 2 * * ? *)"
   */
  readonly full?: scheduler.ScheduleExpression | string;

  /**
   * The time zone of a `cron(…)` that is given as text.
   *
   * @default "UTC"
   */
  readonly timezone?: string;
}

/** The secrets that the connections name. */
export interface SecretsProps {
  /**
   * Existing secrets, by the names that the connections use, or "all". An ARN always names an existing
   * secret.
   *
   * @default - none: each is created empty
   */
  readonly existing?: readonly string[] | "all";

  /**
   * Secrets of the same app, by the names that the connections use. Their names must be these.
   *
   * @default - none
   */
  readonly given?: Readonly<Record<string, secretsmanager.ISecret>>;

  /**
   * Verifies at synth that the existing secrets exist, with the credentials and the region of the environment.
   *
   * @default false - synth needs no account
   */
  readonly check?: boolean;

  /**
   * ARNs of the customer managed keys of existing secrets.
   *
   * @default - none: they use the account's own key for Secrets Manager
   */
  readonly keys?: readonly string[];
}

/** One function. */
export interface FunctionProps {
  /**
   * Memory in MB, which brings processor time in proportion.
   *
   * @default 256
   */
  readonly memorySize?: number;

  /**
   * Concurrent invocations reserved from the account's limit.
   *
   * @default - no reservation
   */
  readonly reservedConcurrentExecutions?: number;

  /**
   * Log level, or levels by module (`PROVISIONER_LOG`).
   *
   * @default - the function's own default
   */
  readonly log?: string;
}

/** Recipients and thresholds of alarms. */
export interface AlarmProps {
  /**
   * The topic.
   *
   * @default - one is created
   */
  readonly topic?: sns.ITopic;

  /**
   * E-mail address that is subscribed to the topic; its owner must confirm.
   *
   * @default - no subscription
   */
  readonly email?: string;

  /**
   * Time without a finished scan after which `scan-late` is on. Required where the shortest schedule is a `cron(…)`.
   *
   * @default - three times the rate, and 15 minutes at least
   */
  readonly lateAfter?: Duration;

  /**
   * Age of the oldest provision request above which `messages-old` is on.
   *
   * @default Duration.hours(1)
   */
  readonly oldestMessage?: Duration;

  /**
   * Failing users that raise no alarm.
   *
   * @default 5
   */
  readonly usersFailing?: number;

  /**
   * Address of RUNBOOK.md in the alarms' descriptions, such as a page of an intranet. The section's name follows as `#scan-late`.
   *
   * @default - the description contains the section itself
   */
  readonly runbookUrl?: string;
}

/** Every key as a value: the compiler keeps the list complete, and the check at run time uses it. */
type Keys<T> = Readonly<Record<keyof Required<T>, true>>;
const PROPS: Keys<WorkplaceProvisionerProps> = {
  config: true,
  name: true,
  artefacts: true,
  architecture: true,
  schedules: true,
  schedulesByConnection: true,
  secrets: true,
  vpc: true,
  vpcSubnets: true,
  securityGroups: true,
  directoryPeers: true,
  vpcEndpoints: true,
  fixedEgress: true,
  httpsProxy: true,
  observe: true,
  usersPerInvocation: true,
  tracing: true,
  encryptionKey: true,
  table: true,
  rolePath: true,
  scan: true,
  provision: true,
  logRetention: true,
  alarms: true,
  provisioner: true,
  removalPolicy: true,
};
const SCHEDULES: Keys<SchedulesProps> = { incremental: true, full: true, timezone: true };
const SECRETS: Keys<SecretsProps> = { existing: true, given: true, check: true, keys: true };
const FUNCTION: Keys<FunctionProps> = { memorySize: true, reservedConcurrentExecutions: true, log: true };
const ALARMS: Keys<AlarmProps> = {
  topic: true,
  email: true,
  lateAfter: true,
  oldestMessage: true,
  usersFailing: true,
  runbookUrl: true,
};

/** Refuses an unknown prop, because a misspelt one would silently be the default. */
export function checkProps(props: WorkplaceProvisionerProps): void {
  checkKeys("prop", props, PROPS);
  checkKeys("prop schedules.", props.schedules, SCHEDULES);
  for (const [connection, schedules] of Object.entries(props.schedulesByConnection ?? {})) {
    checkKeys(`prop schedulesByConnection.${connection}.`, schedules, SCHEDULES);
  }
  checkKeys("prop secrets.", props.secrets, SECRETS);
  checkKeys("prop scan.", props.scan, FUNCTION);
  checkKeys("prop provision.", props.provision, FUNCTION);
  checkKeys("prop alarms.", props.alarms, ALARMS);
}

function checkKeys(place: string, given: object | undefined, known: Readonly<Record<string, true>>): void {
  for (const key of Object.keys(given ?? {})) {
    if (key in known) continue;
    const name = place.endsWith(".") ? `${place}${key}` : `${place} ${key}`;
    throw new Mistake(`unknown ${name}${hint(key, Object.keys(known))}`);
  }
}
