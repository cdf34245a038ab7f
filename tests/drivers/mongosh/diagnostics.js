// Run by mongosh as an administrator: what administrators ask the server about itself.

load(`${__dirname}/assertions.js`);

const admin = db.getSiblingDB('admin');
const run = (command) => {
  const reply = admin.runCommand(command);
  assert.equal(reply.ok, 1, JSON.stringify(reply));
  return reply;
};

for (const name of ['hello', 'isMaster', 'ismaster']) {
  const hello = run({ [name]: 1 });
  assert.equal(name === 'hello' ? hello.isWritablePrimary : hello.ismaster, true);
  same([hello.minWireVersion, hello.maxWireVersion], [0, 25]);
}
assert.equal(db.hello().maxBsonObjectSize, 16 * 1024 * 1024);
same(run({ ping: 1 }), { ok: 1 });
assert.match(run({ buildInfo: 1 }).version, /^8\.0\./);
assert.match(db.version(), /^8\.0\./);
assert.match(run({ whatsmyuri: 1 }).you, /^127\.0\.0\.1:\d+$/);

const { authInfo } = run({ connectionStatus: 1, showPrivileges: true });
same(authInfo.authenticatedUsers, [{ user: 'admin', db: 'admin' }]);
same(authInfo.authenticatedUserRoles, [{ role: 'root', db: 'admin' }]);
assert.ok(authInfo.authenticatedUserPrivileges.length > 0);

const parameters = run({ getParameter: '*' });
assert.equal(parameters.scramSHA256IterationCount, 15000);
const { featureCompatibilityVersion } = run({ getParameter: 1, featureCompatibilityVersion: 1 });
assert.equal(featureCompatibilityVersion.version, '8.0');
fails(72, () => admin.runCommand({ getParameter: 1, foo: 1 }));
assert.equal(run({ setParameter: 1, scramSHA256IterationCount: 20000 }).was, 15000);
fails(20, () => admin.runCommand({ setParameter: 1, hashingThreads: 1 }));

const status = run({ serverStatus: 1 });
assert.ok(status.uptime >= 0 && status.connections.current > 0);
assert.equal(db.serverStatus().process, 'portcullis');
assert.ok(run({ hostInfo: 1 }).system.numCores > 0);
assert.ok(db.hostInfo().os);
const { argv, parsed } = run({ getCmdLineOpts: 1 });
assert.ok(argv.some((argument) => argument.startsWith('--dbpath=')));
assert.equal(parsed.net.port, 0);
same(run({ getLog: '*' }).names, ['global', 'startupWarnings']);
const { log, totalLinesWritten } = run({ getLog: 'global' });
assert.ok(totalLinesWritten >= log.length && log.length > 0);
fails(96, () => admin.runCommand({ getLog: 'nope' }));

const databases = run({ listDatabases: 1 }).databases.map(({ name }) => name);
assert.ok(databases.includes('admin'));
same(run({ listDatabases: 1, nameOnly: true }).totalSize, undefined);
assert.ok(db.getMongo().getDBNames().includes('admin'));
const { commands } = run({ listCommands: 1 });
assert.equal(commands.createUser.requiresAuth, true);
assert.equal(commands.hello.requiresAuth, false);
assert.ok(db.listCommands().value.ping);

const { id } = run({ startSession: 1 });
run({ refreshSessions: [id] });
run({ endSessions: [id] });
fails(59, () => admin.runCommand({ atlasVersion: 1 }));
fails(59, () => admin.runCommand({ noSuchCommand: 1 }));
print('done');
