// The scripts of this folder, and what people type, in mongosh.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ADMIN, Server } from '../server.mjs';
import { file, run, type } from './shell.mjs';

// From the manual's page on db.createUser(), but for the password.
const MANUALS_EXAMPLE = `
use products
db.createUser( { user: "accountAdmin01",
                 pwd: "secret",
                 customData: { employeeId: 12345 },
                 roles: [ { role: "clusterAdmin", db: "admin" },
                          { role: "readAnyDatabase", db: "admin" },
                          "readWrite"] },
               { w: "majority" , wtimeout: 5000 } )`;

const FIRST_USER = `
use admin
db.createUser({user: "${ADMIN.user}", pwd: "${ADMIN.password}", roles: ["root"]})
db.auth("${ADMIN.user}", "${ADMIN.password}")`;

test('typed: the first user, then the example of the manual', async (t) => {
  const server = await Server.start(t);
  const anyone = `mongodb://127.0.0.1:${server.port}/`;
  const output = await type(
    anyone,
    FIRST_USER,
    MANUALS_EXAMPLE,
    'show users',
    'db.getUser("accountAdmin01").customData',
  );
  assert.match(output, /switched to db products/);
  assert.equal(output.match(/\{ ok: 1 \}/g).length, 3, output);
  assert.match(output, /_id: 'products\.accountAdmin01'/);
  assert.match(output, /\{ employeeId: 12345 \}/);
  assert.doesNotMatch(output, /Mongo\w*Error/);
});

test('what show shows', async (t) => {
  const server = await serverWithAdmin(t);
  const output = await type(
    server.adminUri(),
    'show users',
    'show roles',
    'show dbs',
    'show logs',
    'show log global',
    'show startupWarnings',
  );
  assert.match(output, /_id: 'admin\.admin'/);
  assert.match(output, /role: 'userAdminAnyDatabase'/);
  assert.match(output, /^(admin> )?admin +[0-9.]+ MiB/m);
  assert.match(output, /Successfully authenticated/);
});

test('an expression on the command line', async (t) => {
  const server = await serverWithAdmin(t);
  const { status, output } = await run(server.adminUri(), 'show users');
  assert.equal(status, 0, output);
  assert.match(output, /_id: 'admin\.admin'/);
});

test('the life of a user', async (t) => {
  const server = await serverWithAdmin(t);
  await file('users.js', server.adminUri());
});

test('the life of a role', async (t) => {
  const server = await serverWithAdmin(t);
  await file('roles.js', server.adminUri());
});

test('users and roles as collections', async (t) => {
  const server = await serverWithAdmin(t);
  await file('collections.js', server.adminUri());
});

test('users and roles as collections, typed', async (t) => {
  const server = await serverWithAdmin(t);
  const output = await type(server.adminUri(), 'use admin', 'show collections', 'db.system.users.find()');
  assert.match(output, /system\.users\n *system\.version/);
  assert.match(output, /_id: 'admin\.admin'/);
  assert.match(output, /storedKey: '/);
});

test('signing in and out within one shell', async (t) => {
  const server = await serverWithAdmin(t);
  await file('sign_in.js', server.adminUri());
});

test('every diagnostic command', async (t) => {
  const server = await serverWithAdmin(t);
  await file('diagnostics.js', server.adminUri());
});

test('a refused shell says why and ends with an error', async (t) => {
  const server = await serverWithAdmin(t);
  const wrong = server.uri({ user: ADMIN.user, password: 'wrong', db: 'admin' });
  const { status, output } = await run(wrong, 'db.runCommand({ping: 1})');
  assert.notEqual(status, 0);
  assert.match(output, /MongoServerError: Authentication failed\./);
});

/** A server whose first user was created by mongosh. */
async function serverWithAdmin(test) {
  const server = await Server.start(test);
  const create = `db.getSiblingDB("admin").createUser(
    {user: "${ADMIN.user}", pwd: "${ADMIN.password}", roles: ["root"]})`;
  const { status, output } = await run(server.uri(), create);
  assert.equal(status, 0, output);
  return server;
}
