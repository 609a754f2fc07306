// The npm package in an app of its own: compiled, typed, and without this repository around it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { temporaryFolder } from "./support/folder.ts";
import { site } from "./support/site.ts";

const INFRA = fileURLToPath(new URL("..", import.meta.url));
const { name, dependencies, peerDependencies } = JSON.parse(fs.readFileSync(path.join(INFRA, "package.json"), "utf8")) as {
  name: string;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
};

interface Template {
  readonly Resources: Record<string, { readonly Type: string; readonly Properties: Record<string, never> }>;
}

let files: string[];
const scratch = temporaryFolder();

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${error?.message ?? ""}${stderr}${stdout}`);
  return stdout;
}

/** Installs the packed package as npm would. What it depends on is linked, so that no registry is needed. */
before(() => {
  const packed = run("npm", ["pack", "--json", "--silent", "--pack-destination", scratch], INFRA);
  const [tarball] = JSON.parse(packed) as { filename: string; files: { path: string }[] }[];
  assert.ok(tarball);
  files = tarball.files.map(({ path }) => path);
  const modules = path.join(scratch, "node_modules");
  const own = path.join(modules, name);
  fs.mkdirSync(own, { recursive: true });
  run("tar", ["-xzf", path.join(scratch, tarball.filename), "--strip-components", "1", "-C", own], scratch);
  for (const needed of [...Object.keys({ ...dependencies, ...peerDependencies }), "@types/node"]) {
    const link = path.join(modules, needed);
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.join(INFRA, "node_modules", needed), link);
  }
});

test("the package holds compiled code, types, the schema and the runbook, and no source or test", () => {
  for (const needed of ["dist/index.js", "dist/index.d.ts", "dist/connection.schema.json", "dist/state/exists.mjs", "dist/LICENSE", "RUNBOOK.md", "README.md"]) {
    assert.ok(files.includes(needed), `${needed} is missing: ${files.join(" ")}`);
  }
  const other = files.filter((file) => !/^dist\/.*(\.js|\.mjs|\.d\.ts)$/.test(file));
  assert.deepEqual(other.sort(), ["README.md", "RUNBOOK.md", "dist/LICENSE", "dist/connection.schema.json", "package.json"]);
});

const APP = `
import { App, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import { ScheduleExpression } from "aws-cdk-lib/aws-scheduler";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { TimeZone } from "aws-cdk-lib";
import { Mistake, WorkplaceProvisioner, type WorkplaceProvisionerProps } from "provisioner-infra";

const [config = "", artefacts = ""] = process.argv.slice(2);
const app = new App({ outdir: "cdk.out", analyticsReporting: false });
const stack = new Stack(app, "identity");
const vpc = new ec2.Vpc(stack, "Vpc", { maxAzs: 2, natGateways: 0, subnetConfiguration: [{ name: "directory", subnetType: ec2.SubnetType.PRIVATE_ISOLATED }] });
const encryptionKey = new kms.Key(stack, "Key");
const directory = new secretsmanager.Secret(stack, "Directory", { secretName: "corp/directory", encryptionKey });
const props: WorkplaceProvisionerProps = {
  config,
  artefacts,
  vpc,
  vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
  directoryPeers: [ec2.Peer.ipv4(vpc.vpcCidrBlock)],
  vpcEndpoints: true,
  encryptionKey,
  secrets: { given: { "corp/directory": directory } },
  schedules: {
    incremental: ScheduleExpression.rate(Duration.minutes(5)),
    full: ScheduleExpression.cron({ hour: "3", minute: "0", timeZone: TimeZone.EUROPE_BERLIN }),
  },
  scan: { memorySize: 512 },
  removalPolicy: RemovalPolicy.DESTROY,
};
const provisioner = new WorkplaceProvisioner(stack, "Provisioner", props);
const controllers = new ec2.SecurityGroup(stack, "Controllers", { vpc });
controllers.connections.allowFrom(provisioner, ec2.Port.tcp(636));
provisioner.grantInvoke(new iam.Role(stack, "Desk", { assumedBy: new iam.AccountRootPrincipal() }));
app.synth();
try {
  new WorkplaceProvisioner(stack, "Other", { config: "/none" });
} catch (error) {
  if (!(error instanceof Mistake)) throw error;
  console.log(error.message);
}
`;

test("an app of its own compiles against the package and synthesises with it", () => {
  const { config, artefacts } = site();
  fs.writeFileSync(path.join(scratch, "app.mts"), APP);
  fs.writeFileSync(path.join(scratch, "package.json"), '{"type": "module"}');
  const options = ["--module", "nodenext", "--target", "es2022", "--strict", "--types", "node"];
  run(path.join(INFRA, "node_modules", ".bin", "tsc"), [...options, "app.mts"], scratch);
  // No loader of TypeScript: what runs is what was packed.
  const said = run(process.execPath, ["app.mjs", config, artefacts], scratch);
  assert.equal(said, "config: there is no file or folder /none; name a connection's TOML file or a folder of them\n");

  const { Resources } = JSON.parse(fs.readFileSync(path.join(scratch, "cdk.out", "identity.template.json"), "utf8")) as Template;
  const of = (type: string): Record<string, never>[] => Object.values(Resources).filter(({ Type }) => Type === type).map(({ Properties }) => Properties);
  const text = (type: string): string => JSON.stringify(of(type));
  assert.match(text("AWS::Scheduler::Schedule"), /"rate\(5 minutes\)".*"cron\(0 3 \* \* \? \*\)","ScheduleExpressionTimezone":"Europe\/Berlin"/);
  assert.match(text("AWS::Lambda::Function"), /"MemorySize":512.*"VpcConfig":\{/);
  assert.match(text("AWS::DynamoDB::Table"), /"KMSMasterKeyId":\{"Fn::GetAtt":\["Key[0-9A-F]{8}","Arn"\]\}/);
  assert.equal(of("AWS::KMS::Key").length, 1);
  assert.deepEqual(of("AWS::SecretsManager::Secret").map(({ Name }) => Name).sort(), ["corp/directory", "corp/workplace"]);
  assert.equal(of("AWS::EC2::VPCEndpoint").length, 4);
  assert.match(text("AWS::EC2::SecurityGroupIngress"), /"FromPort":636,.*"SourceSecurityGroupId":\{"Fn::GetAtt":\["ProvisionerSecurityGroup/);
  assert.match(text("AWS::IAM::Policy"), /"lambda:InvokeFunction".*"Roles":\[\{"Ref":"Desk/);
  // The given secret's key, which the scan function needs to read it.
  assert.match(text("AWS::IAM::Role"), /"Ref":"Directory[0-9A-F]{8}"/);
});
