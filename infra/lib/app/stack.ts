import { Annotations, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";

import { WorkplaceProvisioner } from "../provisioner.ts";
import { CONFIG_MISSING } from "../connections/read.ts";
import { readSettings, removesAll } from "./settings.ts";

/** One provisioner, as the settings describe it. */
export class ProvisionerStack extends Stack {
  /** Undefined without a configuration: then the stack can be listed, bootstrapped and destroyed, and not deployed. */
  readonly provisioner: WorkplaceProvisioner | undefined;

  constructor(scope: Construct, props: StackProps = {}) {
    const context = scope.node.getAllContext() as Record<string, unknown>;
    const settings = readSettings(context);
    super(scope, settings.name ?? "provisioner", {
      description: "Keeps the accounts of Workplace in step with a directory",
      ...props,
    });
    if (settings.config === "") {
      Annotations.of(this).addError(CONFIG_MISSING);
      return;
    }
    this.provisioner = new WorkplaceProvisioner(this, "Provisioner", {
      ...settings,
      ...(removesAll(context) ? { removalPolicy: RemovalPolicy.DESTROY } : {}),
    });
  }
}
