import * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";

import type { Connection } from "./connections/connection.ts";
import { Mistake } from "./mistake.ts";
import type { NetworkProps } from "./props.ts";

const ANYWHERE = "0.0.0.0/0";

/** Where the functions' network interfaces are. */
export function placement(
  scope: Construct,
  network: NetworkProps,
  connections: readonly Connection[],
): lambda.CfnFunction.VpcConfigProperty {
  const { vpcId, subnetIds, securityGroupIds, directoryCidr = ANYWHERE } = network;
  if (subnetIds.length === 0) {
    throw new Mistake(`network: no subnets of ${vpcId} are named; name private ones from which the directory can be reached`);
  }
  return {
    subnetIds: [...subnetIds],
    securityGroupIds: [...(securityGroupIds ?? [securityGroup(scope, vpcId, directoryCidr, connections)])],
  };
}

function securityGroup(
  scope: Construct,
  vpcId: string,
  directoryCidr: string,
  connections: readonly Connection[],
): string {
  const ports = [...new Set(connections.map(({ directoryPort }) => directoryPort))].sort((a, b) => a - b);
  const out = (port: number, cidrIp: string, description: string): ec2.CfnSecurityGroup.EgressProperty => ({
    ipProtocol: "tcp",
    fromPort: port,
    toPort: port,
    cidrIp,
    description,
  });
  const group = new ec2.CfnSecurityGroup(scope, "SecurityGroup", {
    vpcId,
    groupDescription: "The provisioner: out to the directories, the targets and AWS, and nothing in",
    securityGroupEgress: [
      out(443, ANYWHERE, "The targets and the services of AWS"),
      ...ports.map((port) => out(port, directoryCidr, "The directories")),
    ],
  });
  return group.attrGroupId;
}
