import type { Connection } from "../connections/connection.ts";

/** Lambda's limits for the maximum concurrency of an event source mapping. */
const LEAST = 2;
const MOST = 1000;

/**
 * Concurrent invocations that provision users of one connection. An invocation handles its users one after another, so this is also
 * the number of concurrent requests at the target.
 */
export function maximumConcurrency({ concurrency }: Connection): number {
  return Math.min(Math.max(concurrency, LEAST), MOST);
}

/** Whether the target gets more concurrent requests than the configuration asks for. */
export function isBelowLeast({ concurrency }: Connection): boolean {
  return concurrency < LEAST;
}
