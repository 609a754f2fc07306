import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { ArnFormat, type RemovalPolicy, Stack, Token } from "aws-cdk-lib";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";

import type { Connection } from "../connections/connection.ts";
import { explain } from "../explain.ts";
import { hint, Mistake } from "../mistake.ts";
import type { SecretsProps } from "../props.ts";

/** The ARNs that the functions' roles name, by purpose. */
export interface SecretArns {
  readonly directory: readonly string[];
  readonly target: readonly string[];
}

/**
 * Secrets exist already, or they are created empty. Their values are never in the template, which many may
 * read.
 */
export function createSecrets(
  scope: Construct,
  connections: readonly Connection[],
  props: SecretsProps,
  key: kms.IKey,
  removalPolicy: RemovalPolicy,
): SecretArns {
  const named = new Map<string, string>();
  for (const { directorySecret, targetSecret, name } of connections) {
    if (directorySecret !== undefined) named.set(directorySecret, `the directory of ${name}`);
    if (!named.has(targetSecret)) named.set(targetSecret, `the target of ${name}`);
  }
  const existing = existingOf(props, [...named.keys()]);
  const { given = {} } = props;
  if (props.check === true) checkExistence(scope, existing);
  const arns = new Map<string, string>();
  for (const [id, purpose] of named) {
    const own = given[id];
    arns.set(id, own !== undefined ? own.secretArn : existing.includes(id) ? arnOf(scope, id) : create(scope, id, purpose, key, removalPolicy));
  }
  const select = (ids: (string | undefined)[]): string[] => [
    ...new Set(ids.flatMap((id) => (id === undefined ? [] : (arns.get(id) ?? [])))),
  ];
  return {
    directory: select(connections.map(({ directorySecret }) => directorySecret)),
    target: select(connections.map(({ targetSecret }) => targetSecret)),
  };
}

/** Customer managed keys of the secrets that exist. */
export function secretKeys({ keys = [], given = {} }: SecretsProps): string[] {
  return [...new Set([...keys, ...Object.values(given).flatMap(({ encryptionKey }) => encryptionKey?.keyArn ?? [])])];
}

/** An ARN names something that is there. */
const isArn = (id: string): boolean => id.startsWith("arn:");

function existingOf({ existing = [], given = {} }: SecretsProps, named: readonly string[]): string[] {
  if (existing === "all") return [...named].filter((id) => given[id] === undefined);
  for (const id of [...existing, ...Object.keys(given)]) {
    if (!named.includes(id)) {
      throw new Mistake(`existing secrets: no connection names a secret "${id}"${hint(id, named)}`);
    }
  }
  return named.filter((id) => isArn(id) || existing.includes(id));
}

function checkExistence(scope: Construct, ids: readonly string[]): void {
  if (ids.length === 0) return;
  const { region } = Stack.of(scope);
  const own = Token.isUnresolved(region) ? process.env["CDK_DEFAULT_REGION"] : region;
  const program = fileURLToPath(new URL("exists.mjs", import.meta.url));
  const env = own === undefined ? process.env : { ...process.env, AWS_REGION: own };
  const run = spawnSync(process.execPath, ["--no-warnings", program, ...ids], { encoding: "utf8", env });
  if (run.status !== 0) {
    const said = run.error?.message ?? run.stderr.trim();
    throw new Mistake(
      `can't ask AWS Secrets Manager for the existing secrets (${said}); set AWS_PROFILE and AWS_REGION, or leave check-secrets out`,
    );
  }
  const [missing, ...others] = JSON.parse(run.stdout) as string[];
  if (missing === undefined) return;
  const more = others.length === 0 ? "" : ` (nor ${others.map((id) => `"${id}"`).join(", ")})`;
  throw new Mistake(
    `existing secrets: there is no secret "${missing}"${more} in ${env["AWS_REGION"] ?? "this region"}; create it, or remove it from the existing secrets to have it created empty`,
  );
}

/** Secrets Manager adds six random characters to the name. */
function arnOf(scope: Construct, id: string): string {
  if (isArn(id)) return /-[A-Za-z0-9]{6}$/.test(id) ? id : `${id}-??????`;
  return Stack.of(scope).formatArn({
    service: "secretsmanager",
    resource: "secret",
    resourceName: `${id}-??????`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}

/** Names that differ in a separator alone, such as `corp/x` and `corp-x`, have different ids. */
function constructId(id: string): string {
  const hash = createHash("sha256").update(id).digest("hex").slice(0, 8);
  return `Secret-${id.replaceAll(/[^A-Za-z0-9]/g, "-")}-${hash}`;
}

function create(
  scope: Construct,
  id: string,
  purpose: string,
  key: kms.IKey,
  removalPolicy: RemovalPolicy,
): string {
  // The higher-level construct would generate a password; an empty secret is easier to notice.
  const secret = new secretsmanager.CfnSecret(scope, constructId(id), {
    name: id,
    description: `Credentials for ${purpose}, read by the provisioner`,
    kmsKeyId: key.keyArn,
  });
  secret.applyRemovalPolicy(removalPolicy);
  const reason =
    "The directory's password and the target's token are issued by systems that AWS can't rotate them in; the functions read a renewed value by themselves";
  explain(secret, { "AwsSolutions-SMG4": reason, "NIST.800.53.R5-SecretsManagerRotationEnabled": reason });
  return secret.ref;
}
