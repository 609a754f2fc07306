import { RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";

import { WorkplaceProvisioner } from "../provisioner.ts";
import { readSettings, removesAll } from "./settings.ts";

/** One provisioner, as the settings describe it. */
export class ProvisionerStack extends Stack {
  readonly provisioner: WorkplaceProvisioner;

  constructor(scope: Construct, props: StackProps = {}) {
    const context = scope.node.getAllContext() as Record<string, unknown>;
    const settings = readSettings(context);
    super(scope, settings.name ?? "provisioner", {
      description: "Keeps the accounts of Workplace in step with a directory",
      ...props,
    });
    this.provisioner = new WorkplaceProvisioner(this, "Provisioner", {
      ...settings,
      ...(removesAll(context) ? { removalPolicy: RemovalPolicy.DESTROY } : {}),
    });
  }
}
