import type * as kms from "aws-cdk-lib/aws-kms";
import * as sns from "aws-cdk-lib/aws-sns";
import * as subscriptions from "aws-cdk-lib/aws-sns-subscriptions";
import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

import { explain } from "../explain.ts";
import type { AlarmProps } from "../props.ts";

/** The topic that alarms are sent to. */
export function alarmTopic(scope: Construct, name: string, key: kms.IKey, { topic, email }: AlarmProps): sns.ITopic {
  const used = topic ?? createTopic(scope, name, key);
  if (email !== undefined) {
    const subscription = used.addSubscription(new subscriptions.EmailSubscription(email));
    explain(subscription, { "Serverless-SNSRedrivePolicy": "A mail is handed over to a mail server once; the alarm stays visible in CloudWatch" });
  }
  return used;
}

function createTopic(scope: Construct, name: string, key: kms.IKey): sns.Topic {
  const topic = new sns.Topic(scope, "Alarms", { displayName: `${name} alarms`, masterKey: key, enforceSSL: true });
  // With a policy of its own, a topic loses the one that lets the account's alarms in.
  topic.addToResourcePolicy(
    new iam.PolicyStatement({
      sid: "AlarmsOfThisAccount",
      principals: [new iam.ServicePrincipal("cloudwatch.amazonaws.com")],
      actions: ["sns:Publish"],
      resources: [topic.topicArn],
      conditions: { StringEquals: { "aws:SourceAccount": Stack.of(scope).account } },
    }),
  );
  return topic;
}
