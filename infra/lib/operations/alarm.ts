import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as actions from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";

import { type AlarmKind, runbookText } from "./runbook.ts";

/** CloudWatch's limit for a description. */
const LONGEST_DESCRIPTION = 1024;

/** What an alarm looks at, and what it says. */
export interface Watch extends Pick<cloudwatch.AlarmProps, "threshold" | "evaluationPeriods" | "treatMissingData"> {
  readonly kind: AlarmKind;
  /** The connection, for those of one alone. */
  readonly connection?: string;
  readonly metric: cloudwatch.IMetric;
  /** What it means, in one or two sentences without the last full stop. */
  readonly meaning: string;
  /** @default GREATER_THAN_OR_EQUAL_TO_THRESHOLD */
  readonly comparisonOperator?: cloudwatch.ComparisonOperator;
  /** Whether a metric that was there and is gone is reported. An alarm without any data yet changes no state, so it reports nothing. */
  readonly reportsSilence?: boolean;
}

/** Recipient of the alarms, and what their descriptions name. */
export interface AlarmTarget {
  readonly deployment: string;
  readonly topic: sns.ITopic;
  readonly runbookUrl: string | undefined;
}

/** Makes an alarm that tells the topic when it begins and when it ends. */
export function createAlarm(scope: Construct, target: AlarmTarget, watch: Watch): cloudwatch.Alarm {
  const { kind, connection, meaning, metric, reportsSilence = false, ...rest } = watch;
  const parts = connection === undefined ? [kind] : [connection, kind];
  const alarm = new cloudwatch.Alarm(scope, ["Alarm", ...parts].join("-"), {
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    ...rest,
    metric,
    alarmName: [target.deployment, ...parts].join("-"),
    alarmDescription: describe(target, watch),
  });
  const tell = new actions.SnsAction(target.topic);
  alarm.addAlarmAction(tell);
  alarm.addOkAction(tell);
  if (reportsSilence) alarm.addInsufficientDataAction(tell);
  return alarm;
}

/** A mail has no folder that a relative link could start from: it names an absolute address, or contains the section. */
function describe({ deployment, runbookUrl }: AlarmTarget, { kind, connection, meaning }: Watch): string {
  if (runbookUrl !== undefined) return `${meaning}. What to do: ${runbookUrl}#${kind}`;
  const text = `${meaning}. ${runbookText(kind, { deployment, connection })}`;
  return text.length <= LONGEST_DESCRIPTION ? text : `${text.slice(0, LONGEST_DESCRIPTION - 1)}…`;
}
