/**
 * What the functions, which are written in Rust, and this deployment have to agree on. Nothing here is a choice of
 * its own: `test/contract.test.ts` reads the Rust sources, and fails when one side changes without the other.
 */

/** The variables that the functions read (`shared/runtime/src/environment.rs`, by the constants' names there). */
export const ENVIRONMENT = {
  CONFIG: "PROVISIONER_CONFIG",
  TABLE: "PROVISIONER_TABLE",
  QUEUE_URL_PREFIX: "PROVISIONER_QUEUE_URL_PREFIX",
  DEAD_LETTER_ARN_PREFIX: "PROVISIONER_DEAD_LETTER_ARN_PREFIX",
  PROVISION_FUNCTION: "PROVISIONER_PROVISION_FUNCTION",
  LOG: "PROVISIONER_LOG",
  DEPLOYMENT: "PROVISIONER_DEPLOYMENT",
  OBSERVE: "PROVISIONER_OBSERVE",
} as const;

/** The binaries, named as their packages in `functions/`. */
export const BINARIES = ["scan", "provision"] as const;
export type Binary = (typeof BINARIES)[number];

/** What Lambda starts; the file is called so too. */
export const HANDLER = "bootstrap";

/** The table's keys, indexes and expiry (`shared/store/src/keys.rs`, by the constants' names there). */
export const TABLE = {
  PK: "PK",
  SK: "SK",
  WORK_INDEX: "by_work",
  WORK_PK: "work_pk",
  WORK_SK: "work_sk",
  DN_INDEX: "by_dn",
  DN_PK: "dn_pk",
  EXPIRES_AT: "expires_at",
} as const;

/** Where the functions emit their metrics (`shared/runtime/src/metrics.rs`). */
export const METRICS = {
  namespace: "Provisioner",
  dimensions: { connection: "Connection", deployment: "Deployment" },
  counts: [
    "Scanned",
    "Changed",
    "Created",
    "Updated",
    "Deprovisioned",
    "Failed",
    "TargetThrottled",
    "DeadLetters",
  ],
  samples: [
    "Held",
    "Skipped",
    "Conflicts",
    "IncompleteReads",
    "ScanDuration",
    "TargetLatency",
    "QueueAge",
    "BreakerOpen",
    "UsersFailed",
  ],
} as const;
export type MetricName = (typeof METRICS.counts)[number] | (typeof METRICS.samples)[number];

/** What a scan is asked to do (`functions/scan/src/function.rs`). */
export interface ScanEvent {
  readonly connection: string;
  readonly mode: "auto" | "full" | "incremental";
  readonly dry_run: boolean;
  readonly user: string | null;
}

/** How long an invocation may take, in seconds. A scan that would take longer goes on in another one. */
export const TIMEOUT_SECONDS: Record<Binary, number> = { scan: 900, provision: 120 };
