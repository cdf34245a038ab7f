// A server of one's own for each test: a free port, a folder of its own, killed at the end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

export const ADMIN = { user: 'admin', password: "admin's secret" };

export const OP_QUERY = 2004;
export const OP_COMPRESSED = 2012;
export const OP_MSG = 2013;
const HEADER_BYTES = 16;

/** A running server. */
export class Server {
  #process;
  #args = [];
  #folder = mkdtempSync(path.join(tmpdir(), 'portcullis-'));
  /** What to close before the server is killed: functions, the last one first. */
  closers = [];
  port = 0;

  /** Starts one and has it killed when the test ends; shows its log if the test fails. */
  static async start(test, ...args) {
    const server = new Server();
    test.after(() => server.#end(test));
    server.#args = args;
    await server.#start(args);
    return server;
  }

  async #start(args) {
    const portFile = path.join(this.#folder, 'port');
    const log = openSync(path.join(this.#folder, 'log'), 'a');
    this.#process = spawn(
      process.env.PORTCULLIS,
      [
        ...(args.some((it) => it.startsWith('--port=')) ? [] : [`--port=${this.port}`]),
        `--portFile=${portFile}`,
        `--dbpath=${path.join(this.#folder, 'data')}`,
        '--nounixsocket',
        ...args,
      ],
      { stdio: ['ignore', 'pipe', log] },
    );
    closeSync(log);
    // The greeting is printed once the sockets are open; a server that fails closes its pipe.
    for await (const line of readline.createInterface({ input: this.#process.stdout })) {
      if (line.includes('Ctrl-C')) {
        this.port = Number(readFileSync(portFile, 'utf8'));
        return;
      }
    }
    throw new Error(`the server did not start: ${this.log()}`);
  }

  /** Kills the server as kill -9 does and starts it again, on the same port. */
  async restart() {
    await this.#kill();
    await this.#start([]);
  }

  /** kill -9; `startAgain` brings it back with its arguments. */
  async kill() {
    await this.#kill();
  }

  async startAgain() {
    await this.#start(this.#args);
  }

  signal(name) {
    this.#process.kill(name);
  }

  log() {
    return readFileSync(path.join(this.#folder, 'log'), 'utf8');
  }

  /** A connection string, with or without a user of the database `db`. */
  uri({ user, password, db = '', port = this.port, options = '' } = {}) {
    const login = user ? `${encodeURIComponent(user)}:${encodeURIComponent(password)}@` : '';
    return `mongodb://${login}127.0.0.1:${port}/${db}?${options}`;
  }

  adminUri(more = {}) {
    return this.uri({ ...ADMIN, db: 'admin', ...more });
  }

  async #kill() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await exited;
    }
  }

  async #end(test) {
    for (const close of this.closers.reverse()) {
      await close();
    }
    await this.#kill();
    if (test.passed === false) {
      console.error(`the server's log:\n${this.log()}`);
    }
    rmSync(this.#folder, { recursive: true });
  }
}

/** A relay to the server that notes the operation of each message that clients send. */
export async function tap(upstream) {
  const operations = [];
  const relay = net.createServer((client) => {
    const server = net.connect(upstream.port, '127.0.0.1');
    let pending = Buffer.alloc(0);
    client.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= HEADER_BYTES && pending.length >= pending.readInt32LE(0)) {
        const message = pending.subarray(0, pending.readInt32LE(0));
        operations.push({ code: message.readInt32LE(12), text: message.toString('latin1') });
        pending = pending.subarray(message.length);
      }
    });
    client.pipe(server).pipe(client);
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  upstream.closers.push(() => relay.close());
  return { port: relay.address().port, operations };
}
