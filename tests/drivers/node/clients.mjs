// What the tests of the Node driver share.

import assert from 'node:assert/strict';
import { MongoClient } from 'mongodb';

import { ADMIN, Server } from '../server.mjs';

/** A client that is closed when the test ends. */
export function client(server, uri, options = {}) {
  const made = new MongoClient(uri, { serverSelectionTimeoutMS: 60_000, ...options });
  server.closers.push(() => made.close());
  return made;
}

/** A server with an administrator who may do everything, and a client of theirs. */
export async function serverWithAdmin(test, ...args) {
  const server = await Server.start(test, ...args);
  const anyone = client(server, server.uri());
  const root = { createUser: ADMIN.user, pwd: ADMIN.password, roles: ['root'] };
  assert.deepEqual(await anyone.db('admin').command(root), { ok: 1 });
  return { server, admin: client(server, server.adminUri()) };
}

/** Creates a user of `products` with the password "secret"; `fields` win. */
export async function create(admin, user, fields = {}) {
  const command = { createUser: user, pwd: 'secret', roles: ['read'], ...fields };
  assert.deepEqual(await admin.db('products').command(command), { ok: 1 });
}

/** What runs must fail with the server's code. */
export async function fails(code, running) {
  await assert.rejects(running, (error) => {
    assert.equal(error.code, code, error.message);
    return true;
  });
}
