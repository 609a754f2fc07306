import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as actions from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";

/** Every alarm there is; each has a section of this name in the runbook. */
export const ALARMS = [
  "scan-failing",
  "scan-late",
  "reads-incomplete",
  "removals-held",
  "users-failing",
  "breaker-open",
  "messages-old",
  "dead-letters",
  "missed-scans",
  "target-idle",
] as const;
export type AlarmKind = (typeof ALARMS)[number];

/** Address of the runbook in an alarm's mail. */
const RUNBOOK = "infra/RUNBOOK.md#";

/** What an alarm looks at, and what it says. */
export interface Watch extends Pick<cloudwatch.AlarmProps, "threshold" | "evaluationPeriods" | "treatMissingData"> {
  readonly kind: AlarmKind;
  /** The connection, for those of one alone. */
  readonly connection?: string;
  readonly metric: cloudwatch.IMetric;
  /** What it means, in one sentence. */
  readonly meaning: string;
  /** @default GREATER_THAN_OR_EQUAL_TO_THRESHOLD */
  readonly comparisonOperator?: cloudwatch.ComparisonOperator;
}

/** Makes an alarm that tells the topic when it begins and when it ends. */
export function createAlarm(scope: Construct, name: string, topic: sns.ITopic, watch: Watch): cloudwatch.Alarm {
  const { kind, connection, meaning, metric, ...rest } = watch;
  const parts = connection === undefined ? [kind] : [connection, kind];
  const alarm = new cloudwatch.Alarm(scope, ["Alarm", ...parts].join("-"), {
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    ...rest,
    metric,
    alarmName: [name, ...parts].join("-"),
    alarmDescription: `${meaning}. What to do: ${RUNBOOK}${kind}`,
  });
  alarm.addAlarmAction(new actions.SnsAction(topic));
  alarm.addOkAction(new actions.SnsAction(topic));
  return alarm;
}
