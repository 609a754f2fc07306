import { RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";

/** The customer's key. What it protects names people: the table, the queues, the secrets made here, and the alarms. */
export function customerKey(scope: Construct, name: string, removalPolicy: RemovalPolicy): kms.Key {
  const key = new kms.Key(scope, "Key", {
    description: `${name}: state, queues, secrets and alarms of the provisioner`,
    enableKeyRotation: true,
    removalPolicy,
  });
  // An alarm that can't be encrypted for its topic is lost without a trace.
  key.addToResourcePolicy(
    new iam.PolicyStatement({
      sid: "AlarmsMayBeEncrypted",
      principals: [new iam.ServicePrincipal("cloudwatch.amazonaws.com")],
      actions: ["kms:Decrypt", "kms:GenerateDataKey"],
      resources: ["*"],
      conditions: { StringEquals: { "aws:SourceAccount": Stack.of(scope).account } },
    }),
  );
  return key;
}
