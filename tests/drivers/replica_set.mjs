// Three servers as a replica set over an etcd of their own, killed at the end.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { ADMIN, Server } from './server.mjs';

export const SET_NAME = 'rs0';
const PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 20;
// Longer than a machine with much to do stalls a server: a primary keeps its office.
const LEASE_S = 15;
// Where a primary is killed and the next one is waited for.
export const SHORT_LEASE_S = 3;
// A server answers so that is not primary, not any more or not yet, or does not know what became of it.
const NOT_NOW = [6, 91, 189, 10107, 11602];
// There is an administrator: it exists, and a stranger may not create another one.
const IS_THERE = [13, 51003];
// Below what Linux gives to outgoing connections; a port is claimed at a loopback address that nothing
// else listens on (as tests/support/ports.rs does).
const FIRST_PORT = 12_000;
const PORTS = 20_000;
const CLAIMS = '127.255.255.254';

async function listen(port, host) {
  const server = net.createServer().unref();
  server.listen({ port, host, exclusive: true });
  await once(server, 'listening');
  return server;
}

/** A port of 127.0.0.1 that no other test is given until `close`. */
async function claimPort() {
  for (;;) {
    const number = FIRST_PORT + Math.floor(Math.random() * PORTS);
    try {
      const claim = await listen(number, CLAIMS);
      (await listen(number, '127.0.0.1')).close();
      return { number, close: () => claim.close() };
    } catch (error) {
      if (error.code !== 'EADDRINUSE') {
        throw error;
      }
    }
  }
}

/** Looks again until it is so. */
export async function waitUntil(isSo, text) {
  const end = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (Date.now() > end) {
      throw new Error(text);
    }
    await pause(LOOK_AGAIN_MS);
  }
}

/**
 * Creates the first administrator, trying again while another one becomes primary. Both functions answer
 * the code of an error, or nothing: `create` creates it and `change` changes it, as itself, everywhere.
 */
export async function createAdmin(create, change) {
  let isOpen = false;
  const isCreated = async () => {
    let code = await create();
    if (isOpen && IS_THERE.includes(code)) {
      // An earlier try did it; what the administrator changes now is everywhere after it.
      code = await change();
    }
    assert.ok(code === undefined || NOT_NOW.includes(code), `refused with ${code}`);
    isOpen = code !== undefined;
    return !isOpen;
  };
  await waitUntil(isCreated, 'no administrator');
}

/** One member of etcd. */
class Etcd {
  #folder = mkdtempSync(path.join(os.tmpdir(), 'etcd-'));
  #ports;
  #process;

  static async start() {
    const etcd = new Etcd();
    etcd.#ports = [await claimPort(), await claimPort()];
    const [client, peer] = etcd.#ports.map((port) => `http://127.0.0.1:${port.number}`);
    etcd.endpoints = client;
    const log = openSync(path.join(etcd.#folder, 'log'), 'a');
    etcd.#process = spawn(
      'etcd',
      [
        '--name=only',
        `--data-dir=${etcd.#folder}/data`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=only=${peer}`,
        '--logger=zap',
        '--log-outputs=stderr',
      ],
      {
        stdio: ['ignore', 'ignore', log],
        env: {
          ...process.env,
          ETCD_UNSUPPORTED_ARCH: os.arch() === 'x64' ? 'amd64' : os.arch(),
          // Tests kill processes and never the machine, which keeps what was written.
          ETCD_UNSAFE_NO_FSYNC: 'true',
        },
      },
    );
    closeSync(log);
    const isHealthy = async () => {
      const answer = await fetch(`${client}/health`).catch(() => undefined);
      return answer !== undefined && (await answer.text()).includes('"true"');
    };
    await waitUntil(isHealthy, 'etcd does not answer');
    return etcd;
  }

  async close() {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
    this.#ports.forEach((port) => port.close());
    rmSync(this.#folder, { recursive: true });
  }
}

/** A running replica set with an administrator. */
export class ReplicaSet {
  /** The servers, in the order of their tags. */
  nodes = [];

  /** Starts one and has it killed when the test ends. */
  static async start(test, tags = ['', '', ''], leaseS = LEASE_S) {
    const set = new ReplicaSet();
    const etcd = await Etcd.start();
    test.after(() => etcd.close());
    for (const ofNode of tags) {
      const port = await claimPort();
      const args = [
        `--port=${port.number}`,
        '--storageEngine=etcd',
        `--replSet=${SET_NAME}`,
        `--etcd.endpoints=${etcd.endpoints}`,
        `--etcd.leaseTtlSecs=${leaseS}`,
        ...(ofNode ? [`--replication.tags=${ofNode}`] : []),
      ];
      const node = await Server.start(test, ...args);
      node.closers.push(() => port.close());
      set.nodes.push(node);
    }
    return set;
  }

  uri({ user, password, options = '' } = {}) {
    const login = user ? `${encodeURIComponent(user)}:${encodeURIComponent(password)}@` : '';
    const hosts = this.nodes.map((node) => `127.0.0.1:${node.port}`).join(',');
    return `mongodb://${login}${hosts}/?authSource=admin&replicaSet=${SET_NAME}${options}`;
  }

  adminUri(more = {}) {
    return this.uri({ ...ADMIN, ...more });
  }

  /** The node of `host:port`. */
  nodeAt(address) {
    return this.nodes.find((node) => `127.0.0.1:${node.port}` === address);
  }
}
