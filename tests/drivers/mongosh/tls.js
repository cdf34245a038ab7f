// Run by mongosh over TLS, as an administrator.

load(`${__dirname}/assertions.js`);

db = db.getSiblingDB('admin');
same(db.rotateCertificates('from the shell'), { ok: 1 });
const counted = db.serverStatus().transportSecurity;
assert.ok(Number(counted['1.2']) + Number(counted['1.3']) > 0);
same(db.createUser({ user: 'ann', pwd: 'secret', roles: ['read'] }), { ok: 1 });

print('done');
