// What mongosh shows of three servers over etcd.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createAdmin, ReplicaSet, SET_NAME } from '../replica_set.mjs';
import { ADMIN } from '../server.mjs';
import { run } from './shell.mjs';

const CREATE = `db.getSiblingDB("admin").createUser(
  {user: "${ADMIN.user}", pwd: "${ADMIN.password}", roles: ["root"]}, {w: 3})`;
const CHANGE = `db.getSiblingDB("admin").updateUser("${ADMIN.user}", {roles: ["root"]}, {w: 3})`;

/** The code that a line is refused with, or nothing. */
async function codeOf(uri, line) {
  const output = await printed(
    uri,
    `try { ${line} } catch (error) { print("refused:", error.code, error.message) }`,
  );
  const refused = /refused: (\S+)/.exec(output);
  if (!refused) {
    return undefined;
  }
  assert.match(refused[1], /^\d+$/, output);
  return Number(refused[1]);
}

async function printed(uri, line) {
  const { status, output } = await run(uri, line);
  assert.equal(status, 0, output);
  return output;
}

test('the helpers of rs', async (t) => {
  const set = await ReplicaSet.start(t);
  const uri = set.adminUri();
  await createAdmin(
    () => codeOf(set.uri(), CREATE),
    () => codeOf(uri, CHANGE),
  );
  const hosts = set.nodes.map((node) => `127.0.0.1:${node.port}`);
  const sorted = (text) => JSON.parse(text).sort();
  const names = await printed(uri, 'JSON.stringify(rs.status().members.map((one) => one.name))');
  assert.deepEqual(sorted(names), [...hosts].sort());
  assert.equal((await printed(uri, 'rs.conf()._id')).trim(), SET_NAME);
  const primary = (await printed(uri, 'db.hello().primary')).trim();

  const lag = await printed(uri, 'rs.printSecondaryReplicationInfo()');
  for (const host of hosts) {
    assert.equal(lag.includes(`source: ${host}`), host !== primary, lag);
  }
  assert.equal(lag.match(/0 secs \(0 hrs\) behind the primary/g).length, 2, lag);

  const secondary = set.nodes.find((node) => `127.0.0.1:${node.port}` !== primary);
  const info = await printed(secondary.adminUri(), 'rs.printReplicationInfo()');
  assert.match(info, /this is a secondary, printing secondary replication info/);
  // There is no oplog whose length could be told.
  const refused = await run(uri, 'rs.printReplicationInfo()');
  assert.notEqual(refused.status, 0, refused.output);
  assert.match(refused.output, /Replication not detected/);
});
