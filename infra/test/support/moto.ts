import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as net from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { pythonTool } from "./tools.ts";

const HOST = "127.0.0.1";
/** Only a failure takes this long. */
const START_TIMEOUT_MS = 60_000;
const ATTEMPTS = 5;

/** moto's server: an implementation of AWS's services that has nothing to do with ours, with everything in memory. */
export class Moto {
  readonly endpoint: string;
  readonly #process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.endpoint = `http://${HOST}:${port}`;
    this.#process = process;
  }

  /** Starts it on a free port, and waits until it answers. It ends with this process at the latest. */
  static async start(): Promise<Moto> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const child = spawn(pythonTool("moto_server"), ["-H", HOST, "-p", String(port)], { stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      child.stderr.on("data", (data: Buffer) => (said = `${said}${data.toString()}`.slice(-4000)));
      const failed = once(child, "error").then(([error]) => {
        throw new Error(`can't start moto_server (${String(error)}); ./tests/run installs it`);
      });
      process.once("exit", () => child.kill("SIGKILL"));
      if (await Promise.race([answers(port, child), failed])) return new Moto(port, child);
      // The port may have been taken between looking and listening.
      child.kill("SIGKILL");
      if (attempt === ATTEMPTS) throw new Error(`moto_server does not answer: ${said}`);
    }
  }

  /** Client settings of an SDK. moto accepts any credentials. */
  client(region = "eu-west-1"): { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } } {
    return { endpoint: this.endpoint, region, credentials: { accessKeyId: "test", secretAccessKey: "test" } };
  }

  /** The same for a program of its own. */
  environment(region = "eu-west-1"): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    };
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, HOST);
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** moto listens once it is ready, so an accepted connection is answered. */
async function answers(port: number, child: ChildProcess): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const socket = net.connect(port, HOST);
    const connected = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
    socket.destroy();
    if (connected) return true;
    await pause(100);
  }
  return false;
}
