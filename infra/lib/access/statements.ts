import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

/** One statement of a role's policy. */
export interface Right {
  /** A policy statement's id: letters and digits. */
  readonly sid: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly effect?: iam.Effect;
}

/** Actions that AWS does not limit to a resource, each with the reason. `*` with any other action is a mistake. */
export const UNLIMITED: Readonly<Record<string, string>> = {
  "xray:PutTelemetryRecords": "X-Ray has no resource for it",
  "xray:PutTraceSegments": "X-Ray has no resource for it",
  "ec2:DescribeNetworkInterfaces": "EC2 can't limit a Describe call to a resource",
  "ec2:DescribeSubnets": "EC2 can't limit a Describe call to a resource",
  "ec2:CreateNetworkInterface": "the interface has no id before Lambda makes it",
  "ec2:DeleteNetworkInterface": "the interface is Lambda's own, and its id is not known in advance",
  "ec2:AssignPrivateIpAddresses": "the interface is Lambda's own, and its id is not known in advance",
  "ec2:UnassignPrivateIpAddresses": "the interface is Lambda's own, and its id is not known in advance",
};

export function statement({ sid, actions, resources, conditions, effect }: Right): iam.PolicyStatement {
  return new iam.PolicyStatement({
    sid,
    effect: effect ?? iam.Effect.ALLOW,
    actions: [...actions],
    resources: [...resources],
    ...(conditions === undefined ? {} : { conditions: { ...conditions } }),
  });
}

/** The customer's key, through the services that use it and not directly. */
export function keyRight(
  scope: Construct,
  sid: string,
  actions: readonly string[],
  keys: readonly string[],
  services: readonly string[],
): Right {
  const { region, urlSuffix } = Stack.of(scope);
  const via = services.map((service) => `${service}.${region}.${urlSuffix}`);
  return { sid, actions, resources: keys, conditions: { StringEquals: { "kms:ViaService": via } } };
}

/** What Lambda does with the role to put a function into a network, and what the function's own code must not do. */
export function networkRights(functionArn: string): Right[] {
  const actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ];
  return [
    { sid: "LambdaManagesInterfaces", actions, resources: ["*"] },
    {
      sid: "TheCodeDoesNot",
      effect: iam.Effect.DENY,
      actions,
      resources: ["*"],
      conditions: { ArnEquals: { "lambda:SourceFunctionArn": functionArn } },
    },
  ];
}
