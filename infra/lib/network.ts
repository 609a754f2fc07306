import { Annotations, CfnOutput, Fn, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";

import type { Connection } from "./connections/connection.ts";
import { explain } from "./explain.ts";
import { Mistake } from "./mistake.ts";
import type { WorkplaceProvisionerProps } from "./props.ts";

const HTTPS = 443;
/** Services that the scan function calls by an interface endpoint. Lambda itself sends its logs, so it needs none for them. */
export const INTERFACE_SERVICES = ["sqs", "secretsmanager", "lambda"] as const;
/** Range of the VPC for fixed egress. Nothing is connected to it, so it may be in use elsewhere. */
const EGRESS_RANGE = "10.255.0.0/24";
/** Zones, NAT gateways and addresses of fixed egress: an outage of one zone leaves the other. */
const EGRESS_ZONES = 2;

/** Network of one function. */
export interface FunctionNetwork {
  readonly vpc: ec2.IVpc;
  readonly vpcSubnets: ec2.SubnetSelection;
  readonly securityGroups: ec2.ISecurityGroup[];
}

/** The network of the scan function, if the directories are in a VPC. */
export function scanNetwork(
  scope: Construct,
  props: WorkplaceProvisionerProps,
  connections: readonly Connection[],
): FunctionNetwork | undefined {
  const { vpc, vpcSubnets = {}, securityGroups, directoryPeers, vpcEndpoints = false } = props;
  if (vpc === undefined) {
    const given = Object.entries({ vpcSubnets: props.vpcSubnets, securityGroups, directoryPeers, vpcEndpoints: props.vpcEndpoints });
    const [key] = given.find(([, value]) => value !== undefined && value !== false) ?? [];
    if (key !== undefined) throw new Mistake(`vpc is missing: ${key} needs a VPC`);
    return undefined;
  }
  const network = { vpc, vpcSubnets, securityGroups: groups(scope, vpc, props, connections) };
  if (vpcEndpoints) createEndpoints(scope, network);
  return network;
}

function groups(
  scope: Construct,
  vpc: ec2.IVpc,
  { securityGroups, directoryPeers = [] }: WorkplaceProvisionerProps,
  connections: readonly Connection[],
): ec2.ISecurityGroup[] {
  if (securityGroups !== undefined) return [...securityGroups];
  if (directoryPeers.length === 0) {
    throw new Mistake(
      "vpc: the addresses of the directories are missing; name their range (directory-cidr), or name security groups (security-groups)",
    );
  }
  const ports = new Set(connections.flatMap(({ directoryPorts }) => directoryPorts));
  const group = egressGroup(scope, "SecurityGroup", vpc, "The provisioner: out to the directories and AWS, and nothing in");
  group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(HTTPS), "The services of AWS");
  for (const peer of directoryPeers) {
    // Amazon's own resolver needs no rule; those that DHCP options name do.
    for (const port of [ec2.Port.tcp(53), ec2.Port.udp(53)]) {
      group.addEgressRule(peer, port, "Name servers, which in a domain are its controllers");
    }
    for (const port of [...ports].sort((a, b) => a - b)) group.addEgressRule(peer, ec2.Port.tcp(port), "The directories");
  }
  return [group];
}

function egressGroup(scope: Construct, id: string, vpc: ec2.IVpc, description: string): ec2.SecurityGroup {
  return new ec2.SecurityGroup(scope, id, { vpc, description, allowAllOutbound: false });
}

/** Endpoints of AWS's services in the subnets of the scan function. */
function createEndpoints(scope: Construct, { vpc, vpcSubnets, securityGroups }: FunctionNetwork): void {
  const { vpcId } = vpc;
  const { subnets, subnetIds } = vpc.selectSubnets(vpcSubnets);
  const routeTableIds = [...new Set(subnets.map(({ routeTable }) => routeTable?.routeTableId))];
  if (!routeTableIds.every((id) => id !== undefined)) {
    throw new Mistake("vpcEndpoints: the route tables of the subnets are unknown; name them (route-tables), one for all or one for each subnet");
  }
  const group = egressGroup(scope, "EndpointSecurityGroup", vpc, "The provisioner: from the scan function to AWS");
  for (const from of securityGroups) group.addIngressRule(from, ec2.Port.tcp(HTTPS), "The scan function");
  const serviceName = (service: string): string => `com.amazonaws.${Stack.of(scope).region}.${service}`;
  new ec2.CfnVPCEndpoint(scope, "Endpoint-dynamodb", {
    vpcId,
    serviceName: serviceName("dynamodb"),
    vpcEndpointType: "Gateway",
    routeTableIds,
  });
  for (const service of INTERFACE_SERVICES) {
    new ec2.CfnVPCEndpoint(scope, `Endpoint-${service}`, {
      vpcId,
      serviceName: serviceName(service),
      vpcEndpointType: "Interface",
      subnetIds,
      securityGroupIds: [group.securityGroupId],
      privateDnsEnabled: true,
    });
  }
}

/** A VPC for the provision function, with addresses that a target can allow. */
export function fixedEgress(scope: Construct, connections: readonly Connection[], proxy: string | undefined): FunctionNetwork {
  const zones = Array.from({ length: EGRESS_ZONES }, (_, zone) => zone + 1);
  const addresses = zones.map((zone) => new ec2.CfnEIP(scope, `EgressAddress${zone}`, { domain: "vpc" }));
  const vpc = new ec2.Vpc(scope, "EgressVpc", {
    ipAddresses: ec2.IpAddresses.cidr(EGRESS_RANGE),
    maxAzs: EGRESS_ZONES,
    natGateways: EGRESS_ZONES,
    natGatewayProvider: ec2.NatProvider.gateway({ eipAllocationIds: addresses.map(({ attrAllocationId }) => attrAllocationId) }),
    subnetConfiguration: [
      { name: "Public", subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false },
      { name: "Private", subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
    ],
    gatewayEndpoints: { DynamoDb: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB } },
    // Closing the default group takes a function of its own. No interface is in that group.
    restrictDefaultSecurityGroup: false,
  });
  explainEgress(vpc);
  const ports = new Set([HTTPS, ...connections.map(({ targetPort }) => targetPort), ...(proxy === undefined ? [] : [proxyPort(proxy)])]);
  const group = egressGroup(scope, "EgressSecurityGroup", vpc, "The provisioner: out to the targets and AWS, and nothing in");
  for (const port of ports) group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(port), "The targets and the services of AWS");
  new CfnOutput(scope, "EgressAddresses", {
    value: Fn.join(",", addresses.map(({ ref }) => ref)),
    description: "Addresses that the target sees; name all of them in its allow-list",
  });
  return { vpc, vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }, securityGroups: [group] };
}

function explainEgress(vpc: ec2.Vpc): void {
  const flowLogs = "Only the provision function is in the VPC, and its metrics and logs describe its requests; flow logs would repeat the addresses";
  explain(vpc, {
    "AwsSolutions-VPC7": flowLogs,
    "NIST.800.53.R5-VPCFlowLogsEnabled": flowLogs,
    "NIST.800.53.R5-VPCDefaultSecurityGroupClosed": "No network interface is in the default group, and closing it takes a function with the permission to change groups",
  });
  for (const { node } of vpc.publicSubnets) {
    explain(node.findChild("DefaultRoute"), {
      "NIST.800.53.R5-VPCNoUnrestrictedRouteToIGW": "Only the NAT gateways are in this subnet, and they are the way to the target",
    });
  }
}

function proxyPort(proxy: string): number {
  const { port, protocol } = new URL(proxy);
  if (port !== "") return Number(port);
  return protocol === "https:" ? HTTPS : 80;
}

/** The proxy's address, if it can be put into the configuration of a function. */
export function checkProxy(proxy: string): string {
  if (!/^https?:\/\//.test(proxy) || !URL.canParse(proxy)) {
    throw new Mistake("httpsProxy (https-proxy): is no URL; write http://HOST:PORT");
  }
  const { username, password } = new URL(proxy);
  // The text is not shown, because it holds a password.
  if (username === "" && password === "") return proxy;
  throw new Mistake(
    "httpsProxy (https-proxy): contains credentials, which would be readable with the permission to read the function's configuration; allow the function's addresses at the proxy instead (fixed-egress)",
  );
}

/** A subnet that is known by its id alone has no route table; the CDK warns of that, and the endpoints check it. */
export function importSubnet(scope: Construct, subnetId: string, routeTableId: string | undefined): ec2.ISubnet {
  const subnet = ec2.Subnet.fromSubnetAttributes(scope, `Subnet-${subnetId}`, { subnetId, ...(routeTableId === undefined ? {} : { routeTableId }) });
  Annotations.of(subnet).acknowledgeWarning("@aws-cdk/aws-ec2:noSubnetRouteTableId");
  return subnet;
}
