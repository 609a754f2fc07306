// Mistakes of an administrator. Synth reports each in one sentence: where, what, and what to do.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { Duration } from "aws-cdk-lib";

import type { NetworkSettings } from "../lib/app/settings.ts";
import { Mistake, type WorkplaceProvisionerProps } from "../lib/index.ts";
import { ARM64, elf, writeArtefacts, X86_64 } from "./support/artefacts.ts";
import { CERTIFICATE, connectionToml, writeFolder } from "./support/connections.ts";
import { importNetwork } from "../lib/app/stack.ts";
import { type Given, NETWORK, type Site, site, synthesise } from "./support/site.ts";

/** The message of a failed synth. */
function said(props: Given, at: Site = site()): string {
  try {
    synthesise(props, at);
  } catch (error) {
    assert.ok(error instanceof Mistake, String(error));
    assert.ok(!error.message.includes("\n"), "one sentence is one line");
    assert.ok(!error.message.endsWith("."), error.message);
    return error.message.replaceAll(at.folder, "FOLDER");
  }
  assert.fail("synth found nothing wrong");
}

const wrong = (changes: Record<string, string>, files: Record<string, string> = {}): string =>
  said({}, site({ "corp.toml": connectionToml("corp", changes), ...files }));

test("an unknown prop", () => {
  const unknown = { provisoner: "x" } as Partial<WorkplaceProvisionerProps>;
  assert.equal(said(unknown), "unknown prop provisoner; did you mean provisioner?");
  const inner = { scan: { memorySiz: 512 } } as Partial<WorkplaceProvisionerProps>;
  assert.equal(said(inner), "unknown prop scan.memorySiz; did you mean memorySize?");
  const of = { schedulesByConnection: { corp: { ful: "off" } } } as Partial<WorkplaceProvisionerProps>;
  assert.equal(said(of), "unknown prop schedulesByConnection.corp.ful; did you mean full?");
});

test("a missing config", () => {
  assert.equal(
    said({ config: "" }),
    "config is missing; name a connection's TOML file or a folder of them (-c config=PATH)",
  );
  const at = site();
  assert.equal(
    said({ config: path.join(at.folder, "none") }, at),
    "config: there is no file or folder FOLDER/none; name a connection's TOML file or a folder of them",
  );
  const other = site({ "corp.json": "{}" });
  assert.equal(
    said({}, other),
    "config: there is no connection in the folder FOLDER/connections; put a .toml file for each into it",
  );
  assert.match(said({ config: path.join(other.config, "corp.json") }, other), /corp\.json is no \.toml file/);
});

test("an invalid connection file", () => {
  const table: [Record<string, string>, string][] = [
    [{ name: "name = " }, "FOLDER/connections/corp.toml:1:8: "],
    [{ kind: 'kynd = "openldap"' }, "FOLDER/connections/corp.toml, key directory: unknown key kynd; did you mean kind?"],
    [{ kind: "" }, "FOLDER/connections/corp.toml, key directory: the key kind is missing"],
    [{ targetUrl: "url = 5" }, "FOLDER/connections/corp.toml, key target.url: must be string"],
    [{ concurrency: "concurrency = -1" }, "FOLDER/connections/corp.toml, key target.concurrency: must be >= "],
    [
      { more: 'title = { form = "title" }' },
      "FOLDER/connections/corp.toml, key mapping.title: unknown key form; did you mean from?",
    ],
    [{ mapping: "[maping]" }, "FOLDER/connections/corp.toml: unknown key maping; did you mean mapping?"],
    [{ name: 'name = "a b"' }, "FOLDER/connections/corp.toml, key name: a connection's name has 1 to 64 letters"],
    [{ url: 'url = "http://x"' }, "FOLDER/connections/corp.toml, key directory.url: must start with ldaps://"],
    [{ url: "url = []" }, "FOLDER/connections/corp.toml, key directory.url: is an empty list"],
    [{ url: 'url = ["ldaps://dc1", "dc2"]' }, "FOLDER/connections/corp.toml, key directory.url: must start with ldaps://"],
    [{ url: 'url = "ldaps://dc1:port"' }, "FOLDER/connections/corp.toml, key directory.url: ldaps://dc1:port is no URL"],
    [{ group: "" }, "FOLDER/connections/corp.toml, key scope: has neither group nor filter"],
    [{ more: '[scope2]\nfilter = "(a=b)"' }, "FOLDER/connections/corp.toml: unknown key scope2"],
    [{ scope: '[scope]\nfilter = "(a=b)"' }, "FOLDER/connections/corp.toml, key scope: has both group and filter"],
    [{ userName: "" }, "FOLDER/connections/corp.toml, key mapping: userName is missing"],
  ];
  for (const [changes, expect] of table) {
    const message = wrong(changes);
    assert.ok(message.startsWith(expect), `${JSON.stringify(changes)}: ${message}`);
  }
});

test("two connections with the same name", () => {
  const at = site({ "a.toml": connectionToml("corp"), "b.toml": connectionToml("corp") });
  assert.equal(
    said({}, at),
    'FOLDER/connections/b.toml, key name: FOLDER/connections/a.toml has a connection of the name "corp" too; each needs its own',
  );
});

test("a schedule that can't be parsed", () => {
  const shape = "write rate(5 minutes), rate(1 day), or six fields such as cron(15 2 * * ? *)";
  assert.equal(
    said({ schedules: { incremental: "every minute" } }),
    `schedule incremental of corp: "every minute" is no schedule: it is neither rate(…) nor cron(…); ${shape}`,
  );
  assert.equal(
    said({ schedulesByConnection: { crop: { full: "off" } } }),
    'schedules: there is no connection "crop"; did you mean corp?',
  );
  assert.equal(
    said({ schedules: { timezone: "Europe/Atlantis" } }),
    'timezone of corp: there is no time zone "Europe/Atlantis"; write one such as Europe/Berlin or UTC',
  );
});

test("a cron schedule without lateAfter is refused", () => {
  const cron = { incremental: "off" };
  assert.match(said({ schedules: cron }), /^alarms: the interval of corp is unknown because its schedules are cron/);
  const rare = { incremental: "off", full: "rate(3 days)" };
  assert.match(said({ schedules: rare }), /^alarms: a scan of corp would be late after 9 days, and CloudWatch looks back 7/);
  synthesise({ schedules: cron, alarms: { lateAfter: Duration.hours(30) } });
});

test("an existing secret that no connection names", () => {
  assert.equal(
    said({ secrets: { existing: ["corp/directry"] } }),
    'existing secrets: no connection names a secret "corp/directry"; did you mean corp/directory?',
  );
});

test("a secret that would be deployed with the configuration", () => {
  assert.match(
    wrong({ targetSecret: 'secret = "file:workplace.json"' }, { "workplace.json": "{}" }),
    /key target\.secret: file:workplace\.json would be in a Lambda layer, .* keep it in AWS Secrets Manager/,
  );
  assert.match(
    wrong({ directorySecret: 'secret = "env:PASSWORD"' }),
    /key directory\.secret: env:PASSWORD would be in the function's configuration, .* keep it in AWS Secrets Manager/,
  );
  for (const secret of ["'{\"access_token\": \"x\"}'", '"DQVJtoken"', '"secretsmanager:"', '"corp/workplace"', '""']) {
    const message = wrong({ targetSecret: `secret = ${secret}` });
    assert.match(message, /key target\.secret: must name a secret in AWS Secrets Manager, such as secret = "secretsmanager:corp\/workplace"/);
    assert.doesNotMatch(message, /DQVJ|access_token/);
  }
});

test("a certificate authority that can't be deployed", () => {
  const ca = (text: string): Record<string, string> => ({ ca: `ca = "${text}"` });
  assert.match(wrong(ca("corp.pem")), /key directory\.ca: must be file:PATH of a PEM file$/);
  assert.match(wrong(ca("file:/etc/ssl/corp.pem")), /key directory\.ca: \/etc\/ssl\/corp\.pem is outside the folder of the configuration/);
  assert.match(wrong(ca("file:../corp.pem")), /key directory\.ca: \.\.\/corp\.pem is outside/);
  assert.match(wrong(ca("file:corp.pem")), /key directory\.ca: there is no file FOLDER\/connections\/corp\.pem; put the directory's/);
  assert.match(wrong(ca("file:corp.pem"), { "corp.pem": "hello" }), /corp\.pem holds no certificate in PEM form$/);
  const both = `${CERTIFICATE}-----BEGIN PRIVATE KEY-----\n`;
  assert.match(wrong(ca("file:corp.pem"), { "corp.pem": both }), /corp\.pem holds a private key; only the certificate/);
});

test("functions that are not built, or for different machines", () => {
  const at = site();
  const scan = path.join(at.artefacts, "scan", "bootstrap");
  const build = "build the functions with infra/build";
  fs.writeFileSync(scan, "#!/bin/sh\n");
  assert.equal(said({}, at), `FOLDER/lambda/scan/bootstrap is no Linux program (ELF); ${build}`);
  fs.writeFileSync(scan, elf(40));
  assert.match(said({}, at), /bootstrap is for a machine that Lambda doesn't have \(ELF number 40\); build/);
  fs.writeFileSync(scan, elf(ARM64));
  fs.chmodSync(scan, 0o644);
  assert.match(said({}, at), /bootstrap is not executable, so Lambda can't start it; build/);
  fs.rmSync(scan);
  assert.equal(
    said({}, at),
    `there is no FOLDER/lambda/scan/bootstrap; ${build}, or name the folder that has them (-c artefacts=FOLDER)`,
  );
  writeArtefacts(at.artefacts, { scan: ARM64, provision: X86_64 });
  assert.equal(
    said({}, at),
    `FOLDER/lambda: scan is for arm64 and provision for x86_64; both must be for one machine, so ${build}`,
  );
  writeArtefacts(at.artefacts, { scan: X86_64, provision: X86_64 });
  assert.match(said({ architecture: "arm64" }, at), /the functions are for x86_64, and architecture asks for arm64; build/);
});

test("a reserved concurrency below the sum of the targets' concurrency", () => {
  assert.match(
    said({ provision: { reservedConcurrentExecutions: 3 } }),
    /^provision\.reservedConcurrentExecutions is 3, and the connections' target\.concurrency together ask for 4;/,
  );
});

test("a network that can't be deployed, and a name that AWS refuses", () => {
  const network = (changes: Partial<NetworkSettings>): Given => (stack) => importNetwork(stack, { ...NETWORK, ...changes });
  assert.match(said(network({ directoryCidrs: [] })), /^vpc: the addresses of the directories are missing; name their range \(directory-cidr\)/);
  assert.match(
    said((stack) => ({ ...importNetwork(stack, { ...NETWORK, routeTableIds: [] }), vpcEndpoints: true })),
    /^vpcEndpoints: the route tables of the subnets are unknown; name them \(route-tables\)/,
  );
  assert.equal(said({ vpcEndpoints: true }), "vpc is missing: vpcEndpoints needs a VPC");
  assert.match(said({ name: "my_provisioner" }), /^name: "my_provisioner" must begin with a letter/);
});

test("a proxy or a number of users that can't be deployed", () => {
  assert.match(said({ httpsProxy: "proxy.corp.example:3128" }), /^httpsProxy \(https-proxy\): is no URL; write http:\/\/HOST:PORT$/);
  const secret = said({ httpsProxy: "http://user:hunter2@proxy.corp.example:3128" });
  assert.match(secret, /^httpsProxy \(https-proxy\): contains credentials/);
  assert.doesNotMatch(secret, /hunter2/);
  for (const usersPerInvocation of [0, 11, 1.5]) {
    assert.match(said({ usersPerInvocation }), /^usersPerInvocation \(users-per-invocation\) is [0-9.]+; it must be a whole number from 1 to 10$/);
  }
});

test("connection files are checked by the provisioner where it is installed", () => {
  const at = site();
  const tool = (script: string): string => {
    writeFolder(at.folder, { tool: `#!/bin/sh\n${script}\n` });
    fs.chmodSync(path.join(at.folder, "tool"), 0o755);
    return path.join(at.folder, "tool");
  };
  const refusing = tool('echo "$@: the mapping is odd" >&2; exit 2');
  assert.equal(
    said({ provisioner: refusing }, at),
    "FOLDER/connections/corp.toml: FOLDER/tool check --offline refuses it: check --offline --config FOLDER/connections/corp.toml: the mapping is odd",
  );
  synthesise({ provisioner: tool("exit 0") }, at);
  assert.match(said({ provisioner: path.join(at.folder, "none") }, at), /^provisioner: can't run FOLDER\/none \(.*ENOENT\)/);
});
