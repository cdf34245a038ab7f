// What the official Node driver sees of three servers over etcd.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MongoClient, MongoServerError, ReadPreference } from 'mongodb';

import { ADMIN } from '../server.mjs';
import { createAdmin, ReplicaSet, SET_NAME, SHORT_LEASE_S, waitUntil } from '../replica_set.mjs';

const FAILOVER_MS_MAX = 15_000;

/** A set with an administrator, and a client of theirs. */
async function setWithAdmin(test, tags, leaseS) {
  const set = await ReplicaSet.start(test, tags, leaseS);
  const anyone = await connect(set, set.uri());
  const everywhere = { roles: ['root'], writeConcern: { w: 3 } };
  await createAdmin(
    () => codeOf(anyone, { createUser: ADMIN.user, pwd: ADMIN.password, ...everywhere }),
    async () => {
      const admin = await connect(set, set.adminUri());
      return codeOf(admin, { updateUser: ADMIN.user, ...everywhere });
    },
  );
  return { set, admin: await connect(set, set.adminUri()) };
}

/** What a command of `admin` is refused with, or nothing. */
async function codeOf(client, command) {
  try {
    const reply = await client.db('admin').command(command);
    return reply.writeConcernError?.code;
  } catch (error) {
    if (error instanceof MongoServerError) {
      return error.code;
    }
    throw error;
  }
}

async function connect(set, uri, options = {}) {
  const made = new MongoClient(uri, {
    serverSelectionTimeoutMS: 60_000,
    heartbeatFrequencyMS: 500,
    ...options,
  });
  set.nodes[0].closers.push(() => made.close());
  await made.connect();
  return made;
}

function create(client, user, writeConcern) {
  return client
    .db('products')
    .command({ createUser: user, pwd: 'secret', roles: ['read'], writeConcern });
}

async function users(client, readPreference = ReadPreference.primary) {
  const reply = await client.db('products').command({ usersInfo: 1 }, { readPreference });
  return reply.users.map((user) => user.user);
}

/** Addresses by what they are to the driver. */
function known(client, type) {
  const servers = [...client.topology.description.servers.values()];
  return servers.filter((server) => server.type === type).map((server) => server.address);
}

/** Retryable writes get through without the application's help, one after the other. */
async function insertMany(collection, count) {
  for (let number = 0; number < count; ) {
    try {
      await collection.insertOne({ _id: number });
      number += 1;
    } catch (error) {
      // It could not connect at all: this driver gives up before it has heard who is primary now.
      if (!error.hasErrorLabel('SystemOverloadedError')) {
        throw error;
      }
    }
  }
}

test('one seed is enough', async (t) => {
  const { set } = await setWithAdmin(t);
  for (const [number, seed] of set.nodes.entries()) {
    const uri = `${seed.adminUri({ options: `replicaSet=${SET_NAME}` })}`;
    const client = await connect(set, uri);
    assert.equal((await create(client, `by-${number}`, { w: 3 })).ok, 1);
    await waitUntil(() => known(client, 'RSSecondary').length === 2, 'not two secondaries');
    assert.equal(known(client, 'RSPrimary').length, 1);
    assert.equal((await users(client, ReadPreference.secondary)).length, number + 1);
  }
});

test('write concern and tags', async (t) => {
  const { set, admin } = await setWithAdmin(t, ['dc:east', 'dc:west', 'dc:north']);
  const north = new ReadPreference('nearest', [{ dc: 'north' }]);
  const hello = await admin.db('admin').command({ hello: 1 }, { readPreference: north });
  assert.equal(hello.me, `127.0.0.1:${set.nodes[2].port}`);
  await waitUntil(() => known(admin, 'RSSecondary').length === 2, 'not two secondaries');
  const paused = set.nodeAt(known(admin, 'RSSecondary')[0]);
  paused.signal('SIGSTOP');
  try {
    const majority = await create(admin, 'ann', { w: 'majority', wtimeout: 60_000 });
    assert.equal(majority.writeConcernError, undefined);
    const two = await create(admin, 'bob', { w: { dc: 2 }, wtimeout: 60_000 });
    assert.equal(two.writeConcernError, undefined);
    const late = await create(admin, 'cid', { w: 3, wtimeout: 200 }).catch((error) => error);
    const error = late.writeConcernError ?? late.result?.writeConcernError;
    assert.equal(error.code, 64);
    assert.equal(error.errInfo.wtimeout, true);
  } finally {
    paused.signal('SIGCONT');
  }
  assert.deepEqual(await users(admin), ['ann', 'bob', 'cid']);
});

test('the primary is killed', async (t) => {
  const { set, admin } = await setWithAdmin(t, undefined, SHORT_LEASE_S);
  await create(admin, 'before', { w: 'majority' });
  const [primary] = known(admin, 'RSPrimary');
  const temporary = admin.db('admin').collection('tempusers');
  await temporary.insertOne({ _id: 'first' });
  const killed = set.nodeAt(primary);
  const inserting = insertMany(temporary, Infinity).catch((error) => error);
  await killed.kill();
  const started = Date.now();
  // The driver went to the next primary by itself, which does not have what was inserted before.
  assert.equal((await inserting).code, 96);
  assert.equal((await create(admin, 'after', { w: 'majority' })).ok, 1);
  const took = Date.now() - started;
  assert.ok(took < FAILOVER_MS_MAX, `${took} ms`);
  await temporary.drop();
  await insertMany(temporary, 10);
  assert.notEqual(known(admin, 'RSPrimary')[0], primary);
  assert.deepEqual(await users(admin), ['after', 'before']);
  await killed.startAgain();
  await waitUntil(() => known(admin, 'RSSecondary').includes(primary), 'it does not come back');
});

test('a step-down closes no connection', async (t) => {
  const { admin } = await setWithAdmin(t);
  const cleared = [];
  admin.on('connectionPoolCleared', (event) => cleared.push(event.address));
  await create(admin, 'before', { w: 'majority' });
  const [primary] = known(admin, 'RSPrimary');
  await admin.db('admin').command({ replSetStepDown: 60 });
  const isAnother = () => known(admin, 'RSPrimary').some((address) => address !== primary);
  await waitUntil(isAnother, 'nobody takes over');
  assert.equal((await create(admin, 'after', { w: 'majority' })).ok, 1);
  assert.deepEqual(await users(admin), ['after', 'before']);
  assert.deepEqual(cleared, []);
});
