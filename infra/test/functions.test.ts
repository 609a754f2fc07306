import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { Annotations, Match } from "aws-cdk-lib/assertions";

import { writeArtefacts, X86_64 } from "./support/artefacts.ts";
import { CERTIFICATE, connectionToml } from "./support/connections.ts";
import { site, synthesise, template } from "./support/site.ts";

const synthesised = template();

test("both functions run the built programs on arm64, and log JSON with a retention", () => {
  for (const [name, timeout] of [["scan", 900], ["provision", 120]] as const) {
    synthesised.hasResourceProperties("AWS::Lambda::Function", {
      FunctionName: `provisioner-${name}`,
      Runtime: "provided.al2023",
      Handler: "bootstrap",
      Architectures: ["arm64"],
      MemorySize: 256,
      Timeout: timeout,
      LoggingConfig: { LogFormat: "JSON", LogGroup: Match.anyValue() },
      TracingConfig: { Mode: "Active" },
    });
    synthesised.hasResourceProperties("AWS::Logs::LogGroup", {
      LogGroupName: `/aws/lambda/provisioner-${name}`,
      RetentionInDays: 90,
    });
  }
});

test("the architecture is read from the programs", () => {
  const at = site();
  writeArtefacts(at.artefacts, { scan: X86_64, provision: X86_64 });
  template({}, at).allResourcesProperties("AWS::Lambda::Function", { Architectures: ["x86_64"] });
});

test("only the program is packed", () => {
  const at = site();
  fs.writeFileSync(path.join(at.artefacts, "scan", "notes.txt"), "not for Lambda");
  const { app } = synthesise({}, at);
  const assembly = app.synth();
  const assets = fs.readdirSync(assembly.directory).filter((name) => name.startsWith("asset."));
  const packed = assets.flatMap((asset) => fs.readdirSync(path.join(assembly.directory, asset)));
  assert.deepEqual([...new Set(packed)].sort(), ["bootstrap", "connections"]);
});

test("the layer holds only connection files and the certificate authorities that they name", () => {
  const at = site({
    "corp.toml": connectionToml("corp", { ca: 'ca = "file:pki/corp-ca.pem"' }),
    "pki/corp-ca.pem": CERTIFICATE,
    "pki/other.pem": CERTIFICATE,
    "directory.json": '{"password": "hunter2"}',
  });
  const { app } = synthesise({}, at);
  const { directory } = app.synth();
  const layer = fs.readdirSync(directory).find((name) => name.startsWith("layer."));
  const files = fs.readdirSync(path.join(directory, layer ?? ""), { recursive: true });
  assert.deepEqual(files.sort(), ["connections", "connections/corp.toml", "connections/pki", "connections/pki/corp-ca.pem"]);
});

test("a scan reserves no concurrency, may invoke itself often, and is not retried", () => {
  synthesised.hasResourceProperties("AWS::Lambda::Function", {
    FunctionName: "provisioner-scan",
    ReservedConcurrentExecutions: Match.absent(),
    RecursiveLoop: "Allow",
  });
  synthesised.hasResourceProperties("AWS::Lambda::EventInvokeConfig", {
    MaximumRetryAttempts: 0,
    MaximumEventAgeInSeconds: 900,
  });
});

test("a debug level reaches the log", () => {
  const format = (log: string): object =>
    template({ scan: { log } }).findResources("AWS::Lambda::Function", { Properties: { FunctionName: "provisioner-scan" } });
  assert.match(JSON.stringify(format("info,directory=debug")), /"ApplicationLogLevel":"TRACE"/);
  assert.doesNotMatch(JSON.stringify(format("warn")), /ApplicationLogLevel/);
});

test("concurrency at a target is the connection's own, and Lambda's minimum is reported", () => {
  const concurrency = (n: number): Record<string, string> => ({ concurrency: `concurrency = ${n}` });
  const mapping = (maximum: number): object => ({
    BatchSize: 10,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    ScalingConfig: { MaximumConcurrency: maximum },
  });
  const of = (...numbers: number[]): ReturnType<typeof site> =>
    site(Object.fromEntries(numbers.map((n, at) => [`c${at}.toml`, connectionToml(`c${at}`, concurrency(n))])));
  // The schema's default is 4.
  synthesised.hasResourceProperties("AWS::Lambda::EventSourceMapping", mapping(4));
  const two = template({}, of(3, 8));
  for (const own of [3, 8]) two.hasResourceProperties("AWS::Lambda::EventSourceMapping", mapping(own));
  const { stack } = synthesise({}, of(1));
  Annotations.fromStack(stack).hasWarning("*", Match.stringLikeRegexp("target.concurrency of c0 is 1"));
  // One for requests, one for dead letters.
  synthesised.resourceCountIs("AWS::Lambda::EventSourceMapping", 2);
  synthesised.allResourcesProperties("AWS::Lambda::EventSourceMapping", {
    FunctionResponseTypes: ["ReportBatchItemFailures"],
  });
});

test("memory, logs and reserved concurrency can be chosen", () => {
  const chosen = template({
    scan: { memoryMb: 1024, reservedConcurrency: 5, log: "debug" },
    provision: { memoryMb: 128, reservedConcurrency: 6 },
    name: "hr",
  });
  chosen.hasResourceProperties("AWS::Lambda::Function", {
    FunctionName: "hr-scan",
    MemorySize: 1024,
    ReservedConcurrentExecutions: 5,
    Environment: { Variables: Match.objectLike({ PROVISIONER_LOG: "debug" }) },
  });
  chosen.hasResourceProperties("AWS::Lambda::Function", {
    FunctionName: "hr-provision",
    MemorySize: 128,
    ReservedConcurrentExecutions: 6,
  });
});

test("only the scan function is in the VPC, with egress to the directory and HTTPS", () => {
  synthesised.resourceCountIs("AWS::EC2::SecurityGroup", 0);
  const at = site({
    "a.toml": connectionToml("a"),
    "b.toml": connectionToml("b", { url: 'url = ["LDAPS://dc1.corp.example", "ldap://10.0.0.5:3389"]' }),
  });
  const network = { vpcId: "vpc-0123456789abcdef0", subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"], directoryCidr: "10.0.0.0/16" };
  const inside = template({ network }, at);
  inside.hasResourceProperties("AWS::Lambda::Function", { FunctionName: "provisioner-provision", VpcConfig: Match.absent() });
  inside.hasResourceProperties("AWS::Lambda::Function", {
    FunctionName: "provisioner-scan",
    VpcConfig: { SubnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"], SecurityGroupIds: [Match.objectLike({ "Fn::GetAtt": Match.anyValue() })] },
  });
  const [group] = Object.values(inside.findResources("AWS::EC2::SecurityGroup"));
  const egress = (group?.["Properties"].SecurityGroupEgress as Record<string, unknown>[]).map(
    ({ IpProtocol, FromPort, ToPort, CidrIp }) => [IpProtocol, FromPort, ToPort, CidrIp],
  );
  assert.deepEqual(egress, [
    ["tcp", 443, 443, "0.0.0.0/0"],
    ["tcp", 53, 53, "10.0.0.0/16"],
    ["udp", 53, 53, "10.0.0.0/16"],
    ["tcp", 636, 636, "10.0.0.0/16"],
    ["tcp", 3389, 3389, "10.0.0.0/16"],
  ]);
  assert.equal(group?.["Properties"].SecurityGroupIngress, undefined);
  const given = template({ network: { ...network, securityGroupIds: ["sg-0123456789abcdef0"] } }, at);
  given.resourceCountIs("AWS::EC2::SecurityGroup", 0);
  given.hasResourceProperties("AWS::Lambda::Function", { FunctionName: "provisioner-scan", VpcConfig: Match.objectLike({ SecurityGroupIds: ["sg-0123456789abcdef0"] }) });
});

