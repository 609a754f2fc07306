import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";

import { type MetricName, METRICS } from "../contract.ts";

/** Values of the dimensions of a metric: one connection of one deployment. */
export interface Emitter {
  readonly deployment: string;
  readonly connection: string;
}

/** A metric that the functions emit, of one connection. */
export function emitted(
  { deployment, connection }: Emitter,
  metricName: MetricName,
  statistic: string,
  period = Duration.minutes(5),
): cloudwatch.Metric {
  const { dimensions, namespace } = METRICS;
  return new cloudwatch.Metric({
    namespace,
    metricName,
    dimensionsMap: { [dimensions.connection]: connection, [dimensions.deployment]: deployment },
    statistic,
    period,
  });
}
