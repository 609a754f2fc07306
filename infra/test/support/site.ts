import * as fs from "node:fs";
import * as path from "node:path";
import { App, DefaultStackSynthesizer, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";

import type { NetworkSettings } from "../../lib/app/settings.ts";
import { importNetwork } from "../../lib/app/stack.ts";
import { WorkplaceProvisioner, type WorkplaceProvisionerProps } from "../../lib/index.ts";
import { writeArtefacts } from "./artefacts.ts";
import { connectionToml, writeFolder } from "./connections.ts";
import { temporaryFolder } from "./folder.ts";

// The CDK's validation of each template takes most of a test's time. The test with cfn-lint and those that run the command line do it.
process.env["CDK_VALIDATION"] ??= "false";

/** What an administrator has: connection files and built functions. */
export interface Site {
  readonly folder: string;
  readonly config: string;
  readonly artefacts: string;
}

export function site(files: Readonly<Record<string, string>> = { "corp.toml": connectionToml() }): Site {
  const folder = temporaryFolder();
  const config = writeFolder(path.join(folder, "connections"), files);
  return { folder, config, artefacts: writeArtefacts(path.join(folder, "lambda")) };
}

/** What `cdk.json` says, so that tests see what the command line makes. */
const { context } = JSON.parse(fs.readFileSync(new URL("../../cdk.json", import.meta.url), "utf8")) as {
  context: Record<string, unknown>;
};

/** A stack with a provisioner in it. */
export interface Synthesised {
  readonly app: App;
  readonly stack: Stack;
  readonly provisioner: WorkplaceProvisioner;
}

/** Props, or those that need the stack. */
export type Given = Partial<WorkplaceProvisionerProps> | ((stack: Stack) => Partial<WorkplaceProvisionerProps>);

export function synthesise(props: Given = {}, at: Site = site()): Synthesised {
  const app = new App({ outdir: path.join(at.folder, "cdk.out"), context, analyticsReporting: false });
  const stack = new Stack(app, "provisioner", { synthesizer: new DefaultStackSynthesizer({ generateBootstrapVersionRule: false }) });
  const { config, artefacts } = at;
  const provisioner = new WorkplaceProvisioner(stack, "Provisioner", { config, artefacts, ...(typeof props === "function" ? props(stack) : props) });
  return { app, stack, provisioner };
}

/** A network by ids, as the settings name it. */
export const NETWORK: NetworkSettings = {
  vpcId: "vpc-0123456789abcdef0",
  subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
  routeTableIds: ["rtb-0123456789abcdef0"],
  securityGroupIds: undefined,
  directoryCidrs: ["10.0.0.0/16"],
};

/** Every part that is opt-in. */
export const EVERYTHING: Given = (stack) => ({
  ...importNetwork(stack, NETWORK),
  vpcEndpoints: true,
  fixedEgress: true,
  tracing: true,
  secrets: { existing: ["corp/directory"], keys: ["arn:aws:kms:eu-west-1:111122223333:key/EXAMPLE"] },
  alarms: { email: "it@corp.example" },
});

export function template(props: Given = {}, at: Site = site()): Template {
  return Template.fromStack(synthesise(props, at).stack);
}
