import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { Annotations, Match, type Template } from "aws-cdk-lib/assertions";

import { importNetwork } from "../lib/app/stack.ts";
import { writeArtefacts, X86_64 } from "./support/artefacts.ts";
import { CERTIFICATE, connectionToml } from "./support/connections.ts";
import { projectFile } from "./support/rust.ts";
import { NETWORK, site, synthesise, template } from "./support/site.ts";

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
      TracingConfig: Match.absent(),
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
    BatchSize: 1,
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
    scan: { memorySize: 1024, reservedConcurrentExecutions: 5, log: "debug" },
    provision: { memorySize: 128, reservedConcurrentExecutions: 6 },
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

test("users of one invocation can be chosen", () => {
  const batches = Object.values(template({ usersPerInvocation: 7 }).findResources("AWS::Lambda::EventSourceMapping")).map(
    ({ Properties }) => Properties.BatchSize as number,
  );
  // Dead letters are only recorded.
  assert.deepEqual(batches.sort((a, b) => a - b), [7, 10]);
});

test("observing and the deployment's name reach both functions, and the proxy the provision function alone", () => {
  const chosen = template({ name: "hr", observe: true, httpsProxy: "http://proxy.corp.example:3128", tracing: true });
  const variables = (name: string): Record<string, unknown> =>
    Object.values(chosen.findResources("AWS::Lambda::Function", { Properties: { FunctionName: name } }))[0]?.["Properties"].Environment.Variables;
  for (const name of ["hr-scan", "hr-provision"]) {
    const { PROVISIONER_DEPLOYMENT, PROVISIONER_OBSERVE } = variables(name);
    assert.deepEqual([PROVISIONER_DEPLOYMENT, PROVISIONER_OBSERVE], ["hr", "true"]);
  }
  assert.equal(variables("hr-provision")["HTTPS_PROXY"], "http://proxy.corp.example:3128");
  assert.match(JSON.stringify(variables("hr-provision")["NO_PROXY"]), /localhost,127\.0\.0\.1,\..*AWS::URLSuffix/);
  assert.equal(variables("hr-scan")["HTTPS_PROXY"], undefined);
  chosen.allResourcesProperties("AWS::Lambda::Function", { TracingConfig: { Mode: "Active" } });
});

interface Egress {
  readonly IpProtocol: string;
  readonly FromPort: number;
  readonly CidrIp: string;
}
const egressOf = (from: Template, description: string): [string, number, string][] => {
  const groups = from.findResources("AWS::EC2::SecurityGroup", { Properties: { GroupDescription: Match.stringLikeRegexp(description) } });
  const [group] = Object.values(groups);
  assert.equal(group?.["Properties"].SecurityGroupIngress, undefined);
  return (group?.["Properties"].SecurityGroupEgress as Egress[]).map(({ IpProtocol, FromPort, CidrIp }) => [IpProtocol, FromPort, CidrIp]);
};

test("only the scan function is in the VPC, with egress to the directory and HTTPS", () => {
  synthesised.resourceCountIs("AWS::EC2::SecurityGroup", 0);
  const at = site({
    "a.toml": connectionToml("a"),
    "b.toml": connectionToml("b", { url: 'url = ["LDAPS://dc1.corp.example", "ldap://10.0.0.5:3389"]' }),
  });
  const inside = template((stack) => importNetwork(stack, { ...NETWORK, directoryCidrs: ["10.0.0.0/16", "10.1.0.0/16"] }), at);
  inside.hasResourceProperties("AWS::Lambda::Function", { FunctionName: "provisioner-provision", VpcConfig: Match.absent() });
  inside.hasResourceProperties("AWS::Lambda::Function", {
    FunctionName: "provisioner-scan",
    VpcConfig: { SubnetIds: [...NETWORK.subnetIds], SecurityGroupIds: [Match.objectLike({ "Fn::GetAtt": Match.anyValue() })] },
  });
  const directory = (range: string): [string, number, string][] => [
    ["tcp", 53, range],
    ["udp", 53, range],
    ["tcp", 636, range],
    ["tcp", 3389, range],
  ];
  assert.deepEqual(egressOf(inside, "out to the directories"), [["tcp", 443, "0.0.0.0/0"], ...directory("10.0.0.0/16"), ...directory("10.1.0.0/16")]);
  const given = template((stack) => importNetwork(stack, { ...NETWORK, securityGroupIds: ["sg-0123456789abcdef0"] }), at);
  given.resourceCountIs("AWS::EC2::SecurityGroup", 0);
  given.hasResourceProperties("AWS::Lambda::Function", { FunctionName: "provisioner-scan", VpcConfig: Match.objectLike({ SecurityGroupIds: ["sg-0123456789abcdef0"] }) });
});

test("the endpoints are those of the services that the scan function calls, and no others", () => {
  const inside = template((stack) => ({ ...importNetwork(stack, NETWORK), vpcEndpoints: true }));
  const endpoints = Object.values(inside.findResources("AWS::EC2::VPCEndpoint")).map(({ Properties: p }) => [
    JSON.stringify(p.ServiceName).replace(/.*\.([a-z]+)".*/, "$1"),
    p.VpcEndpointType,
    p.RouteTableIds ?? p.SubnetIds,
  ]);
  const subnets = [...NETWORK.subnetIds];
  assert.deepEqual(endpoints.sort(), [
    ["dynamodb", "Gateway", ["rtb-0123456789abcdef0"]],
    ["lambda", "Interface", subnets],
    ["secretsmanager", "Interface", subnets],
    ["sqs", "Interface", subnets],
  ]);
  inside.hasResourceProperties("AWS::EC2::SecurityGroupIngress", {
    FromPort: 443,
    ToPort: 443,
    SourceSecurityGroupId: { "Fn::GetAtt": [Match.stringLikeRegexp("^ProvisionerSecurityGroup"), "GroupId"] },
    GroupId: { "Fn::GetAtt": [Match.stringLikeRegexp("EndpointSecurityGroup"), "GroupId"] },
  });
  // The SDK clients that a crate of the scan function depends on are the services that it calls.
  const clients = ["shared/runtime", "shared/store", "shared/queue", "functions/scan"].flatMap((crate) =>
    [...projectFile(`${crate}/Cargo.toml`).matchAll(/^aws-sdk-([a-z]+)/gm)].map((match) => match[1]),
  );
  assert.deepEqual([...new Set(clients)].sort(), endpoints.map(([service]) => service).sort());
});

test("fixed egress puts the provision function behind two addresses, which are an output", () => {
  const at = site({ "a.toml": connectionToml("a", { targetUrl: 'url = "https://scim.corp.example:8443/v2"' }) });
  const fixed = template({ fixedEgress: true }, at);
  fixed.resourceCountIs("AWS::EC2::EIP", 2);
  const gateways = Object.values(fixed.findResources("AWS::EC2::NatGateway")).map(({ Properties }) => JSON.stringify(Properties.AllocationId));
  const addresses = Object.keys(fixed.findResources("AWS::EC2::EIP"));
  assert.deepEqual(gateways.sort(), addresses.map((id) => JSON.stringify({ "Fn::GetAtt": [id, "AllocationId"] })).sort());
  const [output] = Object.values(fixed.findOutputs("*")).filter(({ Description }) => /allow-list/.test(Description));
  assert.deepEqual(output?.["Value"], { "Fn::Join": [",", addresses.map((Ref) => ({ Ref }))] });
  fixed.hasResourceProperties("AWS::Lambda::Function", { FunctionName: "provisioner-scan", VpcConfig: Match.absent() });
  const [provision] = Object.values(fixed.findResources("AWS::Lambda::Function", { Properties: { FunctionName: "provisioner-provision" } }));
  const subnets = provision?.["Properties"].VpcConfig.SubnetIds as { Ref: string }[];
  assert.equal(subnets.length, 2);
  // The way from each of its subnets to the internet is a NAT gateway.
  const routes = Object.values(fixed.findResources("AWS::EC2::Route", { Properties: { NatGatewayId: Match.anyValue() } }));
  assert.equal(routes.length, 2);
  for (const { Ref } of subnets) {
    const [association] = Object.values(fixed.findResources("AWS::EC2::SubnetRouteTableAssociation", { Properties: { SubnetId: { Ref } } }));
    const table = association?.["Properties"].RouteTableId.Ref;
    assert.ok(routes.some(({ Properties }) => Properties.RouteTableId.Ref === table), `${Ref} has no route to a NAT gateway`);
  }
  assert.deepEqual(egressOf(fixed, "out to the targets"), [["tcp", 443, "0.0.0.0/0"], ["tcp", 8443, "0.0.0.0/0"]]);
  fixed.hasResourceProperties("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Gateway", ServiceName: { "Fn::Join": ["", ["com.amazonaws.", { Ref: "AWS::Region" }, ".dynamodb"]] } });
});
