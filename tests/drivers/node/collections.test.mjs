// Users and roles read as collections by the official Node driver.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { client, create, fails, serverWithAdmin } from './clients.mjs';

test('users come in batches, filtered, projected and sorted', async (t) => {
  const { server, admin } = await serverWithAdmin(t);
  const external = admin.db('$external');
  for (let number = 0; number < 250; number += 1) {
    await external.command({ createUser: `CN=${number}`, roles: [], customData: { number } });
  }
  const users = admin.db('admin').collection('system.users');
  const found = await users
    .find({ db: '$external' }, { projection: { _id: 0, 'customData.number': 1 } })
    .sort({ 'customData.number': -1 })
    .batchSize(60)
    .toArray();
  const expected = Array.from({ length: 250 }, (_, at) => ({ customData: { number: 249 - at } }));
  assert.deepEqual(found, expected);
  assert.equal(await users.countDocuments({ 'customData.number': { $gte: 200 } }), 50);
  assert.equal(await users.estimatedDocumentCount(), 251);
  const groups = await users.aggregate([{ $group: { _id: '$db', n: { $sum: 1 } } }]).toArray();
  assert.deepEqual(groups, [
    { _id: '$external', n: 250 },
    { _id: 'admin', n: 1 },
  ]);
  const names = (await admin.db('admin').listCollections().toArray()).map(({ name }) => name);
  assert.deepEqual(names, ['system.users', 'system.version']);
  assert.deepEqual(await admin.db('products').listCollections().toArray(), []);
  assert.deepEqual(
    (await users.indexes()).map(({ name }) => name),
    ['_id_', 'user_1_db_1'],
  );
  await create(admin, 'ann');
  const ann = client(server, server.uri({ user: 'ann', password: 'secret', db: 'products' }));
  await fails(13, ann.db('admin').collection('system.users').findOne());
});

test('a cursor left half read is closed', async (t) => {
  const { admin } = await serverWithAdmin(t);
  for (const user of ['ann', 'bob', 'cid']) {
    await create(admin, user);
  }
  const cursor = admin.db('admin').collection('system.users').find().batchSize(2);
  assert.equal((await cursor.next()).user, 'admin');
  const open = async () =>
    (await admin.db('admin').command({ serverStatus: 1 })).metrics.cursor.open.total;
  assert.equal(await open(), 1);
  await cursor.close();
  assert.equal(await open(), 0);
});
