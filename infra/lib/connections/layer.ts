import * as fs from "node:fs";
import * as path from "node:path";
import { Stage } from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";

import type { Connection } from "./connection.ts";

/** A layer's content appears here. */
const FOLDER = "connections";
export const CONFIG_PATH = `/opt/${FOLDER}`;

/**
 * The connection files as a layer. Only they and the certificate authorities that they name go in, so that what else
 * lies in the folder, a password perhaps, stays there.
 */
export function connectionLayer(scope: Construct, connections: readonly Connection[]): lambda.LayerVersion {
  // Inside of the assembly, beside the asset that is made of it: there it can be looked at, and goes when that goes.
  const outdir = Stage.of(scope)?.outdir ?? "cdk.out";
  const staged = path.join(outdir, `layer.${scope.node.addr}`);
  fs.rmSync(staged, { recursive: true, force: true });
  for (const { file, authority } of connections) {
    copy(file, path.join(staged, FOLDER, path.basename(file)));
    if (authority !== undefined) {
      copy(path.join(path.dirname(file), authority), path.join(staged, FOLDER, authority));
    }
  }
  return new lambda.LayerVersion(scope, "Configuration", {
    code: lambda.Code.fromAsset(staged),
    compatibleRuntimes: [lambda.Runtime.PROVIDED_AL2023],
    description: `Connections: ${connections.map(({ name }) => name).join(", ")}`.slice(0, 256),
  });
}

function copy(from: string, to: string): void {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, to);
  // Lambda's user is not the owner of what is in a layer.
  fs.chmodSync(to, 0o644);
}
