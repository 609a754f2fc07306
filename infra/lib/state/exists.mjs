// Asks Secrets Manager which of the secrets named on the command line are there, and prints the names of those that
// aren't, as JSON. A program of its own, because a construct can't wait for an answer and a child process can be waited
// for. The values are not read.
import { DescribeSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

const client = new SecretsManagerClient({});
const missing = [];
try {
  for (const name of process.argv.slice(2)) {
    try {
      const { DeletedDate } = await client.send(new DescribeSecretCommand({ SecretId: name }));
      if (DeletedDate !== undefined) missing.push(name);
    } catch (error) {
      if (error.name !== "ResourceNotFoundException") throw error;
      missing.push(name);
    }
  }
  process.stdout.write(JSON.stringify(missing));
} catch (error) {
  process.stderr.write(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
