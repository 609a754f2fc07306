// `check-secrets` asks AWS at synth whether the existing secrets exist; here moto answers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CreateSecretCommand, DeleteSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

import { Mistake } from "../lib/index.ts";
import { Moto } from "./support/moto.ts";
import { synthesise, template } from "./support/site.ts";

let moto: Moto;
let secrets: SecretsManagerClient;
const surroundings = { ...process.env };

before(async () => {
  moto = await Moto.start();
  secrets = new SecretsManagerClient(moto.client());
  Object.assign(process.env, moto.environment());
});
after(async () => {
  process.env = surroundings;
  await moto?.stop();
});

const check = { secrets: { existing: "all", check: true } } as const;

test("a secret that does not exist is reported by name", async () => {
  await secrets.send(new CreateSecretCommand({ Name: "corp/directory", SecretString: "{}" }));
  assert.throws(() => synthesise(check), {
    message:
      'existing secrets: there is no secret "corp/workplace" in eu-west-1; create it, or remove it from the existing secrets to have it created empty',
  });
  await secrets.send(new CreateSecretCommand({ Name: "corp/workplace", SecretString: "{}" }));
  template(check).resourceCountIs("AWS::SecretsManager::Secret", 0);
});

test("a secret scheduled for deletion does not exist", async () => {
  await secrets.send(new DeleteSecretCommand({ SecretId: "corp/workplace", RecoveryWindowInDays: 7 }));
  assert.throws(() => synthesise(check), /there is no secret "corp\/workplace"/);
});

test("only secrets listed as existing are looked up", () => {
  template({ secrets: { existing: ["corp/directory"], check: true } }).resourceCountIs("AWS::SecretsManager::Secret", 1);
});

test("a failed look-up of secrets is reported in one sentence", async () => {
  const { AWS_ENDPOINT_URL: endpoint } = process.env;
  process.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1";
  process.env["AWS_MAX_ATTEMPTS"] = "1";
  assert.throws(
    () => synthesise(check),
    (error: Error) => {
      assert.ok(error instanceof Mistake);
      assert.match(error.message, /^can't ask AWS Secrets Manager for the existing secrets \([^\n]*\); set AWS_PROFILE and AWS_REGION/);
      return true;
    },
  );
  process.env["AWS_ENDPOINT_URL"] = endpoint;
});
