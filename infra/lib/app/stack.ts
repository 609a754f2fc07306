import { Annotations, DefaultStackSynthesizer, PermissionsBoundary, Stack, type StackProps } from "aws-cdk-lib";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";

import { CONFIG_MISSING } from "../connections/read.ts";
import { importSubnet } from "../network.ts";
import type { WorkplaceProvisionerProps } from "../props.ts";
import { WorkplaceProvisioner } from "../provisioner.ts";
import { type NetworkSettings, readSettings, type StackSettings } from "./settings.ts";

/** One provisioner, as the settings describe it. */
export class ProvisionerStack extends Stack {
  /** Undefined without a configuration: then the stack can be listed, bootstrapped and destroyed, and not deployed. */
  readonly provisioner: WorkplaceProvisioner | undefined;

  constructor(scope: Construct, props: StackProps = {}) {
    const settings = readSettings(scope.node.getAllContext() as Record<string, unknown>);
    super(scope, settings.props.name ?? "provisioner", {
      description: "Keeps the accounts of a SCIM target in step with an LDAP directory",
      ...stackProps(settings.stack),
      ...props,
    });
    if (settings.props.config === "") {
      Annotations.of(this).addError(CONFIG_MISSING);
      return;
    }
    this.provisioner = new WorkplaceProvisioner(this, "Provisioner", {
      ...settings.props,
      ...importNetwork(this, settings.network),
      ...(settings.table === undefined ? {} : { table: dynamodb.Table.fromTableName(this, "Table", settings.table) }),
    });
  }
}

function stackProps({ tags, permissionsBoundary, qualifier }: StackSettings): StackProps {
  return {
    ...(tags === undefined ? {} : { tags: { ...tags } }),
    ...(permissionsBoundary === undefined ? {} : { permissionsBoundary: PermissionsBoundary.fromName(permissionsBoundary) }),
    ...(qualifier === undefined ? {} : { synthesizer: new DefaultStackSynthesizer({ qualifier }) }),
  };
}

/** Ids instead of look-ups, so that synth needs no account. */
export function importNetwork(
  scope: Construct,
  network: NetworkSettings | undefined,
): Pick<WorkplaceProvisionerProps, "vpc" | "vpcSubnets" | "securityGroups" | "directoryPeers"> {
  if (network === undefined) return {};
  const { vpcId, subnetIds, routeTableIds, securityGroupIds, directoryCidrs } = network;
  const [common] = routeTableIds;
  return {
    vpc: ec2.Vpc.fromVpcAttributes(scope, "Vpc", { vpcId, availabilityZones: Stack.of(scope).availabilityZones }),
    vpcSubnets: { subnets: subnetIds.map((id, at) => importSubnet(scope, id, routeTableIds[at] ?? common)) },
    directoryPeers: directoryCidrs.map((cidr) => ec2.Peer.ipv4(cidr)),
    ...(securityGroupIds === undefined
      ? {}
      : { securityGroups: securityGroupIds.map((id) => ec2.SecurityGroup.fromSecurityGroupId(scope, `SecurityGroup-${id}`, id)) }),
  };
}
