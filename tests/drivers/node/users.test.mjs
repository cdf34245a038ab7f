// Users by the official Node driver: created, shown, signing in, changed, dropped.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ADMIN, Server } from '../server.mjs';
import { client, create, fails, serverWithAdmin } from './clients.mjs';

const MECHANISMS = ['SCRAM-SHA-1', 'SCRAM-SHA-256'];

/** Signs in at `products` and asks who that is. */
async function signIn(server, user, password, mechanism = 'DEFAULT') {
  const options = `authMechanism=${mechanism}`;
  const one = client(server, server.uri({ user, password, db: 'products', options }));
  const { authInfo } = await one.db('products').command({ connectionStatus: 1 });
  assert.deepEqual(authInfo.authenticatedUsers, [{ user, db: 'products' }]);
  return one;
}

test('the first user is created without signing in and is the only one', async (t) => {
  const server = await Server.start(t);
  const anyone = client(server, server.uri());
  const root = { createUser: ADMIN.user, pwd: ADMIN.password, roles: ['root'] };
  await fails(13, anyone.db('products').command(root));
  assert.deepEqual(await anyone.db('admin').command(root), { ok: 1 });
  await fails(13, anyone.db('admin').command({ ...root, createUser: 'eve' }));
  await client(server, server.adminUri()).db('admin').command({ usersInfo: 1 });
});

test("the manual's example", async (t) => {
  const { server, admin } = await serverWithAdmin(t);
  const roles = [
    { role: 'clusterAdmin', db: 'admin' },
    { role: 'readAnyDatabase', db: 'admin' },
    'readWrite',
  ];
  const products = admin.db('products');
  const created = await products.command({
    createUser: 'accountAdmin01',
    pwd: 'secret',
    customData: { employeeId: 12345 },
    roles,
    writeConcern: { w: 'majority', wtimeout: 5000 },
  });
  assert.deepEqual(created, { ok: 1 });
  const [user] = (await products.command({ usersInfo: 'accountAdmin01' })).users;
  assert.deepEqual(user.customData, { employeeId: 12345 });
  const expected = [...roles.slice(0, 2), { role: 'readWrite', db: 'products' }];
  const byName = (one, other) => one.role.localeCompare(other.role);
  assert.deepEqual(user.roles.sort(byName), expected);
  assert.deepEqual(user.mechanisms.sort(), MECHANISMS);
  await signIn(server, 'accountAdmin01', 'secret');
});

test('signing in by each mechanism and by what is negotiated', async (t) => {
  const { server, admin } = await serverWithAdmin(t);
  await create(admin, 'both');
  await create(admin, 'one', { mechanisms: ['SCRAM-SHA-1'] });
  await create(admin, 'two', { mechanisms: ['SCRAM-SHA-256'] });
  for (const mechanism of ['DEFAULT', ...MECHANISMS]) {
    await signIn(server, 'both', 'secret', mechanism);
  }
  for (const [user, own, other] of [
    ['one', 'SCRAM-SHA-1', 'SCRAM-SHA-256'],
    ['two', 'SCRAM-SHA-256', 'SCRAM-SHA-1'],
  ]) {
    await signIn(server, user, 'secret');
    await signIn(server, user, 'secret', own);
    await fails(18, signIn(server, user, 'secret', other));
  }
});

test('a sign-in is refused with one code and one text', async (t) => {
  const { server, admin } = await serverWithAdmin(t);
  await create(admin, 'ann');
  const elsewhere = [{ clientSource: ['192.0.2.0/24'] }];
  await create(admin, 'bob', { authenticationRestrictions: elsewhere });
  for (const [user, password] of [
    ['ann', 'wrong'],
    ['nobody', 'secret'],
    ['bob', 'secret'],
    [ADMIN.user, ADMIN.password],
  ]) {
    for (const mechanism of ['DEFAULT', ...MECHANISMS]) {
      await assert.rejects(signIn(server, user, password, mechanism), {
        name: 'MongoServerError',
        code: 18,
        codeName: 'AuthenticationFailed',
        errmsg: 'Authentication failed.',
      });
    }
  }
  const here = [{ clientSource: ['127.0.0.1'], serverAddress: ['127.0.0.0/8'] }];
  await create(admin, 'cid', { authenticationRestrictions: here });
  await signIn(server, 'cid', 'secret');
});

test('roles decide what a user may do, from one command to the next', async (t) => {
  const { server, admin } = await serverWithAdmin(t);
  await create(admin, 'ann');
  const products = (await signIn(server, 'ann', 'secret')).db('products');
  const create_eve = { createUser: 'eve', pwd: 'secret', roles: [] };
  await fails(13, products.command(create_eve));
  await fails(13, products.collection('c').insertOne({ a: 1 }));
  await fails(115, products.collection('c').findOne()); // allowed, but no engine behind it
  await admin.db('products').command({ grantRolesToUser: 'ann', roles: ['userAdmin'] });
  assert.deepEqual(await products.command(create_eve), { ok: 1 });
  await admin.db('products').command({ revokeRolesFromUser: 'ann', roles: ['userAdmin'] });
  await fails(13, products.command({ usersInfo: 1 }));
});

test('the helper removeUser, a changed password and a dropped user', async (t) => {
  const { server, admin } = await serverWithAdmin(t);
  await create(admin, 'ann');
  const ann = await signIn(server, 'ann', 'secret');
  const own = { usersInfo: 'ann' };
  await admin.db('products').command({ updateUser: 'ann', pwd: 'new secret' });
  await ann.db('products').command(own); // stays signed in
  await fails(18, signIn(server, 'ann', 'secret'));
  await signIn(server, 'ann', 'new secret');
  assert.equal(await admin.db('products').removeUser('ann'), true);
  await fails(13, ann.db('products').command(own));
  await fails(18, signIn(server, 'ann', 'new secret'));
  await fails(11, admin.db('products').removeUser('ann'));
});
