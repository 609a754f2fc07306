import type { Connection } from "../connections/connection.ts";

/** Lambda's limits for an event source mapping's maximum concurrency. */
const LEAST = 2;
const MOST = 1000;

/**
 * How many invocations may provision at the same time. One invocation works on its users one after another, so this
 * many users are at the targets at a time. The connections share one queue: the sum bounds them together, and a
 * connection that is alone at work may use it all. Who must not exceed one target's budget gives that connection a
 * deployment of its own.
 */
export function maximumConcurrency(connections: readonly Connection[]): number {
  const sum = connections.reduce((total, { concurrency }) => total + concurrency, 0);
  return Math.min(Math.max(sum, LEAST), MOST);
}

/** The least that Lambda does, which a connection with a concurrency of 1 should know. */
export function isBelowLeast(connections: readonly Connection[]): boolean {
  return connections.reduce((total, { concurrency }) => total + concurrency, 0) < LEAST;
}
