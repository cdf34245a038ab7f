// Run by mongosh as an administrator: db.auth(), db.logout(), and who may do what.

load(`${__dirname}/assertions.js`);

const ADMIN_PASSWORD = "admin's secret";
const products = db.getSiblingDB('products');
const admin = db.getSiblingDB('admin');
const who = () =>
  admin
    .runCommand({ connectionStatus: 1 })
    .authInfo.authenticatedUsers.map(({ user, db }) => `${user}@${db}`);
same(who(), ['admin@admin']);

products.createUser({ user: 'ann', pwd: 'secret', roles: ['read'] });
const elsewhere = [{ clientSource: ['192.0.2.0/24'] }];
products.createUser({ user: 'bob', pwd: 'secret', roles: [], authenticationRestrictions: elsewhere });

// By each mechanism and by what is negotiated
for (const mechanism of [undefined, 'SCRAM-SHA-1', 'SCRAM-SHA-256']) {
  const login = { user: 'ann', pwd: 'secret', ...(mechanism && { mechanism }) };
  same(products.auth(login), { ok: 1 });
  same(who(), ['ann@products']);
  same(admin.auth('admin', ADMIN_PASSWORD), { ok: 1 });
}

// Refused: a wrong password, an unknown name, the wrong database, the wrong address
for (const [on, user, password] of [
  [products, 'ann', 'wrong'],
  [products, 'nobody', 'secret'],
  [admin, 'ann', 'secret'],
  [products, 'bob', 'secret'],
]) {
  const { message } = fails(18, () => on.auth(user, password));
  assert.equal(message, 'Authentication failed.');
}

// Refused by role
products.auth('ann', 'secret');
fails(13, () => products.createUser({ user: 'eve', pwd: 'secret', roles: [] }));
fails(13, () => products.getUsers());
fails(13, () => admin.runCommand({ usersInfo: 1 }));
fails(13, () => products.c.insertOne({ a: 1 }));
fails(115, () => products.c.findOne()); // allowed, but no engine stands behind this gate
assert.equal(products.getUser('ann').user, 'ann');

// A password changed by somebody else does not end the session; signing in again needs the new one
admin.auth('admin', ADMIN_PASSWORD);
products.changeUserPassword('ann', 'new secret');
fails(18, () => products.auth('ann', 'secret'));
same(products.auth('ann', 'new secret'), { ok: 1 });

same(products.logout(), { ok: 1 });
same(who(), []);
fails(13, () => products.getUsers());
print('done');
