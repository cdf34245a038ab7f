// Run by mongosh as an administrator: the helpers of db for users, in the order of a user's life.

load(`${__dirname}/assertions.js`);

db = db.getSiblingDB('products');
same(
  db.createUser({ user: 'ann', pwd: 'secret', roles: ['read'], customData: { team: 'blue' } }),
  { ok: 1 },
);
same(
  db.createUser(
    {
      user: 'bob',
      pwd: 'secret',
      roles: [],
      mechanisms: ['SCRAM-SHA-256'],
      authenticationRestrictions: [{ clientSource: ['192.0.2.0/24'] }],
    },
    { w: 'majority', wtimeout: 5000 },
  ),
  { ok: 1 },
);
fails(51003, () => db.createUser({ user: 'ann', pwd: 'other', roles: [] }));
fails(31, () => db.createUser({ user: 'cid', pwd: 'secret', roles: ['nope'] }));
fails(2, () => db.createUser({ user: 'cid', pwd: 'secret', roles: [] }, { w: 2 }));

// getUser and getUsers
const ann = db.getUser('ann');
assert.equal(ann._id, 'products.ann');
same(ann.customData, { team: 'blue' });
same(ann.roles, [{ role: 'read', db: 'products' }]);
assert.equal(db.getUser('nobody'), null);
assert.equal(db.getUser('ann', { showCustomData: false }).customData, undefined);
const privileges = db.getUser('ann', { showPrivileges: true }).inheritedPrivileges;
assert.ok(privileges.some(({ actions }) => actions.includes('find')));
const shown = db.getUser('bob', { showCredentials: true, showAuthenticationRestrictions: true });
same(Object.keys(shown.credentials), ['SCRAM-SHA-256']);
assert.match(JSON.stringify(shown.authenticationRestrictions), /192\.0\.2\.0\/24/);
const names = ({ users }) => users.map(({ user }) => user).sort();
same(names(db.getUsers()), ['ann', 'bob']);
same(names(db.getUsers({ filter: { 'customData.team': 'blue' } })), ['ann']);
assert.ok(db.getUsers({ showCredentials: true }).users.every(({ credentials }) => credentials));

// Roles
const roles = () =>
  db
    .getUser('ann')
    .roles.map(({ role, db: on }) => `${role}@${on}`)
    .sort();
same(db.grantRolesToUser('ann', ['dbAdmin', { role: 'read', db: 'shop' }]), { ok: 1 });
same(roles(), ['dbAdmin@products', 'read@products', 'read@shop']);
db.revokeRolesFromUser('ann', ['read', { role: 'read', db: 'shop' }]);
same(roles(), ['dbAdmin@products']);
db.updateUser('ann', { roles: ['readWrite'], customData: { team: 'red' } });
same(roles(), ['readWrite@products']);
same(db.getUser('ann').customData, { team: 'red' });
const { role, isBuiltin } = db.getRole('readWrite');
same([role, isBuiltin], ['readWrite', true]);
assert.ok(db.getRoles({ showBuiltinRoles: true }).roles.length > 5);

// Passwords, and the end
same(db.changeUserPassword('ann', 'new secret'), { ok: 1 });
fails(11, () => db.changeUserPassword('nobody', 'secret'));
same(db.dropUser('bob', { w: 1 }), { ok: 1 });
fails(11, () => db.dropUser('bob'));
assert.equal(db.getUser('bob'), null);
same(db.dropAllUsers(), { n: 1, ok: 1 });
same(names(db.getUsers()), []);
print('done');
