import * as fs from "node:fs";
import { isIPv4 } from "node:net";
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { RetentionDays } from "aws-cdk-lib/aws-logs";

import { hint, Mistake } from "../mistake.ts";
import type { AlarmProps, SchedulesProps, WorkplaceProvisionerProps } from "../props.ts";

/** The keys of `-c KEY=VALUE`, and their meaning. */
export const SETTINGS = {
  settings: "a JSON file with any of these settings; `-c` overrides it",
  config: "a connection's TOML file, or a folder of them",
  name: "prefix of all names (provisioner)",
  artefacts: "folder with the built functions (../target/lambda)",
  architecture: "required architecture: arm64 or x86_64",
  incremental: "schedule of incremental scans: rate(…), cron(…) or off (rate(1 minute))",
  full: "schedule of full scans (cron(15 2 * * ? *))",
  timezone: "time zone of cron(…) (UTC)",
  "existing-secrets": "names of existing secrets, separated by commas, or all",
  "check-secrets": "true: verify at synth that the existing secrets exist",
  "secret-keys": "ARNs of the customer managed keys of existing secrets",
  vpc: "VPC of the scan function, from which the directory can be reached",
  subnets: "private subnets of the VPC, separated by commas",
  "security-groups": "security groups of the scan function (one is created)",
  "directory-cidr": "address ranges of the directories and their name servers, separated by commas; required for the created security group",
  "vpc-endpoints": "true: create the VPC endpoints that the scan function needs",
  "route-tables": "route tables of the subnets, for vpc-endpoints: one for all, or one for each",
  "fixed-egress": "true: the provision function calls the target from two fixed addresses",
  "https-proxy": "HTTP proxy between the provision function and the target: http://HOST:PORT",
  observe: "true: scans and alarms run, and nothing is written to a target",
  "users-per-invocation": "users of one invocation of the provision function, 1 to 10 (1)",
  "scan-memory": "MB of memory of the scan function (256)",
  "provision-memory": "MB of memory of the provision function (256)",
  log: "log level of both functions, such as debug",
  tracing: "true: AWS X-Ray traces both functions",
  table: "existing table with the state, such as a restored one (one is created)",
  "log-days": "retention of logs in days (90)",
  "alarm-email": "recipient of alarm mails",
  "late-after": "hours without a finished scan after which `scan-late` is on",
  "users-failing": "failing users that raise no alarm (5)",
  "runbook-url": "address of RUNBOOK.md in alarm mails (the mail contains the section)",
  provisioner: "path of the terminal tool, which checks the connections at synth",
  "remove-all": "true: deleting the stack deletes the state too",
  tags: "tags of all resources: KEY=VALUE, separated by commas",
  "permissions-boundary": "name of the managed policy that is the permissions boundary of all roles",
  "role-path": "path of the roles, such as /provisioner/ (/)",
  qualifier: "qualifier of the account's CDK bootstrap (hnb659fds)",
} as const;
type Setting = keyof typeof SETTINGS;

/** Keys that can be set for one connection: `-c incremental.corp='rate(5 minutes)'`. */
const BY_CONNECTION = ["incremental", "full", "timezone"] as const;

type Context = Readonly<Record<string, unknown>>;

/** Network of the scan function, by ids. */
export interface NetworkSettings {
  readonly vpcId: string;
  readonly subnetIds: readonly string[];
  readonly routeTableIds: readonly string[];
  readonly securityGroupIds: readonly string[] | undefined;
  readonly directoryCidrs: readonly string[];
}

/** Settings of the stack around the provisioner. */
export interface StackSettings {
  readonly tags?: Readonly<Record<string, string>>;
  readonly permissionsBoundary?: string;
  readonly qualifier?: string;
}

/** All settings. */
export interface Settings {
  readonly props: WorkplaceProvisionerProps;
  readonly network: NetworkSettings | undefined;
  readonly table: string | undefined;
  readonly stack: StackSettings;
}

/** Reads one kind of value from the settings. */
interface Reader {
  said(setting: Setting): string | undefined;
  list(setting: Setting): string[] | undefined;
  number(setting: Setting): number | undefined;
  flag(setting: Setting): boolean | undefined;
}

function reader(context: Context): Reader {
  const said = (setting: Setting): string | undefined => text(setting, context[setting]);
  return {
    said,
    list: (setting) => said(setting)?.split(",").map((item) => item.trim()).filter((item) => item !== ""),
    number: (setting) => positive(setting, said(setting)),
    flag: (setting) => flag(setting, said(setting)),
  };
}

/** Reads the settings of the command line, the settings file, `cdk.json` and `cdk.context.json`. */
export function readSettings(given: Context): Settings {
  const context = withFile(given);
  const read = reader(context);
  return { props: readProps(context, read), network: readNetwork(read), table: read.said("table"), stack: readStack(read) };
}

function readProps(context: Context, read: Reader): WorkplaceProvisionerProps {
  const { said, list, number, flag } = read;
  const existing = said("existing-secrets") === "all" ? ("all" as const) : list("existing-secrets");
  return dropUndefined({
    // The reader of the configuration reports a missing one.
    config: said("config") ?? "",
    name: said("name"),
    artefacts: said("artefacts"),
    architecture: architecture(said("architecture")),
    schedules: dropUndefined({ incremental: said("incremental"), full: said("full"), timezone: said("timezone") }),
    schedulesByConnection: schedulesByConnection(context),
    secrets: dropUndefined({ existing, check: flag("check-secrets"), keys: list("secret-keys") }),
    vpcEndpoints: flag("vpc-endpoints"),
    fixedEgress: flag("fixed-egress"),
    httpsProxy: said("https-proxy"),
    observe: flag("observe"),
    usersPerInvocation: number("users-per-invocation"),
    tracing: flag("tracing"),
    rolePath: said("role-path"),
    scan: dropUndefined({ memorySize: number("scan-memory"), log: said("log") }),
    provision: dropUndefined({ memorySize: number("provision-memory"), log: said("log") }),
    logRetention: days(number("log-days")),
    alarms: readAlarms(read),
    provisioner: said("provisioner"),
    removalPolicy: flag("remove-all") === true ? RemovalPolicy.DESTROY : undefined,
  });
}

function readAlarms({ said, number }: Reader): AlarmProps {
  const lateAfter = number("late-after");
  return dropUndefined({
    email: said("alarm-email"),
    lateAfter: lateAfter === undefined ? undefined : Duration.hours(lateAfter),
    usersFailing: nonNegative("users-failing", said("users-failing")),
    runbookUrl: said("runbook-url"),
  });
}

function readNetwork({ said, list, flag }: Reader): NetworkSettings | undefined {
  const vpcId = said("vpc");
  if (vpcId === undefined) {
    const needs = (["subnets", "security-groups", "directory-cidr", "route-tables"] as const).find((setting) => said(setting) !== undefined);
    const needing = needs ?? (flag("vpc-endpoints") === true ? "vpc-endpoints" : undefined);
    if (needing === undefined) return undefined;
    throw new Mistake(`vpc is missing: ${needing} needs a VPC (-c vpc=vpc-…)`);
  }
  const subnetIds = list("subnets") ?? [];
  if (subnetIds.length === 0) {
    throw new Mistake(`subnets: no subnets of ${vpcId} are named; name private ones from which the directory can be reached (-c subnets=subnet-…)`);
  }
  const routeTableIds = list("route-tables") ?? [];
  if (routeTableIds.length > 1 && routeTableIds.length !== subnetIds.length) {
    throw new Mistake(`route-tables: ${routeTableIds.length} are named for ${subnetIds.length} subnets; name one for all, or one for each subnet`);
  }
  return { vpcId, subnetIds, routeTableIds, securityGroupIds: list("security-groups"), directoryCidrs: (list("directory-cidr") ?? []).map(cidr) };
}

function readStack({ said, list }: Reader): StackSettings {
  const tags = list("tags")?.map((item): [string, string] => {
    const [, key, value] = /^([^=]+)=(.*)$/.exec(item) ?? [];
    if (key !== undefined && value !== undefined) return [key, value];
    throw new Mistake(`setting tags: "${item}" is not KEY=VALUE`);
  });
  return dropUndefined({
    tags: tags === undefined ? undefined : Object.fromEntries(tags),
    permissionsBoundary: said("permissions-boundary"),
    qualifier: said("qualifier"),
  });
}

/** The settings with those of the settings file, so that a deployment does not depend on what was typed for the one before. */
function withFile(given: Context): Context {
  checkKeys(given);
  const file = text("settings", given["settings"]);
  if (file === undefined) return given;
  const written = parseFile(file);
  if ("settings" in written) throw new Mistake(`settings: ${file} must not name another settings file`);
  checkKeys(written, `${file}: `);
  return { ...written, ...given };
}

function parseFile(file: string): Context {
  if (!fs.existsSync(file)) throw new Mistake(`settings: there is no file ${file}; name a JSON file with settings`);
  let written: unknown;
  try {
    written = JSON.parse(fs.readFileSync(file, "utf8").replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new Mistake(`settings: ${file} is not JSON: ${(error as Error).message}`);
  }
  if (typeof written === "object" && written !== null && !Array.isArray(written)) return written as Context;
  throw new Mistake(`settings: ${file} must hold one JSON object, such as {"config": "../connections"}`);
}

/** CDK's own keys contain a colon or an at sign. */
function checkKeys(context: Context, place = ""): void {
  for (const key of Object.keys(context)) {
    if (key.includes(":") || key.startsWith("@")) continue;
    const [stem = ""] = key.split(".");
    const known = key in SETTINGS || (key.includes(".") && (BY_CONNECTION as readonly string[]).includes(stem));
    if (!known) throw new Mistake(`${place}unknown setting ${key} (-c ${key}=…)${hint(stem, Object.keys(SETTINGS))}`);
  }
}

function schedulesByConnection(context: Context): Record<string, SchedulesProps> {
  const found: Record<string, Record<string, string>> = {};
  for (const [key, value] of Object.entries(context)) {
    const kind = BY_CONNECTION.find((kind) => key.startsWith(`${kind}.`));
    if (kind === undefined) continue;
    const connection = key.slice(kind.length + 1);
    (found[connection] ??= {})[kind] = text(key, value) ?? "";
  }
  return found;
}

function text(key: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  throw new Mistake(`setting ${key}: must be text, such as -c ${key}=…`);
}

function flag(key: string, value: string | undefined): boolean | undefined {
  if (value === undefined || value === "true" || value === "false") return value === undefined ? undefined : value === "true";
  throw new Mistake(`setting ${key}: "${value}" is neither true nor false`);
}

function positive(key: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[1-9]\d*$/.test(value)) return Number(value);
  throw new Mistake(`setting ${key}: "${value}" is not a whole number from 1 on`);
}

function nonNegative(key: string, value: string | undefined): number | undefined {
  return value === "0" ? 0 : positive(key, value);
}

function cidr(value: string): string {
  const [address = "", bits = ""] = value.split("/");
  if (isIPv4(address) && /^\d{1,2}$/.test(bits) && Number(bits) <= 32) return value;
  throw new Mistake(`setting directory-cidr: "${value}" is no IPv4 address range; write one such as 10.0.0.0/16`);
}

function architecture(value: string | undefined): WorkplaceProvisionerProps["architecture"] {
  if (value === undefined || value === "arm64" || value === "x86_64") return value;
  throw new Mistake(`setting architecture: "${value}" is neither arm64 nor x86_64`);
}

function days(value: number | undefined): RetentionDays | undefined {
  if (value === undefined) return undefined;
  const possible = Object.values(RetentionDays).filter((item): item is number => typeof item === "number" && item < 9999);
  if (possible.includes(value)) return value;
  throw new Mistake(`setting log-days: CloudWatch keeps logs for ${possible.join(", ")} days, not for ${value}`);
}

/** Removes undefined values, so that defaults apply. */
function dropUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}
