import type { Duration, RemovalPolicy } from "aws-cdk-lib";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as sns from "aws-cdk-lib/aws-sns";

import type { Machine } from "./functions/elf.ts";
import { hint, Mistake } from "./mistake.ts";

/** What a provisioner is made of. Only `config` must be there. */
export interface WorkplaceProvisionerProps {
  /** A connection's TOML file, or a folder of them: one file a connection. */
  readonly config: string;

  /**
   * What the functions, the alarms and the dashboard are named after: `NAME-scan`, `NAME-provision` and so on.
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
   * The machine that the functions must be for. Leave it out to take what was built.
   *
   * @default - read from the programs themselves
   */
  readonly architecture?: Machine;

  /**
   * When scans start, for every connection that `schedulesByConnection` doesn't name.
   *
   * @default - everything that changed every minute, and everybody every night at 02:15 UTC
   */
  readonly schedules?: SchedulesProps;

  /**
   * When scans start, by connection. What isn't said here is taken from `schedules`.
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
   * The network from which the directory can be reached.
   *
   * @default - none: the functions reach what the internet does
   */
  readonly network?: NetworkProps;

  /**
   * The scan function.
   *
   * @default - 256 MB, one invocation a connection at a time
   */
  readonly scan?: FunctionProps;

  /**
   * The provisioning function.
   *
   * @default - 256 MB, as many invocations as the connections' `target.concurrency` together
   */
  readonly provision?: FunctionProps;

  /**
   * How long logs are kept.
   *
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * Who hears of alarms, and when.
   *
   * @default - a topic that nobody is subscribed to yet
   */
  readonly alarms?: AlarmProps;

  /**
   * The terminal tool, to check each connection file with: `provisioner check --offline`.
   *
   * @default - the connection's JSON Schema alone
   */
  readonly provisioner?: string;

  /**
   * What becomes of the table, the key, the secrets and the logs when the stack is deleted. Anything but RETAIN also
   * lifts the table's deletion protection.
   *
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy;
}

/** When the scans of a connection start. */
export interface SchedulesProps {
  /**
   * A scan that reads no more than it must: `rate(…)`, `cron(…)` or "off".
   *
   * @default "rate(1 minute)"
   */
  readonly incremental?: string;

  /**
   * A scan of everybody: `rate(…)`, `cron(…)` or "off".
   *
   * @default "cron(15 2 * * ? *)"
   */
  readonly full?: string;

  /**
   * The time zone of `cron(…)`.
   *
   * @default "UTC"
   */
  readonly timezone?: string;
}

/** The secrets that the connections name. */
export interface SecretsProps {
  /**
   * Those that are there already, by the names that the connections use, or "all". An ARN is always taken for one that
   * is there.
   *
   * @default - none: each is created empty
   */
  readonly existing?: readonly string[] | "all";

  /**
   * Asks AWS at synth whether the existing ones are there, with the credentials and the region of the environment.
   *
   * @default false - synth needs no account
   */
  readonly check?: boolean;

  /**
   * ARNs of the customer keys that existing secrets are encrypted with.
   *
   * @default - none: they use the account's own key for Secrets Manager
   */
  readonly keys?: readonly string[];
}

/** The network from which the directory can be reached. It must also lead to AWS's services and to the target. */
export interface NetworkProps {
  /** The VPC. */
  readonly vpcId: string;

  /** Private subnets with a way out: a NAT gateway, or endpoints for AWS's services and a proxy for the target. */
  readonly subnetIds: readonly string[];

  /**
   * Security groups of the functions.
   *
   * @default - one is made that lets out HTTPS and the directories' ports, and nothing in
   */
  readonly securityGroupIds?: readonly string[];

  /**
   * Where the directories are, for the security group that is made.
   *
   * @default "0.0.0.0/0"
   */
  readonly directoryCidr?: string;
}

/** One function. */
export interface FunctionProps {
  /**
   * Memory, which brings processor time in proportion.
   *
   * @default 256
   */
  readonly memoryMb?: number;

  /**
   * How many invocations there may be at a time, set aside from the account's total.
   *
   * @default - for `scan` as many as there are connections, for `provision` none are set aside
   */
  readonly reservedConcurrency?: number;

  /**
   * What is logged: a level, or levels by part of the program (`PROVISIONER_LOG`).
   *
   * @default - the function's own default
   */
  readonly log?: string;
}

/** Who hears of alarms, and when. */
export interface AlarmProps {
  /**
   * The topic.
   *
   * @default - one is made
   */
  readonly topic?: sns.ITopic;

  /**
   * An e-mail address that is subscribed to the topic; its owner has to confirm.
   *
   * @default - nobody
   */
  readonly email?: string;

  /**
   * After how long without a finished scan it is late. Needed where the shortest schedule is a `cron(…)`.
   *
   * @default - three times the rate, and 15 minutes at least
   */
  readonly lateAfter?: Duration;

  /**
   * How old the oldest wake-up may get.
   *
   * @default Duration.hours(1)
   */
  readonly oldestMessage?: Duration;

  /**
   * How many users may be failing.
   *
   * @default 0
   */
  readonly usersFailing?: number;
}

/** Every key, as a value: the compiler keeps the list complete, and JavaScript and JSON meet it at run time. */
type Keys<T> = Readonly<Record<keyof Required<T>, true>>;
const PROPS: Keys<WorkplaceProvisionerProps> = {
  config: true,
  name: true,
  artefacts: true,
  architecture: true,
  schedules: true,
  schedulesByConnection: true,
  secrets: true,
  network: true,
  scan: true,
  provision: true,
  logRetention: true,
  alarms: true,
  provisioner: true,
  removalPolicy: true,
};
const SCHEDULES: Keys<SchedulesProps> = { incremental: true, full: true, timezone: true };
const SECRETS: Keys<SecretsProps> = { existing: true, check: true, keys: true };
const NETWORK: Keys<NetworkProps> = { vpcId: true, subnetIds: true, securityGroupIds: true, directoryCidr: true };
const FUNCTION: Keys<FunctionProps> = { memoryMb: true, reservedConcurrency: true, log: true };
const ALARMS: Keys<AlarmProps> = {
  topic: true,
  email: true,
  lateAfter: true,
  oldestMessage: true,
  usersFailing: true,
};

/** Refuses a prop that doesn't exist: one that is misspelt would be a default that nobody chose. */
export function checkProps(props: WorkplaceProvisionerProps): void {
  checkKeys("prop", props, PROPS);
  checkKeys("prop schedules.", props.schedules, SCHEDULES);
  for (const [connection, schedules] of Object.entries(props.schedulesByConnection ?? {})) {
    checkKeys(`prop schedulesByConnection.${connection}.`, schedules, SCHEDULES);
  }
  checkKeys("prop secrets.", props.secrets, SECRETS);
  checkKeys("prop network.", props.network, NETWORK);
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
