// mongosh with the options for TLS that people type.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { certificate, REQUIRE_TLS } from '../certificates.mjs';
import { ADMIN, Server } from '../server.mjs';
import { file, run } from './shell.mjs';

const TLS = ['--tls', '--tlsCAFile', certificate('ca')];
const WITH_CERTIFICATE = [...TLS, '--tlsCertificateKeyFile', certificate('client')];
const CREATE = `db.getSiblingDB("admin").createUser(
  {user: "${ADMIN.user}", pwd: "${ADMIN.password}", roles: ["root"]})`;

test('a script over TLS', async (t) => {
  const server = await Server.start(t, ...REQUIRE_TLS);
  const { status, output } = await run(server.uri(), CREATE, ...WITH_CERTIFICATE);
  assert.equal(status, 0, output);
  await file('tls.js', server.adminUri(), ...WITH_CERTIFICATE);
});

test('without a certificate, or without TLS, there is no shell', async (t) => {
  const server = await Server.start(t, ...REQUIRE_TLS);
  const uri = server.uri({ options: 'serverSelectionTimeoutMS=1000' });
  for (const options of [TLS, []]) {
    const { status, output } = await run(uri, 'db.hello()', ...options);
    assert.notEqual(status, 0, output);
    assert.match(output, /Mongo\w*Error/);
  }
});
