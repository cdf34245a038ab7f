// Run by mongosh as an administrator: users and roles as collections.

load(`${__dirname}/assertions.js`);

const products = db.getSiblingDB('products');
for (const user of ['ann', 'bob', 'cid']) {
  products.createUser({ user, pwd: 'secret', roles: ['read'] });
}
products.createRole({ role: 'clerk', privileges: [], roles: ['read'] });

db = db.getSiblingDB('admin');
same(db.getCollectionNames(), ['system.roles', 'system.users', 'system.version']);
const { users } = products.getUsers({ showCredentials: true });
const stored = db.system.users.find({ db: 'products' }, { user: 1, credentials: 1 }).toArray();
same(
  stored.map(({ user, credentials }) => ({ user, credentials })),
  users.map(({ user, credentials }) => ({ user, credentials })),
);
same(db.system.roles.findOne(), {
  _id: 'products.clerk',
  role: 'clerk',
  db: 'products',
  privileges: [],
  roles: [{ role: 'read', db: 'products' }],
});
same(
  db.system.version.find().toArray().map(({ _id }) => _id),
  ['featureCompatibilityVersion', 'authSchema'],
);
assert.equal(db.system.users.countDocuments({ user: /^[ab]/, db: 'products' }), 2);
assert.equal(db.system.users.estimatedDocumentCount(), 4);
same(db.system.users.distinct('db'), ['admin', 'products']);
same(
  db.system.users
    .aggregate([{ $group: { _id: '$db', n: { $sum: 1 } } }, { $sort: { _id: -1 } }])
    .toArray(),
  [
    { _id: 'products', n: 3 },
    { _id: 'admin', n: 1 },
  ],
);
same(
  db.system.users.getIndexes().map(({ name }) => name),
  ['_id_', 'user_1_db_1'],
);
const cursor = db.system.users.find({}, { _id: 0, user: 1 }).batchSize(1);
same(cursor.toArray(), [{ user: 'admin' }, { user: 'ann' }, { user: 'bob' }, { user: 'cid' }]);
same(products.getCollectionNames(), []);
fails(115, () => db.system.users.insertOne({ _id: 1 }));
fails(115, () => db.system.users.aggregate([{ $unwind: '$roles' }]).toArray());
fails(115, () => products.c.find().toArray());
print('done');
