import * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";

import type { Connection } from "./connections/connection.ts";
import { Mistake } from "./mistake.ts";
import type { NetworkProps } from "./props.ts";

const ANYWHERE = "0.0.0.0/0";

/** Where the scan function's network interfaces are. */
export function placement(
  scope: Construct,
  network: NetworkProps,
  connections: readonly Connection[],
): lambda.CfnFunction.VpcConfigProperty {
  const { vpcId, subnetIds, securityGroupIds, directoryCidr } = network;
  if (subnetIds.length === 0) {
    throw new Mistake(`network: no subnets of ${vpcId} are named; name private ones from which the directory can be reached`);
  }
  if (securityGroupIds !== undefined) return { subnetIds: [...subnetIds], securityGroupIds: [...securityGroupIds] };
  if (directoryCidr === undefined) {
    throw new Mistake(
      `network: the address range of the directories in ${vpcId} is missing; name it (directory-cidr), or name security groups (security-groups)`,
    );
  }
  return { subnetIds: [...subnetIds], securityGroupIds: [securityGroup(scope, vpcId, directoryCidr, connections)] };
}

function securityGroup(
  scope: Construct,
  vpcId: string,
  directoryCidr: string,
  connections: readonly Connection[],
): string {
  const ports = [...new Set(connections.flatMap(({ directoryPorts }) => directoryPorts))].sort((a, b) => a - b);
  const out = (
    ipProtocol: string,
    port: number,
    cidrIp: string,
    description: string,
  ): ec2.CfnSecurityGroup.EgressProperty => ({ ipProtocol, fromPort: port, toPort: port, cidrIp, description });
  const names = "Name servers, which in a domain are its controllers";
  const group = new ec2.CfnSecurityGroup(scope, "SecurityGroup", {
    vpcId,
    groupDescription: "The provisioner: out to the directories and AWS, and nothing in",
    securityGroupEgress: [
      out("tcp", 443, ANYWHERE, "The services of AWS"),
      // Amazon's own resolver needs no rule; those that DHCP options name do.
      out("tcp", 53, directoryCidr, names),
      out("udp", 53, directoryCidr, names),
      ...ports.map((port) => out("tcp", port, directoryCidr, "The directories")),
    ],
  });
  return group.attrGroupId;
}
