// Run by mongosh as an administrator: the helpers of db for roles, and what they do to a user.

load(`${__dirname}/assertions.js`);

db = db.getSiblingDB('products');
const onC = { db: 'products', collection: 'c' };
const names = (roles) => roles.map(({ role, db: on }) => `${role}@${on}`).sort();

db.createRole({ role: 'finder', privileges: [{ resource: onC, actions: ['find'] }], roles: [] });
db.createRole({ role: 'worker', privileges: [], roles: ['finder'] }, { w: 'majority' });
fails(51002, () => db.createRole({ role: 'finder', privileges: [], roles: [] }));
same(db.getRole('finder', { showPrivileges: true }).privileges, [
  { resource: onC, actions: ['find'] },
]);
same(names(db.getRole('worker').inheritedRoles), ['finder@products']);
same(names(db.getRoles().roles), ['finder@products', 'worker@products']);

db.createUser({ user: 'ann', pwd: 'secret', roles: ['worker'] });
const ann = new Mongo(db.getMongo().getURI().replace(/\/\/.*@/, '//')).getDB('products');
ann.auth('ann', 'secret');
const may = (code, run) => fails(code, run); // 115: allowed, but no engine stands behind this gate
may(115, () => ann.c.findOne());
may(13, () => ann.c.insertOne({ a: 1 }));

db.grantPrivilegesToRole('worker', [{ resource: onC, actions: ['insert'] }]);
may(115, () => ann.c.insertOne({ a: 1 }));
db.revokePrivilegesFromRole('worker', [{ resource: onC, actions: ['insert'] }]);
may(13, () => ann.c.insertOne({ a: 1 }));

db.revokeRolesFromRole('worker', ['finder']);
may(13, () => ann.c.findOne());
db.grantRolesToRole('worker', ['read']);
may(115, () => ann.other.findOne());
db.updateRole('worker', { roles: [], privileges: [{ resource: onC, actions: ['find'] }] });
may(13, () => ann.other.findOne());
may(115, () => ann.c.findOne());

fails(2, () => db.dropRole('read'));
same(db.dropRole('worker'), { ok: 1 });
same(db.getUser('ann').roles, []);
may(13, () => ann.c.findOne());
same(db.dropAllRoles(), { n: 1, ok: 1 });
same(db.getRoles().roles, []);
print('done');
