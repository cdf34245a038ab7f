//! Every command by every built-in role: allowed or refused, as `fixtures/authz/matrix.json` and the
//! privileges of the role say.

use std::collections::BTreeSet;

use bson::{Document, doc};

use crate::privileges::{BuiltIn, Need, Role};
use crate::support::scram_client::MECHANISMS;
use crate::support::{Options, RawClient, TestServer, fixture};

/// Where the users live. No row runs here: some rows would drop all users.
const HOME: &str = "people";

/// One row: a command and what it needs.
struct Row {
    run: Document,
    needs: Vec<bson::Bson>,
    databases: Vec<String>,
    /// Strangers may run it too.
    anyone: bool,
    admin_only: bool,
    /// Whether it is served; else whoever is allowed gets 115.
    has_engine: bool,
}

impl Row {
    fn name(&self) -> &str {
        self.run.keys().next().unwrap()
    }
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(fixture("authz/matrix.json")).unwrap();
    let rows: Vec<Document> = serde_json::from_str(&text).unwrap();
    let row = |row: Document| Row {
        run: row.get_document("run").unwrap().clone(),
        needs: row.get_array("needs").unwrap().clone(),
        databases: match row.get_array("on") {
            Ok(names) => names
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect(),
            Err(_) => ["admin", "shop", "other"].map(str::to_owned).to_vec(),
        },
        anyone: row.get_bool("anyone").unwrap_or(false),
        admin_only: row.get_bool("adminOnly").unwrap_or(false),
        has_engine: row.get_bool("engine").unwrap_or(true),
    };
    rows.into_iter().map(row).collect()
}

/// A server where a user of each role lives; they are signed in. Last is one without roles.
fn populated(built_in: &BuiltIn) -> (TestServer, Vec<(Option<Role<'_>>, RawClient)>) {
    let rounds = ["--setParameter", "scramIterationCount=5000"];
    let server = TestServer::with_admin_and(Options::default().arguments(&rounds));
    let mut admin = server.admin();
    let roles = built_in.roles("shop").into_iter().map(Some).chain([None]);
    let clients = roles.map(|role| {
        let user = role.map_or("nothing".to_owned(), |role| {
            format!("{}@{}", role.name, role.db)
        });
        let granted: Vec<_> = role
            .iter()
            .map(|r| doc! { "role": r.name, "db": r.db })
            .collect();
        let created = admin.run(HOME, doc! {
            "createUser": &user, "pwd": "secret", "roles": granted, "mechanisms": [MECHANISMS[0]],
        });
        assert_eq!(created, doc! { "ok": 1.0 }, "{user}");
        let mut client = server.raw();
        client
            .sign_in_by(MECHANISMS[0], HOME, &user, "secret")
            .unwrap();
        (role, client)
    });
    let clients = clients.collect();
    (server, clients)
}

/// What is wrong with `reply`, if anything.
fn fault(row: &Row, db: &str, is_allowed: bool, reply: &Document) -> Option<String> {
    let code = reply.get_i32("code").unwrap_or_default();
    let message = reply.get_str("errmsg").unwrap_or_default();
    let is_right = if row.admin_only && db != "admin" {
        let text = format!("{} may only be run against the admin database.", row.name());
        code == 13 && message == text
    } else if is_allowed {
        code != 13 && (row.has_engine || code == 115)
    } else {
        let start = format!(
            "not authorized on {db} to execute command {{ {}: ",
            row.name()
        );
        code == 13 && message.starts_with(&start)
    };
    (!is_right).then(|| format!("allowed: {is_allowed}, got: {code} {message}"))
}

#[test]
fn every_role_may_do_what_its_privileges_say() {
    let built_in = BuiltIn::load();
    let (_server, mut clients) = populated(&built_in);
    let mut faults = Vec::new();
    let (mut allowed, mut refused) = (0, 0);
    for row in rows() {
        for db in &row.databases {
            let needs: Vec<_> = row.needs.iter().map(|need| Need::parse(need, db)).collect();
            for (role, client) in &mut clients {
                let is_allowed = match role {
                    Some(role) => built_in.allows(*role, &needs),
                    None => needs.is_empty(),
                };
                *if is_allowed {
                    &mut allowed
                } else {
                    &mut refused
                } += 1;
                let reply = client.run(db, row.run.clone());
                if let Some(fault) = fault(&row, db, is_allowed, &reply) {
                    faults.push(format!("{role:?} on {db}: {}\n  {fault}", row.run));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        allowed + refused,
        faults.join("\n")
    );
    // Neither side may have become trivial.
    assert!(
        allowed > 1000 && refused > 1000,
        "{allowed} allowed, {refused} refused"
    );
}

#[test]
fn strangers_are_told_to_sign_in() {
    let server = TestServer::with_admin();
    let mut stranger = server.raw();
    for row in rows() {
        let db = &row.databases[0];
        let reply = stranger.run(db, row.run.clone());
        let code = reply.get_i32("code").unwrap_or_default();
        if row.anyone {
            assert_ne!(code, 13, "{}", row.run);
        } else {
            let text = format!("Command {} requires authentication", row.name());
            assert_eq!(
                reply.get_str("errmsg").ok(),
                Some(text.as_str()),
                "{}",
                row.run
            );
            assert_eq!(code, 13);
        }
    }
}

#[test]
fn the_matrix_has_a_row_for_every_command() {
    let server = TestServer::with_admin();
    let listed = server.admin().run("admin", doc! { "listCommands": 1 });
    let on_server: BTreeSet<_> = listed
        .get_document("commands")
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let rows = rows();
    let in_matrix: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.has_engine)
        .map(|row| row.name().to_owned())
        .collect();
    let missing: Vec<_> = on_server.difference(&in_matrix).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
    let unknown: Vec<_> = in_matrix
        .difference(&on_server)
        .filter(|name| *name != "isMaster")
        .collect();
    assert!(unknown.is_empty(), "not served: {unknown:?}");
}
