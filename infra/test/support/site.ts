import * as fs from "node:fs";
import * as path from "node:path";
import { App, DefaultStackSynthesizer, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";

import { WorkplaceProvisioner, type WorkplaceProvisionerProps } from "../../lib/index.ts";
import { writeArtefacts } from "./artefacts.ts";
import { connectionToml, writeFolder } from "./connections.ts";
import { temporaryFolder } from "./folder.ts";

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

export function synthesise(props: Partial<WorkplaceProvisionerProps> = {}, at: Site = site()): Synthesised {
  const app = new App({ outdir: path.join(at.folder, "cdk.out"), context, analyticsReporting: false });
  const stack = new Stack(app, "provisioner", { synthesizer: new DefaultStackSynthesizer({ generateBootstrapVersionRule: false }) });
  const { config, artefacts } = at;
  const provisioner = new WorkplaceProvisioner(stack, "Provisioner", { config, artefacts, ...props });
  return { app, stack, provisioner };
}

export function template(props: Partial<WorkplaceProvisionerProps> = {}, at: Site = site()): Template {
  return Template.fromStack(synthesise(props, at).stack);
}
