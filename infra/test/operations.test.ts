import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import { Duration } from "aws-cdk-lib";
import { Match } from "aws-cdk-lib/assertions";
import * as sns from "aws-cdk-lib/aws-sns";

import { METRICS } from "../lib/contract.ts";
import { ALARMS } from "../lib/operations/runbook.ts";
import { connectionToml } from "./support/connections.ts";
import { site, synthesise, template } from "./support/site.ts";

const synthesised = template();
interface Alarm {
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Statistic?: string;
  readonly Period: number;
  readonly EvaluationPeriods: number;
  readonly TreatMissingData: string;
  readonly AlarmActions: unknown[];
  readonly OKActions: unknown[];
  readonly InsufficientDataActions?: unknown[];
}
const alarmsOf = (from: typeof synthesised): Alarm[] =>
  Object.values(from.findResources("AWS::CloudWatch::Alarm")).map(({ Properties }) => Properties as Alarm);

/** An alarm in a few words: metric, threshold, window, and treatment of missing data. */
function inShort(from: typeof synthesised): Record<string, string> {
  const entries = Object.values(from.findResources("AWS::CloudWatch::Alarm")).map(({ Properties: p }) => {
    const metric = p.MetricName === undefined ? "an expression" : `${p.Statistic} of ${p.MetricName}`;
    const operator = p.ComparisonOperator === "LessThanThreshold" ? "<" : ">=";
    const windows = `${p.EvaluationPeriods} x ${p.Period === undefined ? "-" : p.Period / 60} min`;
    const reported = p.InsufficientDataActions === undefined ? "" : ", reported";
    return [p.AlarmName, `${metric} ${operator} ${p.Threshold}, ${windows}, silence ${p.TreatMissingData}${reported}`];
  });
  return Object.fromEntries(entries.sort());
}

test("each alarm observes the metric of its name", () => {
  assert.deepEqual(inShort(synthesised), {
    "provisioner-corp-breaker-open": "Maximum of BreakerOpen >= 1, 2 x 5 min, silence ignore",
    "provisioner-corp-dead-letters": "an expression >= 1, 1 x - min, silence notBreaching",
    "provisioner-corp-messages-old": "an expression >= 3600, 3 x - min, silence notBreaching",
    "provisioner-corp-reads-incomplete": "Minimum of IncompleteReads >= 1, 3 x 5 min, silence ignore",
    "provisioner-corp-removals-held": "Maximum of Held >= 1, 1 x 5 min, silence ignore",
    "provisioner-corp-scan-late": "SampleCount of ScanDuration < 1, 3 x 5 min, silence missing, reported",
    "provisioner-corp-target-idle": "SampleCount of TargetLatency < 1, 7 x 1440 min, silence missing, reported",
    "provisioner-corp-users-failing": "Minimum of UsersFailed >= 6, 3 x 5 min, silence ignore",
    "provisioner-events-dropped": "an expression >= 1, 1 x - min, silence notBreaching",
    "provisioner-functions-throttled": "an expression >= 1, 3 x - min, silence notBreaching",
    "provisioner-missed-scans": "Maximum of ApproximateNumberOfMessagesVisible >= 1, 1 x 5 min, silence notBreaching",
    "provisioner-scan-failing": "Sum of Errors >= 1, 3 x 5 min, silence notBreaching",
  });
});

test("a dead letter raises the alarm while it waits and after it was received", () => {
  synthesised.hasResourceProperties("AWS::CloudWatch::Alarm", {
    AlarmName: "provisioner-corp-dead-letters",
    Metrics: Match.arrayWith([
      Match.objectLike({ Expression: "FILL(visible, 0) + FILL(received, 0)" }),
      Match.objectLike({ Id: "visible" }),
      Match.objectLike({ Id: "received" }),
    ]),
  });
});

test("evaluation windows follow the schedule, within CloudWatch's limits", () => {
  const windows = (schedules: object, lateAfter?: Duration): [number, number] => {
    const from = template({ schedules, alarms: { lateAfter } });
    const late = alarmsOf(from).find(({ AlarmName }) => AlarmName.endsWith("scan-late"));
    return [(late?.Period ?? 0) / 60, late?.EvaluationPeriods ?? 0];
  };
  assert.deepEqual(windows({ incremental: "rate(1 minute)" }), [5, 3]);
  assert.deepEqual(windows({ incremental: "rate(10 minutes)" }), [10, 3]);
  assert.deepEqual(windows({ incremental: "rate(1 hour)" }), [60, 3]);
  assert.deepEqual(windows({ incremental: "off", full: "rate(1 day)" }), [1440, 3]);
  assert.deepEqual(windows({ incremental: "off" }, Duration.hours(30)), [600, 3]);
  assert.deepEqual(windows({ incremental: "off" }, Duration.hours(22)), [440, 3]);
  for (const alarm of alarmsOf(template({ schedules: { incremental: "off", full: "rate(2 days)" } }))) {
    const seconds = alarm.Period * alarm.EvaluationPeriods;
    if (alarm.Period !== undefined) assert.ok(seconds <= (alarm.Period < 3600 ? 86_400 : 604_800), alarm.AlarmName);
  }
});

test("a connection without a schedule is never late", () => {
  const names = alarmsOf(template({ schedules: { incremental: "off", full: "off" } })).map(({ AlarmName }) => AlarmName);
  assert.ok(!names.some((name) => name.endsWith("scan-late")));
  assert.ok(names.some((name) => name.endsWith("removals-held")));
});

test("thresholds can be chosen", () => {
  const alarms = { usersFailing: 9, oldestMessage: Duration.minutes(30) };
  const chosen = inShort(template({ alarms }));
  assert.match(chosen["provisioner-corp-users-failing"] ?? "", />= 10,/);
  assert.match(chosen["provisioner-corp-messages-old"] ?? "", />= 1800,/);
});

test("old messages are those that wait or that are received late", () => {
  synthesised.hasResourceProperties("AWS::CloudWatch::Alarm", {
    AlarmName: "provisioner-corp-messages-old",
    Metrics: Match.arrayWith([
      Match.objectLike({ Expression: "MAX([FILL(waiting, 0), FILL(received, 0)])" }),
      Match.objectLike({ MetricStat: Match.objectLike({ Metric: Match.objectLike({ MetricName: "QueueAge" }) }) }),
    ]),
  });
});

test("no alarm is on before the first run, and silence after it is reported", () => {
  for (const { AlarmName, TreatMissingData, AlarmActions, InsufficientDataActions, AlarmDescription } of alarmsOf(synthesised)) {
    assert.notEqual(TreatMissingData, "breaching", AlarmName);
    // A new alarm has the state INSUFFICIENT_DATA from the beginning. Only a change of the state is sent.
    const silent = /-(scan-late|target-idle)$/.test(AlarmName);
    assert.deepEqual(InsufficientDataActions, silent ? AlarmActions : undefined, AlarmName);
    if (silent) assert.match(AlarmDescription, /INSUFFICIENT_DATA\. Before the first .* it reports nothing/, AlarmName);
  }
});

test("throttles of both functions and dropped events of scans raise alarms", () => {
  const metricsOf = (name: string): string[] => {
    const [alarm] = Object.values(synthesised.findResources("AWS::CloudWatch::Alarm", { Properties: { AlarmName: name } }));
    const metrics = alarm?.["Properties"].Metrics as { MetricStat?: { Metric: { MetricName: string; Dimensions: { Value: { Ref: string } }[] } } }[];
    return metrics.flatMap(({ MetricStat: stat }) =>
      stat === undefined ? [] : [`${stat.Metric.MetricName} of ${stat.Metric.Dimensions[0]?.Value.Ref.slice(0, -8)}`],
    );
  };
  assert.deepEqual(metricsOf("provisioner-functions-throttled"), ["Throttles of ProvisionerScan", "Throttles of ProvisionerProvision"]);
  // The event of a failed scan counts as dropped as well, and has an alarm of its own.
  assert.deepEqual(metricsOf("provisioner-events-dropped"), ["AsyncEventsDropped of ProvisionerScan", "Errors of ProvisionerScan"]);
});

test("each alarm notifies the topic in both directions, and its mail says what to do without the repository", () => {
  const hr = template({ name: "hr" }, site({ "lab.toml": connectionToml("lab") }));
  for (const { AlarmName, AlarmActions, OKActions, AlarmDescription } of alarmsOf(hr)) {
    assert.equal(AlarmActions.length, 1, AlarmName);
    assert.deepEqual(AlarmActions, OKActions, AlarmName);
    assert.match(AlarmDescription, /^[A-Z].*[^.]\. [A-Z].*\naws .*\n?/s, AlarmName);
    assert.doesNotMatch(AlarmDescription, /RUNBOOK|provisioner-(scan|provision)\b|"corp"|```/, AlarmName);
    assert.ok(AlarmDescription.length <= 1024 && !AlarmDescription.endsWith("…"), `${AlarmName}: ${AlarmDescription.length} characters`);
  }
});

test("with an address of the runbook, each alarm names its section there", () => {
  const runbookUrl = "https://wiki.corp.example/runbook";
  const linked = alarmsOf(template({ alarms: { runbookUrl } }));
  for (const { AlarmName, AlarmDescription } of linked) {
    assert.match(AlarmDescription, /^[A-Z].*[^.]\. What to do: https:\/\/wiki\.corp\.example\/runbook#[a-z-]+$/, AlarmName);
  }
  const used = new Set(linked.map(({ AlarmDescription }) => AlarmDescription.split("#")[1]));
  assert.deepEqual([...used].sort(), [...ALARMS].sort());
});

test("two deployments with one connection name have different metrics", () => {
  for (const [name, from] of [["provisioner", synthesised], ["hr", template({ name: "hr" })]] as const) {
    from.hasResourceProperties("AWS::CloudWatch::Alarm", {
      AlarmName: `${name}-corp-breaker-open`,
      Dimensions: [{ Name: "Connection", Value: "corp" }, { Name: "Deployment", Value: name }],
    });
  }
});

test("the runbook has a section with a command for each alarm", () => {
  const readme = fs.readFileSync(new URL("../RUNBOOK.md", import.meta.url), "utf8");
  for (const kind of ALARMS) {
    const [, section] = new RegExp(`^## ${kind}\\n([\\s\\S]*?)(?=^##)`, "m").exec(`${readme}\n## end`) ?? [];
    assert.ok(section, `RUNBOOK.md has no section ### ${kind}`);
    assert.match(section, /```sh\n[\s\S]*aws /, `${kind}: nothing to type`);
  }
});

test("each connection has its own alarms", () => {
  const two = template({}, site({ "a.toml": connectionToml("a"), "b.toml": connectionToml("b") }));
  two.resourceCountIs("AWS::CloudWatch::Alarm", 4 + 2 * 8);
});

test("the e-mail address is subscribed, and an existing topic is used", () => {
  template({ alarms: { email: "it@corp.example" } }).hasResourceProperties("AWS::SNS::Subscription", {
    Protocol: "email",
    Endpoint: "it@corp.example",
  });
  const { stack } = synthesise();
  const topic = sns.Topic.fromTopicArn(stack, "Given", "arn:aws:sns:eu-west-1:111122223333:it");
  template({ alarms: { topic } }).resourceCountIs("AWS::SNS::Topic", 0);
});

test("CloudWatch may use the topic and its key", () => {
  const allowed = { Effect: "Allow", Principal: { Service: "cloudwatch.amazonaws.com" } };
  synthesised.hasResourceProperties("AWS::SNS::TopicPolicy", {
    PolicyDocument: { Statement: Match.arrayWith([Match.objectLike({ ...allowed, Action: "sns:Publish" })]) },
  });
  synthesised.hasResourceProperties("AWS::KMS::Key", {
    KeyPolicy: {
      Statement: Match.arrayWith([Match.objectLike({ ...allowed, Action: ["kms:Decrypt", "kms:GenerateDataKey"] })]),
    },
  });
});

test("the dashboard shows all metrics and alarms", () => {
  const [dashboard] = Object.values(synthesised.findResources("AWS::CloudWatch::Dashboard"));
  const body = JSON.stringify(dashboard?.["Properties"].DashboardBody);
  for (const name of [...METRICS.counts, ...METRICS.samples]) {
    assert.ok(body.includes(`\\"${METRICS.namespace}\\",\\"${name}\\",\\"Connection\\",\\"corp\\",\\"Deployment\\",\\"provisioner\\"`), name);
  }
  assert.equal(body.match(/ProvisionerAlarm[a-z]+[0-9A-F]{8}/g)?.length, alarmsOf(synthesised).length);
});
