// The Node client for Milvus: its main calls about users, roles, grants, groups and backups.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { MilvusClient } from '@zilliz/milvus2-sdk-node';

import { Server } from '../server.mjs';

const ROOT_PASSWORD = 'Milvus';

/** A server with the face on, and root on it. */
async function start(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'portcullis-milvus-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const portFile = path.join(folder, 'port');
  const server = await Server.start(
    t,
    '--milvus.enabled',
    '--milvus.port=0',
    `--milvus.portFile=${portFile}`,
    `--milvus.defaultRootPassword=${ROOT_PASSWORD}`,
  );
  const address = `127.0.0.1:${readFileSync(portFile, 'utf8').trim()}`;
  const signIn = async (username, password) => {
    const client = new MilvusClient({ address, username, password, maxRetries: 0, timeout: 20_000 });
    server.closers.push(() => client.closeConnection());
    await client.connectPromise;
    return client;
  };
  return { signIn, root: await signIn('root', ROOT_PASSWORD) };
}

/** The call has done what it was asked for. */
async function done(call) {
  const reply = await call;
  const status = reply.status ?? reply;
  assert.equal(status.error_code, 'Success', status.reason);
  return reply;
}

/** The call is refused with this code and text in its reply. */
async function refused(code, text, call) {
  const reply = await call;
  const status = reply.status ?? reply;
  assert.equal(status.code, code, JSON.stringify(status));
  assert.ok(status.reason.includes(text), status.reason);
}

/** The call is refused by the status of gRPC. */
async function denied(code, text, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.code, code, String(error));
    assert.ok(String(error).includes(text), String(error));
    return true;
  });
}

const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;

test('a user is made, signs in, changes its password and goes', async (t) => {
  const { root, signIn } = await start(t);
  await done(root.createUser({ username: 'ann', password: 'secret1', description: 'of the shop' }));
  assert.deepEqual((await root.listUsers()).usernames, ['ann', 'root']);
  const ann = await signIn('ann', 'secret1');
  const described = await done(ann.describeUser({ username: 'ann' }));
  assert.equal(described.results[0].description, 'of the shop');
  await done(ann.updateUser({ username: 'ann', oldPassword: 'secret1', newPassword: 'secret2' }));
  await denied(UNAUTHENTICATED, 'auth check failure', ann.describeUser({ username: 'ann' }));
  const again = await signIn('ann', 'secret2');
  await denied(PERMISSION_DENIED, 'permission deny to ann', again.listUsers());
  await done(root.deleteUser({ username: 'ann' }));
  await denied(UNAUTHENTICATED, 'auth check failure', again.describeUser({ username: 'ann' }));
});

test('bad calls about users say why', async (t) => {
  const { root } = await start(t);
  await done(root.createUser({ username: 'ann', password: 'secret' }));
  const make = (username, password) => root.createUser({ username, password });
  await refused(65535, 'user already exists: ann', make('ann', 'secret'));
  await refused(1100, 'must be a letter', make('1ann', 'secret'));
  await refused(1100, '5 out of range 6', make('bob', 'short'));
  await refused(1401, 'root user cannot be deleted', root.deleteUser({ username: 'root' }));
  const update = { username: 'ann', oldPassword: 'wrong1', newPassword: 'secret' };
  await refused(1400, 'old password not correct', root.updateUser(update));
});

test('a role is made, described, granted and dropped', async (t) => {
  const { root, signIn } = await start(t);
  await done(root.createRole({ roleName: 'reader', description: 'reads' }));
  await done(root.alterRole({ roleName: 'reader', description: 'reads users' }));
  assert.equal((await root.hasRole({ roleName: 'reader' })).hasRole, true);
  const described = await done(root.describeRole({ roleName: 'reader' }));
  assert.equal(described.results[0].role.description, 'reads users');
  await done(root.createUser({ username: 'ann', password: 'secret' }));
  await done(root.addUserToRole({ username: 'ann', roleName: 'reader' }));
  const ann = await signIn('ann', 'secret');
  await denied(PERMISSION_DENIED, 'SelectOwnership', ann.listUsers());
  const grant = {
    roleName: 'reader',
    object: 'Global',
    objectName: '*',
    privilegeName: 'SelectOwnership',
  };
  await done(root.grantPrivilege(grant));
  assert.deepEqual((await done(ann.listUsers())).usernames, ['ann', 'root']);
  assert.equal((await done(root.listGrants({ roleName: 'reader' }))).entities.length, 1);
  await refused(65535, 'that it has privileges', root.dropRole({ roleName: 'reader' }));
  await done(root.revokePrivilege(grant));
  await denied(PERMISSION_DENIED, 'SelectOwnership', ann.listUsers());
  await done(root.removeUserFromRole({ username: 'ann', roleName: 'reader' }));
  await done(root.dropRole({ roleName: 'reader' }));
  assert.equal((await root.hasRole({ roleName: 'reader' })).hasRole, false);
});

test('a group of privileges is granted, backed up and restored', async (t) => {
  const { root, signIn } = await start(t);
  await done(root.createRole({ roleName: 'keeper' }));
  await done(root.createUser({ username: 'ann', password: 'secret' }));
  await done(root.addUserToRole({ username: 'ann', roleName: 'keeper' }));
  await done(root.createPrivilegeGroup({ group_name: 'lookers' }));
  await done(
    root.addPrivilegesToGroup({ group_name: 'lookers', privileges: ['SelectOwnership'] }),
  );
  const grant = { role: 'keeper', privilege: 'lookers', db_name: '*', collection_name: '*' };
  await done(root.grantPrivilegeV2(grant));
  const ann = await signIn('ann', 'secret');
  await done(ann.listUsers());
  const groups = (await done(root.listPrivilegeGroups())).privilege_groups;
  assert.equal(groups.length, 10);
  const kept = await done(root.backupRBAC());

  const other = await start(t);
  await done(other.root.restoreRBAC({ RBAC_meta: kept.RBAC_meta }));
  const again = await other.signIn('ann', 'secret');
  assert.deepEqual((await done(again.listUsers())).usernames, ['ann', 'root']);

  await refused(65535, 'is used by role [keeper]', root.dropPrivilegeGroup({ group_name: 'lookers' }));
  await done(
    root.removePrivilegesFromGroup({ group_name: 'lookers', privileges: ['SelectOwnership'] }),
  );
  await denied(PERMISSION_DENIED, 'SelectOwnership', ann.listUsers());
  await done(root.revokePrivilegeV2(grant));
  await done(root.dropPrivilegeGroup({ group_name: 'lookers' }));
});
