import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";

import { type MetricName, METRICS } from "../contract.ts";

/** A metric that the functions emit, of one connection. */
export function emitted(
  connection: string,
  metricName: MetricName,
  statistic: string,
  period = Duration.minutes(5),
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: METRICS.namespace,
    metricName,
    dimensionsMap: { [METRICS.dimension]: connection },
    statistic,
    period,
  });
}
