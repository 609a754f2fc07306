import * as fs from "node:fs";
import { Duration } from "aws-cdk-lib";
import { RetentionDays } from "aws-cdk-lib/aws-logs";

import { hint, Mistake } from "../mistake.ts";
import type { SchedulesProps, WorkplaceProvisionerProps } from "../props.ts";

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
  vpc: "VPC from which the directory can be reached",
  subnets: "private subnets of the VPC, separated by commas",
  "security-groups": "security groups of the functions (one is created)",
  "directory-cidr": "address range of the directories and their name servers, for the created security group; required for it",
  "scan-memory": "MB of memory of the scan function (256)",
  "provision-memory": "MB of memory of the provision function (256)",
  log: "log level of both functions, such as debug",
  "log-days": "retention of logs in days (90)",
  "alarm-email": "recipient of alarm mails",
  "late-after": "hours without a finished scan after which `scan-late` is on",
  "users-failing": "failing users that raise no alarm (0)",
  provisioner: "path of the terminal tool, which checks the connections at synth",
  "remove-all": "true: deleting the stack deletes the state too",
} as const;
type Setting = keyof typeof SETTINGS;

/** Keys that can be set for one connection: `-c incremental.corp='rate(5 minutes)'`. */
const BY_CONNECTION = ["incremental", "full", "timezone"] as const;

type Context = Readonly<Record<string, unknown>>;

/** Turns the settings of the command line, `cdk.json` and `cdk.context.json` into props. */
export function readSettings(given: Context): WorkplaceProvisionerProps {
  const context = withFile(given);
  const said = (setting: Setting): string | undefined => text(setting, context[setting]);
  const list = (setting: Setting): string[] | undefined =>
    said(setting)?.split(",").map((item) => item.trim()).filter((item) => item !== "");
  const number = (setting: Setting): number | undefined => positive(setting, said(setting));
  const existing = said("existing-secrets") === "all" ? ("all" as const) : list("existing-secrets");
  const lateAfter = number("late-after");
  return dropUndefined({
    // The reader of the configuration reports a missing one.
    config: said("config") ?? "",
    name: said("name"),
    artefacts: said("artefacts"),
    architecture: architecture(said("architecture")),
    schedules: dropUndefined({ incremental: said("incremental"), full: said("full"), timezone: said("timezone") }),
    schedulesByConnection: schedulesByConnection(context),
    secrets: dropUndefined({ existing, check: flag("check-secrets", said("check-secrets")), keys: list("secret-keys") }),
    network: network(said("vpc"), list("subnets"), list("security-groups"), said("directory-cidr")),
    scan: dropUndefined({ memoryMb: number("scan-memory"), log: said("log") }),
    provision: dropUndefined({ memoryMb: number("provision-memory"), log: said("log") }),
    logRetention: days(number("log-days")),
    alarms: dropUndefined({
      email: said("alarm-email"),
      lateAfter: lateAfter === undefined ? undefined : Duration.hours(lateAfter),
      usersFailing: nonNegative("users-failing", said("users-failing")),
    }),
    provisioner: said("provisioner"),
  });
}

/** Whether deleting the stack deletes the state. */
export function removesAll(given: Context): boolean {
  return flag("remove-all", text("remove-all", withFile(given)["remove-all"])) ?? false;
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

function network(
  vpcId: string | undefined,
  subnetIds: string[] | undefined,
  securityGroupIds: string[] | undefined,
  directoryCidr: string | undefined,
): WorkplaceProvisionerProps["network"] {
  if (vpcId === undefined) {
    if (subnetIds === undefined && securityGroupIds === undefined && directoryCidr === undefined) return undefined;
    throw new Mistake("vpc is missing: subnets, security-groups and directory-cidr need a VPC (-c vpc=vpc-…)");
  }
  return dropUndefined({ vpcId, subnetIds: subnetIds ?? [], securityGroupIds, directoryCidr });
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
