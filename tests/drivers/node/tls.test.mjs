// Encrypted connections: who trusts whom.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { certificate, REQUIRE_TLS } from '../certificates.mjs';
import { ADMIN, Server } from '../server.mjs';
import { client } from './clients.mjs';

const REFUSED = { serverSelectionTimeoutMS: 1000 };

function tlsClient(server, uri, { ca = 'ca', key = 'client', ...options } = {}) {
  const keyFile = key ? { tlsCertificateKeyFile: certificate(key) } : {};
  return client(server, uri, { tls: true, tlsCAFile: certificate(ca), ...keyFile, ...options });
}

async function start(t, ...args) {
  const server = await Server.start(t, ...REQUIRE_TLS, ...args);
  const root = { createUser: ADMIN.user, pwd: ADMIN.password, roles: ['root'] };
  const anyone = tlsClient(server, server.uri());
  assert.deepEqual(await anyone.db('admin').command(root), { ok: 1 });
  return server;
}

async function findsNoServer(one) {
  await assert.rejects(one.db('admin').command({ ping: 1 }), (error) => {
    assert.equal(error.name, 'MongoServerSelectionError', error.message);
    return true;
  });
}

test('signing in over TLS, and a rotation', async (t) => {
  const server = await start(t);
  const admin = tlsClient(server, server.adminUri()).db('admin');
  const { users } = await admin.command({ usersInfo: 1 });
  assert.deepEqual(users.map(({ user }) => user), [ADMIN.user]);
  assert.deepEqual(await admin.command({ rotateCertificates: 1 }), { ok: 1 });
  const { transportSecurity } = await admin.command({ serverStatus: 1 });
  assert.ok(Number(transportSecurity['1.3']) > 0);
  await tlsClient(server, server.adminUri()).db('admin').command({ usersInfo: 1 });
});

test('who is not trusted', async (t) => {
  const server = await start(t);
  await findsNoServer(client(server, server.uri(), REFUSED));
  await findsNoServer(tlsClient(server, server.uri(), { ca: 'other-ca', ...REFUSED }));
  for (const key of [null, 'client-expired', 'client-of-other-ca', 'client-revoked']) {
    await findsNoServer(tlsClient(server, server.uri(), { key, ...REFUSED }));
  }
  await tlsClient(server, server.uri()).db('admin').command({ ping: 1 });
});

test('a certificate is not needed where that is said', async (t) => {
  const server = await start(t, '--tlsAllowConnectionsWithoutCertificates');
  await tlsClient(server, server.adminUri(), { key: null }).db('admin').command({ usersInfo: 1 });
  await findsNoServer(tlsClient(server, server.uri(), { key: 'client-expired', ...REFUSED }));
});
