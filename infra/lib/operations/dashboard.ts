import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sqs from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";

import type { MetricName } from "../contract.ts";
import type { Queues } from "../state/queues.ts";
import { emitted } from "./metrics.ts";

const WIDTH = 8;

/** Resources that the dashboard shows. */
export interface DashboardParts {
  readonly name: string;
  readonly connections: readonly string[];
  readonly scan: lambda.IFunction;
  readonly provision: lambda.IFunction;
  readonly queues: Queues;
  readonly alarms: readonly cloudwatch.IAlarm[];
}

/** Creates the dashboard: the alarms, a row for each connection, and a row for the functions and queues. */
export function createDashboard(scope: Construct, parts: DashboardParts): cloudwatch.Dashboard {
  const { name, connections, alarms } = parts;
  const dashboard = new cloudwatch.Dashboard(scope, "Dashboard", { dashboardName: name, defaultInterval: Duration.hours(12) });
  dashboard.addWidgets(new cloudwatch.AlarmStatusWidget({ title: "Alarms", alarms: [...alarms], width: 24, height: 4 }));
  for (const connection of connections) dashboard.addWidgets(...connectionRow(name, connection));
  dashboard.addWidgets(...commonRow(parts));
  return dashboard;
}

function connectionRow(deployment: string, connection: string): cloudwatch.IWidget[] {
  const emitter = { deployment, connection };
  const graph = (
    title: string,
    left: cloudwatch.IMetric[],
    right: cloudwatch.IMetric[] = [],
  ): cloudwatch.GraphWidget =>
    new cloudwatch.GraphWidget({
      title: `${connection}: ${title}`,
      left,
      right,
      width: WIDTH,
      leftYAxis: { min: 0 },
      rightYAxis: { min: 0 },
    });
  const sums = (...names: MetricName[]): cloudwatch.Metric[] => names.map((name) => emitted(emitter, name, "Sum"));
  const most = (...names: MetricName[]): cloudwatch.Metric[] =>
    names.map((name) => emitted(emitter, name, "Maximum"));
  return [
    graph("accounts", sums("Changed", "Created", "Updated", "Deprovisioned", "Failed", "DeadLetters")),
    graph("waiting and failing users", most("Held", "Skipped", "Conflicts", "UsersFailed", "BreakerOpen")),
    graph("scans", [emitted(emitter, "ScanDuration", "Maximum")], [...most("Scanned", "IncompleteReads")]),
    graph(
      "target",
      [emitted(emitter, "TargetLatency", "p50"), emitted(emitter, "TargetLatency", "p99")],
      sums("TargetThrottled"),
    ),
    graph("age in the queue, seconds", [emitted(emitter, "QueueAge", "p50"), emitted(emitter, "QueueAge", "p99")]),
  ];
}

function commonRow({ scan, provision, queues }: DashboardParts): cloudwatch.IWidget[] {
  const both = (metric: (of: lambda.IFunction) => cloudwatch.Metric): cloudwatch.Metric[] => [
    metric(scan).with({ label: "scan" }),
    metric(provision).with({ label: "provision" }),
  ];
  const graph = (title: string, left: cloudwatch.IMetric[]): cloudwatch.GraphWidget =>
    new cloudwatch.GraphWidget({ title, left, width: WIDTH, leftYAxis: { min: 0 } });
  const visible = (queue: sqs.IQueue, label: string): cloudwatch.Metric =>
    queue.metricApproximateNumberOfMessagesVisible({ statistic: "Maximum", label });
  return [
    graph("Functions: errors", [
      ...both((of) => of.metricErrors({ statistic: "Sum" })),
      ...both((of) => of.metricThrottles({ statistic: "Sum" })).map((metric, at) =>
        metric.with({ label: at === 0 ? "scan throttled" : "provision throttled" }),
      ),
    ]),
    graph("Functions: duration, p99", both((of) => of.metricDuration({ statistic: "p99" }))),
    graph("Queues: messages", [
      ...queues.connections.flatMap(({ connection: { name }, requests, deadLetters }) => [
        visible(requests, `${name}: requests`),
        visible(deadLetters, `${name}: dead letters`),
      ]),
      visible(queues.missedScans, "missed scans"),
    ]),
  ];
}
