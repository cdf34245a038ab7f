// Runs mongosh without a terminal.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const MONGOSH = path.join(HERE, '../node_modules/mongosh/bin/mongosh.js');

/** The output of mongosh; `input` is typed into it. */
async function mongosh(args, input = '') {
  // Its settings, history and logs go where they bother nobody.
  const home = mkdtempSync(path.join(tmpdir(), 'mongosh-'));
  try {
    const shell = spawn(process.execPath, [MONGOSH, '--norc', '--quiet', ...args], {
      env: { ...process.env, HOME: home, MONGOSH_GLOBAL_CONFIG_FILE_FOR_TESTING: '/dev/null' },
    });
    let output = '';
    for (const stream of [shell.stdout, shell.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    }
    shell.stdin.end(input);
    const [status] = await once(shell, 'close');
    return { status, output };
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** Runs a script of this folder, which throws where something is wrong. */
export async function file(name, uri, ...options) {
  const script = ['--file', path.join(HERE, name)];
  const { status, output } = await mongosh([uri, ...options, ...script]);
  assert.equal(status, 0, output);
  assert.match(output, /^done$/m);
  return output;
}

/** Types lines into the shell; what it answers to all of them. */
export async function type(uri, ...lines) {
  const { status, output } = await mongosh([uri], lines.map((line) => `${line}\n`).join(''));
  assert.equal(status, 0, output);
  return output;
}

/** Runs one line; its output and how the shell ended. */
export function run(uri, line, ...options) {
  return mongosh([uri, ...options, '--eval', line]);
}
