import inputsFile from "../cost-inputs.json" with { type: "json" };
import pricesFile from "./prices.json" with { type: "json" };

/** Where a number comes from. Only a benchmark makes it measured. */
export type Basis = "measured" | "derived" | "assumed";
export interface Input {
  readonly value: number;
  readonly basis: Basis;
  readonly how: string;
}
export interface Price {
  readonly usd: number;
  readonly per: number;
  readonly unit: string;
  readonly source: string;
  readonly checked?: string;
}
export type InputName = keyof typeof inputsFile.inputs;
export type PriceName = keyof typeof pricesFile.prices;
export type Values = Readonly<Record<InputName, number>>;

export const INPUTS = inputsFile.inputs as Readonly<Record<InputName, Input>>;
export const PRICES = pricesFile.prices as Readonly<Record<PriceName, Price>>;
export const PRICE_LIST = { region: pricesFile.region, date: pricesFile.date, note: pricesFile.note };
export const USERS: readonly number[] = inputsFile.users;

/** The inputs' values alone. */
export function values(): Values {
  return Object.fromEntries(Object.entries(INPUTS).map(([name, { value }]) => [name, value])) as Values;
}

/** What is paid for, and how much of it a month. */
export interface Item {
  readonly service: string;
  readonly what: string;
  readonly price: PriceName;
  readonly quantity: number;
}

const READ_UNIT = 8192;
const GB = 1e9;

/** What a month asks of AWS for so many users. */
export function quantities(users: number, v: Values): Item[] {
  const scans = v.incrementalScansAMonth + v.fullScansAMonth;
  const changes = users * v.changedUsersAMonthShare;
  // Most scans read only what has changed; how many users there are makes no difference to them.
  const fullSeconds = users / v.usersReadASecond + v.secondsAScanBesides;
  const seconds = v.fullScansAMonth * fullSeconds + v.incrementalScansAMonth * v.secondsAScanBesides;
  const gbSeconds = (count: number, each: number, mb: number): number => (count * each * mb) / 1024;
  return [
    { service: "Lambda", what: "requests", price: "lambdaRequest", quantity: scans + changes },
    {
      service: "Lambda",
      what: "scanning",
      price: "lambdaGbSecondArm",
      quantity: gbSeconds(1, seconds, v.scanMemoryMb),
    },
    {
      service: "Lambda",
      what: "provisioning",
      price: "lambdaGbSecondArm",
      quantity: gbSeconds(changes, v.secondsAProvisionedUser, v.provisionMemoryMb),
    },
    {
      service: "DynamoDB",
      what: "reads",
      price: "tableRead",
      quantity: v.fullScansAMonth * snapshotReadUnits(users, v) + scans * v.otherReadUnitsAScan + changes * v.readUnitsAChange,
    },
    {
      service: "DynamoDB",
      what: "writes",
      price: "tableWrite",
      quantity:
        scans * v.writeUnitsAnUnchangedScan +
        v.fullScansAMonth * Math.floor(fullSeconds / v.secondsALeaseIsHeldWithoutRenewal) +
        changes * v.writeUnitsAChange,
    },
    { service: "DynamoDB", what: "storage", price: "tableStorage", quantity: (users * v.bytesStoredAUser) / GB },
    { service: "DynamoDB", what: "restore", price: "tableRestore", quantity: (users * v.bytesStoredAUser) / GB },
    {
      service: "SQS",
      what: "requests",
      price: "queueRequest",
      quantity: v.queuePollsAMonth + changes * v.queueRequestsAChange,
    },
    { service: "EventBridge", what: "schedules", price: "schedule", quantity: scans },
    { service: "Secrets Manager", what: "secrets", price: "secret", quantity: v.secrets },
    { service: "Secrets Manager", what: "reads", price: "secretRead", quantity: v.secretReadsAMonth },
    { service: "KMS", what: "key", price: "key", quantity: 1 },
    { service: "KMS", what: "requests", price: "keyRequest", quantity: v.keyRequestsAMonth },
    { service: "CloudWatch", what: "metrics", price: "metric", quantity: v.metrics },
    { service: "CloudWatch", what: "alarms", price: "alarmMetric", quantity: v.alarmMetrics },
    { service: "CloudWatch", what: "dashboard", price: "dashboard", quantity: v.dashboards },
    {
      service: "CloudWatch",
      what: "logs",
      price: "logGb",
      quantity: (scans * v.logBytesAScan + changes * v.logBytesAChange) / GB,
    },
    { service: "X-Ray", what: "traces", price: "trace", quantity: (scans + changes) * v.tracedShare },
  ];
}

/** What reading the snapshot takes: all buckets, as they are or were a moment ago, so 8 KB a unit. */
export function snapshotReadUnits(users: number, v: Values): number {
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(1, users / v.usersABucket)));
  return Math.ceil((users * v.bytesOfSnapshotAUser + buckets * v.bytesOfABucketBesides) / READ_UNIT);
}

/** What an item costs, in US dollars. */
export function cost({ price, quantity }: Item): number {
  const { usd, per } = PRICES[price];
  return (quantity * usd) / per;
}
