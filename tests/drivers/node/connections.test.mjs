// What the official Node driver does beside commands: monitoring, compression, reconnecting.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';

import { ADMIN, OP_COMPRESSED, OP_QUERY, tap } from '../server.mjs';
import { client, create, fails, serverWithAdmin } from './clients.mjs';

/** Waits for an event that `wanted` accepts. */
async function until(emitter, name, wanted = () => true) {
  for (;;) {
    const [event] = await once(emitter, name);
    if (wanted(event)) {
      return event;
    }
  }
}

const isStreamed = (event) => event.awaited;
const processOf = (event) => event.reply.topologyVersion.processId;

test('the stream of hellos goes on', async (t) => {
  const { server } = await serverWithAdmin(t);
  const one = client(server, server.adminUri(), { heartbeatFrequencyMS: 500 });
  const failures = [];
  one.on('serverHeartbeatFailed', (event) => failures.push(event.failure));
  const streamed = (async () => {
    await until(one, 'serverHeartbeatSucceeded', isStreamed);
    await until(one, 'serverHeartbeatSucceeded', isStreamed);
  })();
  await one.db('admin').command({ ping: 1 });
  await streamed;
  assert.deepEqual(failures, []);
  const [description] = one.topology.description.servers.values();
  assert.equal(description.type, 'Standalone');
});

test('a restarted server is found again with its users', async (t) => {
  const { server } = await serverWithAdmin(t);
  const one = client(server, server.adminUri(), { heartbeatFrequencyMS: 500 });
  await create(one, 'ann');
  const shown = await one.db('products').command({ usersInfo: 'ann', showCredentials: true });
  const before = await until(one, 'serverHeartbeatSucceeded', isStreamed);
  const found = until(one, 'serverHeartbeatSucceeded', (event) => {
    return isStreamed(event) && !processOf(event).equals(processOf(before));
  });
  await server.restart();
  await found;
  const again = await one.db('products').command({ usersInfo: 'ann', showCredentials: true });
  assert.deepEqual(again.users, shown.users);
});

test('compressed messages', async (t) => {
  const { server } = await serverWithAdmin(t);
  const { port, operations } = await tap(server);
  const one = client(server, server.adminUri({ port }), { compressors: ['zlib'] });
  const { roles } = await one.db('admin').command({ rolesInfo: 1, showBuiltinRoles: true });
  assert.ok(roles.length > 10);
  assert.ok(operations.some(({ code }) => code === OP_COMPRESSED));
});

test('write concerns', async (t) => {
  const { admin } = await serverWithAdmin(t);
  await create(admin, 'ann', { writeConcern: { w: 1, j: true, wtimeout: 1000 } });
  await fails(2, create(admin, 'bob', { writeConcern: { w: 2 } }));
  await fails(9, create(admin, 'bob', { writeConcern: { w: 51 } }));
  const { users } = await admin.db('products').command({ usersInfo: 1 });
  assert.deepEqual(users.map(({ user }) => user), ['ann']);
});

test('a session', async (t) => {
  const { admin } = await serverWithAdmin(t);
  await admin.withSession(async (session) => {
    const command = { createUser: 'ann', pwd: 'secret', roles: [] };
    await admin.db('products').command(command, { session });
    await fails(51003, admin.db('products').command(command, { session }));
  });
});

test('twenty users at once, and one name for one of eight', async (t) => {
  const { admin } = await serverWithAdmin(t);
  await Promise.all(Array.from({ length: 20 }, (_, number) => create(admin, `user${number}`)));
  const { users } = await admin.db('products').command({ usersInfo: 1 });
  assert.equal(users.length, 20);
  const racing = Array.from({ length: 8 }, () => create(admin, 'only'));
  const outcomes = await Promise.allSettled(racing);
  const lost = outcomes.filter(({ status }) => status === 'rejected');
  assert.deepEqual(lost.map(({ reason }) => reason.code), Array(7).fill(51003));
});

// Version 3.7 signs in by OP_QUERY, as drivers of that time do, and goes on by OP_MSG.
test('a driver that signs in by OP_QUERY', async (t) => {
  const { default: old } = await import('mongodb-3');
  const { server, admin } = await serverWithAdmin(t);
  await create(admin, 'ann');
  for (const mechanism of ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'DEFAULT']) {
    const { port, operations } = await tap(server);
    const options = `authMechanism=${mechanism}`;
    const login = { user: 'ann', db: 'products', port, options };
    const one = await old.MongoClient.connect(server.uri({ ...login, password: 'secret' }), {
      useUnifiedTopology: false,
    });
    server.closers.push(() => one.close());
    const { authInfo } = await one.db('products').command({ connectionStatus: 1 });
    assert.deepEqual(authInfo.authenticatedUsers, [{ user: 'ann', db: 'products' }]);
    const byQuery = operations.filter(({ code }) => code === OP_QUERY);
    assert.ok(byQuery.some(({ text }) => text.includes('saslContinue')), mechanism);
    const wrong = old.MongoClient.connect(server.uri({ ...login, password: 'wrong' }), {
      useUnifiedTopology: false,
    });
    await assert.rejects(wrong, /Authentication failed\./);
  }
  await assert.doesNotReject(admin.db('admin').command({ usersInfo: ADMIN.user }));
});
