import { Annotations, CfnOutput, RemovalPolicy } from "aws-cdk-lib";
import type * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import * as scheduler from "aws-cdk-lib/aws-scheduler";
import type * as sns from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";

import { schedulerRole } from "./access/roles.ts";
import { checkWithProvisioner } from "./connections/binary.ts";
import type { Connection } from "./connections/connection.ts";
import { connectionLayer } from "./connections/layer.ts";
import { readConnections } from "./connections/read.ts";
import { BINARIES } from "./contract.ts";
import { readArtefacts } from "./functions/artefacts.ts";
import { isBelowLeast, maximumConcurrency } from "./functions/budget.ts";
import { type Parts, provisionFunction, scanFunction } from "./functions/functions.ts";
import { eventSources } from "./functions/sources.ts";
import { Mistake } from "./mistake.ts";
import { checkProxy, fixedEgress, scanNetwork } from "./network.ts";
import { createAlarm } from "./operations/alarm.ts";
import { commonWatches, connectionWatches, queueWatches } from "./operations/alarms.ts";
import { createDashboard } from "./operations/dashboard.ts";
import { alarmTopic } from "./operations/topic.ts";
import { scanWindows, type Windows } from "./operations/windows.ts";
import { checkProps, type WorkplaceProvisionerProps } from "./props.ts";
import { type ConnectionSchedules, createSchedules, readSchedules } from "./schedules/schedules.ts";
import { customerKey } from "./state/key.ts";
import { createQueues, type Queues } from "./state/queues.ts";
import { createSecrets, secretKeys } from "./state/secrets.ts";
import { stateTable } from "./state/table.ts";

/**
 * Keeps the accounts of Workplace in step with a directory: two functions, their state, what wakes them, and what
 * watches them. Everything that an administrator can get wrong fails at synth, with a {@link Mistake}.
 */
export class WorkplaceProvisioner extends Construct implements ec2.IConnectable {
  /** Reads the directory. */
  readonly scan: lambda.Function;
  /** Calls the target. */
  readonly provision: lambda.Function;
  /** The state of all connections. */
  readonly table: dynamodb.ITable;
  /** Provision requests and dead letters by connection, and missed scans. */
  readonly queues: Queues;
  /** Where alarms are sent to. */
  readonly topic: sns.ITopic;
  /** All alarms. */
  readonly alarms: readonly cloudwatch.Alarm[];

  constructor(scope: Construct, id: string, props: WorkplaceProvisionerProps) {
    checkProps(props);
    const connections = readConnections(props.config);
    const { name = "provisioner", artefacts = "../target/lambda", removalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE } = props;
    checkName(name);
    if (props.provisioner !== undefined) checkWithProvisioner(props.provisioner, connections);
    const schedules = readSchedules(connections, props.schedules ?? {}, props.schedulesByConnection ?? {});
    const built = readArtefacts(artefacts, props.architecture);
    super(scope, id);

    const key = props.encryptionKey ?? customerKey(this, name, removalPolicy);
    // A given table takes the place of the created one, which stays in the account: its removal policy is to retain.
    this.table = props.table ?? stateTable(this, key, removalPolicy);
    this.queues = createQueues(this, name, key, connections);
    const secretsProps = props.secrets ?? {};
    const proxy = props.httpsProxy === undefined ? undefined : checkProxy(props.httpsProxy);
    const networks = {
      scan: scanNetwork(this, props, connections),
      provision: props.fixedEgress === true ? fixedEgress(this, connections, proxy) : undefined,
    };
    const parts: Parts = {
      name,
      artefacts: built,
      key,
      table: this.table,
      queues: this.queues,
      secrets: createSecrets(this, connections, secretsProps, key, removalPolicy),
      secretKeys: secretKeys(secretsProps),
      networks,
      inNetwork: new Set(BINARIES.filter((binary) => networks[binary] !== undefined)),
      proxy,
      observe: props.observe ?? false,
      tracing: props.tracing ?? false,
      rolePath: props.rolePath,
      layer: connectionLayer(this, connections),
      logRetention: props.logRetention ?? logs.RetentionDays.THREE_MONTHS,
      removalPolicy,
    };
    this.scan = scanFunction(this, parts, props.scan ?? {});
    this.provision = provisionFunction(this, parts, props.provision ?? {});
    this.wake(connections, schedules, parts, props);
    this.topic = alarmTopic(this, name, key, props.alarms ?? {});
    this.alarms = this.watch(connections, schedules, props);
    createDashboard(this, { ...this, name, connections: connections.map((connection) => connection.name) });
    this.say();
  }

  /** Network connections of the scan function, for rules such as those of the directories' security group. */
  get connections(): ec2.Connections {
    return this.scan.connections;
  }

  /** Allows a principal to start scans, and to provision or explain one user. */
  grantInvoke(grantee: iam.IGrantable): iam.Grant {
    return this.scan.grantInvoke(grantee);
  }

  /** What starts the functions. */
  private wake(
    connections: readonly Connection[],
    schedules: ReadonlyMap<string, ConnectionSchedules>,
    parts: Parts,
    props: WorkplaceProvisionerProps,
  ): void {
    const budget = connections.reduce((total, connection) => total + maximumConcurrency(connection), 0);
    const reserved = props.provision?.reservedConcurrentExecutions;
    if (reserved !== undefined && reserved < budget) {
      throw new Mistake(
        `provision.reservedConcurrentExecutions is ${reserved}, and the connections' target.concurrency together ask for ${budget}; raise the one or lower the other`,
      );
    }
    for (const { name } of connections.filter(isBelowLeast)) {
      Annotations.of(this).addWarningV2(
        `provisioner:concurrency:${name}`,
        `target.concurrency of ${name} is 1, and Lambda's minimum is 2: the target may get two requests at a time`,
      );
    }
    eventSources(this, this.provision, this.queues, props.usersPerInvocation);
    const group = new scheduler.CfnScheduleGroup(this, "Schedules", { name: parts.name });
    const role = schedulerRole(this, `${parts.name}-scan`, parts.name, parts);
    createSchedules(this, group, schedules, this.scan, role, this.queues.missedScans);
  }

  /** What watches them. */
  private watch(
    connections: readonly Connection[],
    schedules: ReadonlyMap<string, ConnectionSchedules>,
    { name = "provisioner", alarms = {} }: WorkplaceProvisionerProps,
  ): cloudwatch.Alarm[] {
    const own = connections.flatMap((connection) => {
      const when = schedules.get(connection.name);
      return when === undefined ? [] : [{ connection: connection.name, when }];
    });
    const windows = own
      .map(({ connection, when }) => scanWindows(connection, when, alarms.lateAfter))
      .reduce<Windows | undefined>((a, b) => (a === undefined || (b !== undefined && isShorter(b, a)) ? b : a), undefined);
    const watches = [
      ...commonWatches(this, this.queues, windows),
      ...this.queues.connections.flatMap((queues) => queueWatches(name, queues, alarms)),
      ...own.flatMap(({ connection, when }) => connectionWatches({ deployment: name, connection }, when, alarms)),
    ];
    const target = { deployment: name, topic: this.topic, runbookUrl: alarms.runbookUrl };
    return watches.map((watch) => createAlarm(this, target, watch));
  }

  /** What an administrator types next. */
  private say(): void {
    new CfnOutput(this, "ScanFunction", { value: this.scan.functionName, description: "aws lambda invoke it to scan" });
    new CfnOutput(this, "ProvisionFunction", {
      value: this.provision.functionName,
      description: "aws lambda invoke it for one user",
    });
    new CfnOutput(this, "TableName", { value: this.table.tableName, description: "The state of all connections" });
    for (const { connection, requests, deadLetters } of this.queues.connections) {
      const id = connection.name.replace(/[^A-Za-z0-9]/g, "");
      const description = `provision requests of ${connection.name}`;
      new CfnOutput(this, `RequestsUrl${id}`, { value: requests.queueUrl, description: `Queue of ${description}` });
      new CfnOutput(this, `DeadLettersUrl${id}`, { value: deadLetters.queueUrl, description: `Given up ${description}` });
    }
    new CfnOutput(this, "MissedScansUrl", { value: this.queues.missedScans.queueUrl, description: "Scans never started" });
    new CfnOutput(this, "AlarmTopic", { value: this.topic.topicArn, description: "Subscribe to it to hear of alarms" });
  }
}

function isShorter(a: Windows, b: Windows): boolean {
  return a.period.toSeconds() * a.count < b.period.toSeconds() * b.count;
}

/** Function names, schedule groups and alarms are made of it, and the first of these allows the least. */
function checkName(name: string): void {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,39}$/.test(name)) {
    throw new Mistake(`name: "${name}" must begin with a letter and have up to 40 letters, digits and '-'`);
  }
}
