//! Every command without an engine and every form of it that takes something of its own: by each
//! built-in role, as `fixtures/authz/unserved.json` says; by a role with just what is needed; and by
//! that role with each part of it taken away in turn.

use std::collections::{BTreeMap, BTreeSet};

use bson::{Bson, Document, doc};

use crate::support::scram_client::MECHANISMS;
use crate::support::{Options, RawClient, TestServer, fixture};

/// Where the users live.
const HOME: &str = "people";
/// A database that no row is about.
const ELSEWHERE: &str = "nowhere";

/// `(action, resource)`, see the README beside the fixture.
type Need = (String, String);

/// One way to be allowed.
#[derive(Debug)]
struct Way {
    needs: Vec<Need>,
    lacks: Option<Need>,
    anything_in: Option<String>,
}

/// One row: a command and what it takes.
struct Row {
    run: Document,
    sequences: Document,
    canonical: String,
    admin_only: bool,
    databases: Vec<String>,
    ways: Vec<Way>,
    roles: BTreeMap<String, BTreeSet<String>>,
}

impl Row {
    fn parse(row: &Document) -> Self {
        let names = row.get_array("on").unwrap().iter();
        let roles = row.get_document("roles").unwrap();
        let run = row.get_document("run").unwrap().clone();
        let name = run.keys().next().unwrap().clone();
        Self {
            sequences: row.get_document("sequences").cloned().unwrap_or_default(),
            canonical: row.get_str("as").map_or(name, str::to_owned),
            admin_only: row.get_bool("adminOnly").unwrap_or(false),
            databases: names.map(|db| db.as_str().unwrap().to_owned()).collect(),
            ways: row
                .get_array("ways")
                .unwrap()
                .iter()
                .map(Way::parse)
                .collect(),
            roles: roles
                .iter()
                .map(|(db, roles)| (db.clone(), texts(roles)))
                .collect(),
            run,
        }
    }

    fn send(&self, client: &mut RawClient, db: &str) -> Document {
        client.run_with_sequences(db, self.run.clone(), &self.sequences)
    }

    /// Whether somebody with exactly `granted` may run it, told without the server.
    fn is_allowed(&self, granted: &[Need], db: &str) -> bool {
        self.ways.iter().any(|way| way.is_met(granted, db))
    }
}

fn texts(array: &Bson) -> BTreeSet<String> {
    let texts = array.as_array().unwrap().iter();
    texts.map(|one| one.as_str().unwrap().to_owned()).collect()
}

impl Way {
    fn parse(way: &Bson) -> Self {
        let way = way.as_document().unwrap();
        let need = |need: &Bson| {
            let [action, resource] = need.as_array().unwrap().as_slice() else {
                panic!("{need}")
            };
            let text = |value: &Bson| value.as_str().unwrap().to_owned();
            (text(action), text(resource))
        };
        Self {
            needs: way.get_array("needs").unwrap().iter().map(need).collect(),
            lacks: way.get("lacks").map(need),
            anything_in: way.get_str("anythingIn").ok().map(str::to_owned),
        }
    }

    fn is_met(&self, granted: &[Need], db: &str) -> bool {
        let has = |need: &Need| granted.iter().any(|one| covers(one, &on(need, db)));
        self.needs.iter().all(has)
            && !self.lacks.as_ref().is_some_and(has)
            && self.anything_in.as_ref().is_none_or(|of| {
                let of = of.replace("$db", db);
                granted.iter().any(|(_, resource)| database(resource) == of)
            })
    }
}

/// A need of a command on `db`.
fn on(need: &Need, db: &str) -> Need {
    (need.0.clone(), need.1.replace("$db", db))
}

fn database(resource: &str) -> &str {
    resource.split_once('.').map_or(resource, |(db, _)| db)
}

/// Among the grants of this test only a database covers more than itself.
fn covers(granted: &Need, wanted: &Need) -> bool {
    let collection = wanted
        .1
        .split_once('.')
        .map_or("", |(_, collection)| collection);
    let is_system = collection.starts_with("system.")
        || (wanted.1.starts_with("local.") && collection.starts_with("replset."));
    let by_database = database(&wanted.1) == granted.1 && !is_system;
    granted.0 == wanted.0 && (granted.1 == wanted.1 || by_database)
}

/// A privilege that meets the need and nothing else that any row needs.
fn privilege(need: &Need) -> Document {
    let resource = match need.1.as_str() {
        "cluster" => doc! { "cluster": true },
        "any" => doc! { "anyResource": true },
        "*" => doc! { "db": "", "collection": "" },
        "buckets" => doc! { "system_buckets": "" },
        other => match other.split_once('.') {
            None => doc! { "db": other, "collection": "" },
            Some(("*", collection)) => doc! { "db": "", "collection": collection },
            // No privilege can name it.
            Some((db, "$cmd.aggregate")) => doc! { "db": db, "collection": "" },
            Some((db, collection)) => doc! { "db": db, "collection": collection },
        },
    };
    doc! { "resource": resource, "actions": [&need.0] }
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(fixture("authz/unserved.json")).unwrap();
    let rows: Vec<Document> = serde_json::from_str(&text).unwrap();
    rows.iter().map(Row::parse).collect()
}

fn server() -> TestServer {
    let arguments = [
        "--storageEngine",
        "ephemeralForTest",
        "--setParameter",
        "scramIterationCount=5000",
    ];
    TestServer::with_admin_and(Options::default().arguments(&arguments))
}

fn signed_in(server: &TestServer, user: &str, roles: Vec<Document>) -> RawClient {
    let created = server.admin().run(
        HOME,
        doc! { "createUser": user, "pwd": "secret", "roles": roles, "mechanisms": [MECHANISMS[0]] },
    );
    assert_eq!(created, doc! { "ok": 1.0 }, "{user}");
    let mut client = server.raw();
    client
        .sign_in_by(MECHANISMS[0], HOME, user, "secret")
        .unwrap();
    client
}

/// What is wrong with `reply`, if anything.
fn fault(row: &Row, db: &str, is_allowed: bool, reply: &Document) -> Option<String> {
    let code = reply.get_i32("code").unwrap_or_default();
    let message = reply.get_str("errmsg").unwrap_or_default();
    let name = &row.canonical;
    let is_right = if row.admin_only && db != "admin" {
        code == 13 && message == format!("{name} may only be run against the admin database.")
    } else if is_allowed {
        // Served or not, it got past the gate.
        code != 13 && (code != 115 || message.starts_with(&format!("{name} is allowed")))
    } else {
        let written = row.run.keys().next().unwrap();
        let start = format!("not authorized on {db} to execute command {{ {written}: ");
        code == 13 && message.starts_with(&start)
    };
    (!is_right).then(|| format!("{} on {db}, allowed: {is_allowed}, got: {reply}", row.run))
}

fn fail_with(faults: &[String]) {
    let shown: Vec<_> = faults.iter().take(20).map(String::as_str).collect();
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        shown.join("\n")
    );
}

#[test]
fn every_command_has_a_row() {
    let documented = std::fs::read_to_string(fixture("../docs/commands.md")).unwrap();
    let (_, table) = documented
        .split_once("## Commands without an engine")
        .unwrap();
    let rows = rows();
    let tried: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row.run.keys().next())
        .collect();
    let lines = table.lines().filter(|line| line.starts_with("| `"));
    let names = lines.flat_map(|line| {
        let names = line.splitn(4, '|').take(3).collect::<String>();
        names
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let names: Vec<_> = names.collect();
    assert!(names.len() > 130, "{}", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !tried.contains(name)).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
}

#[test]
fn built_in_roles_may_do_what_the_fixture_says() {
    let server = server();
    let rows = rows();
    let named = rows
        .iter()
        .flat_map(|row| row.roles.values().flatten().cloned());
    let roles: BTreeSet<String> = named.collect();
    assert!(roles.len() > 25, "{roles:?}");
    let mut clients: Vec<_> = roles
        .iter()
        .map(|role| {
            let (name, db) = role.split_once('@').unwrap();
            (
                role.as_str(),
                signed_in(&server, role, vec![doc! { "role": name, "db": db }]),
            )
        })
        .collect();
    clients.push(("nothing", signed_in(&server, "nothing", Vec::new())));
    let (mut faults, mut allowed, mut refused) = (Vec::new(), 0, 0);
    for row in &rows {
        for db in &row.databases {
            for (role, client) in &mut clients {
                let is_free = row.ways.iter().any(|way| {
                    way.needs.is_empty() && way.lacks.is_none() && way.anything_in.is_none()
                });
                let is_allowed = row.roles[db].contains(*role) || (*role == "nothing" && is_free);
                *if is_allowed {
                    &mut allowed
                } else {
                    &mut refused
                } += 1;
                let reply = row.send(client, db);
                faults.extend(
                    fault(row, db, is_allowed, &reply).map(|fault| format!("{role}: {fault}")),
                );
            }
        }
    }
    fail_with(&faults);
    assert!(
        allowed > 2000 && refused > 2000,
        "{allowed} allowed, {refused} refused"
    );
}

#[test]
fn ones_own_sessions_are_free_to_list() {
    let server = server();
    let mut ann = signed_in(&server, "ann", Vec::new());
    for (user, code) in [("ann", 115), ("bob", 13)] {
        let command = doc! {
            "aggregate": "system.sessions", "cursor": {},
            "pipeline": [{ "$listSessions": { "users": [{ "user": user, "db": HOME }] } }],
        };
        let reply = ann.run("config", command);
        assert_eq!(reply.get_i32("code").unwrap(), code, "{user}: {reply}");
    }
}

#[test]
fn everything_that_is_needed_is_enough_and_nothing_less() {
    let server = server();
    let mut admin = server.admin();
    let made = doc! { "createRole": "probe", "privileges": [], "roles": [] };
    assert_eq!(admin.run("admin", made), doc! { "ok": 1.0 });
    let mut probe = signed_in(
        &server,
        "probe",
        vec![doc! { "role": "probe", "db": "admin" }],
    );
    let (mut faults, mut tried) = (Vec::new(), 0);
    for row in rows() {
        for db in row
            .databases
            .iter()
            .filter(|db| !row.admin_only || *db == "admin")
        {
            for granted in grants(&row, db) {
                let privileges: Vec<_> = granted.iter().map(privilege).collect();
                let updated = doc! { "updateRole": "probe", "privileges": privileges };
                assert_eq!(
                    admin.run("admin", updated),
                    doc! { "ok": 1.0 },
                    "{granted:?}"
                );
                let reply = row.send(&mut probe, db);
                let is_allowed = row.is_allowed(&granted, db);
                tried += 1;
                let fault = fault(&row, db, is_allowed, &reply);
                faults.extend(fault.map(|fault| format!("with {granted:?}: {fault}")));
            }
        }
    }
    fail_with(&faults);
    assert!(tried > 1500, "{tried}");
}

/// For each way all it takes, each part of that left out, and the same elsewhere; and for what must
/// be lacking, that too.
fn grants(row: &Row, db: &str) -> Vec<Vec<Need>> {
    let mut grants = vec![Vec::new()];
    for way in &row.ways {
        let mut whole: Vec<_> = way.needs.iter().map(|need| on(need, db)).collect();
        if let Some(of) = &way.anything_in {
            grants.push(vec![("find".to_owned(), ELSEWHERE.to_owned())]);
            whole.push(("killCursors".to_owned(), of.replace("$db", db)));
        }
        for place in 0..whole.len() {
            let mut without = whole.clone();
            let (action, resource) = without.remove(place);
            grants.push(without.clone());
            // The right action elsewhere, and another action there.
            without.push((action, ELSEWHERE.to_owned()));
            without.push(("enableSharding".to_owned(), resource));
            grants.push(without);
        }
        if let Some(lacked) = &way.lacks {
            let mut with = whole.clone();
            with.push(on(lacked, db));
            grants.push(with);
        }
        grants.push(whole);
    }
    grants
}
