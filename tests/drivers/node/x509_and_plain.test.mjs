// MONGODB-X509 and PLAIN by the official Node driver.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { certificate } from '../certificates.mjs';
import { client, fails, serverWithAdmin } from './clients.mjs';

const ANN = 'CN=ann,OU=Clients,O=Portcullis tests';
const MECHANISMS = 'SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,PLAIN';

/** A server with TLS and with every mechanism. */
function tlsServer(test) {
  return serverWithAdmin(
    test,
    '--tlsMode=preferTLS',
    `--tlsCertificateKeyFile=${certificate('server')}`,
    `--tlsCAFile=${certificate('ca')}`,
    `--setParameter=authenticationMechanisms=${MECHANISMS}`,
    '--setParameter=argon2MemoryKiB=7168',
  );
}

function tlsClient(server, name, login) {
  return client(server, server.uri(login), {
    tls: true,
    tlsCAFile: certificate('ca'),
    tlsCertificateKeyFile: certificate(name),
  });
}

async function signedIn(one) {
  const { authInfo } = await one.db('admin').command({ connectionStatus: 1 });
  return authInfo.authenticatedUsers;
}

test('the subject of a certificate is the user', async (t) => {
  const { server, admin } = await tlsServer(t);
  const by = (name) => tlsClient(server, name, { options: 'authMechanism=MONGODB-X509' });
  await fails(11, by('client').db('admin').command({ ping: 1 }));
  const create = { createUser: ANN, roles: [{ role: 'read', db: 'products' }] };
  assert.deepEqual(await admin.db('$external').command(create), { ok: 1 });
  const ann = by('client');
  assert.deepEqual(await signedIn(ann), [{ user: ANN, db: '$external' }]);
  await fails(115, ann.db('products').command({ find: 'c' }));
  await admin.db('$external').command({ dropUser: ANN });
  await fails(13, ann.db('products').command({ find: 'c' }));
  for (const name of ['client-without-subject', 'client-with-bad-roles', 'client-cluster-member']) {
    await fails(18, by(name).db('admin').command({ ping: 1 }));
  }
});

test('roles may come with the certificate', async (t) => {
  const { server } = await tlsServer(t);
  const carol = tlsClient(server, 'client-with-roles', { options: 'authMechanism=MONGODB-X509' });
  const { authInfo } = await carol.db('admin').command({ connectionStatus: 1 });
  assert.deepEqual(authInfo.authenticatedUserRoles, [
    { role: 'read', db: 'shop' },
    { role: 'clusterMonitor', db: 'admin' },
  ]);
});

test('a password in clear goes over TLS only', async (t) => {
  const { server, admin } = await tlsServer(t);
  const create = { createUser: 'paul', pwd: 'secret', roles: ['read'], mechanisms: ['PLAIN'] };
  assert.deepEqual(await admin.db('products').command(create), { ok: 1 });
  // This driver sends PLAIN to $external, whatever authSource says.
  const options = 'authMechanism=PLAIN';
  const login = (user, password) => ({ user: `${user}@products`, password, options });
  for (let turn = 0; turn < 2; turn += 1) {
    const paul = tlsClient(server, 'client', login('paul', 'secret'));
    assert.deepEqual(await signedIn(paul), [{ user: 'paul', db: 'products' }]);
  }
  for (const [user, password] of [['paul', 'wrong'], ['nobody', 'secret']]) {
    const refused = tlsClient(server, 'client', login(user, password));
    await fails(18, refused.db('admin').command({ ping: 1 }));
  }
  const inClear = client(server, server.uri(login('paul', 'secret')));
  await fails(334, inClear.db('admin').command({ ping: 1 }));
});
