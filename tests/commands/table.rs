//! Runs a table of requests and exact replies from `fixtures/replies/` (its README has the form of a
//! row).

use std::collections::HashMap;

use bson::{Bson, Document, RawDocumentBuf, doc};

use crate::support::{Options, RawClient, TestServer, fixture};

/// Fewer rounds than the default: what is tested here does not depend on them.
pub const FEW_ROUNDS: [&str; 4] = [
    "--setParameter",
    "scramIterationCount=5000",
    "--setParameter",
    "scramSHA256IterationCount=5000",
];

/// A server with an administrator and cheap passwords.
pub fn server() -> TestServer {
    TestServer::with_admin_and(Options::default().arguments(&FEW_ROUNDS))
}

/// Runs every row of `fixtures/replies/<name>.json` and fails with all that differ.
pub fn check(server: &TestServer, name: &str) {
    let text = std::fs::read_to_string(fixture(&format!("replies/{name}.json"))).unwrap();
    let rows: Vec<Document> = serde_json::from_str(&text).unwrap();
    assert!(!rows.is_empty());
    let mut runner = Runner {
        server,
        admin: server.admin(),
        prepared: HashMap::new(),
    };
    let mut differences = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        if let Err(difference) = runner.run_row(row) {
            let what = row.get_str("what").unwrap_or_default();
            differences.push(format!(
                "{name}.json, row {}: {what}\n{difference}",
                number + 1
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

struct Runner<'a> {
    server: &'a TestServer,
    admin: RawClient,
    /// The `before` each database is in the state of; a database that a row may have changed is
    /// left out. Hashing passwords again for each row would take most of the time.
    prepared: HashMap<String, Vec<Bson>>,
}

impl Runner<'_> {
    fn run_row(&mut self, row: &Document) -> Result<(), String> {
        let db = row.get_str("db").unwrap_or("shop");
        let before = row.get_array("before").cloned().unwrap_or_default();
        if self.prepared.get(db) != Some(&before) {
            self.prepare(db, &before);
        }
        let request = request(row, db);
        let reply = match row.get_str("as").ok() {
            None => self.admin.run_raw(&request),
            Some("nobody") => self.server.raw().run_raw(&request),
            Some(user) => {
                let mut client = self.server.raw();
                client.sign_in(db, user, "secret").unwrap();
                client.run_raw(&request)
            }
        };
        if reply.get_f64("ok").ok() == Some(1.0) {
            self.prepared.remove(db);
        }
        compare(row, &reply)
    }

    /// Empties `db`, and each database that a command of `before` names by `$db`, then runs `before`.
    fn prepare(&mut self, db: &str, before: &[Bson]) {
        self.empty(db);
        for command in before {
            let mut command = command.as_document().unwrap().clone();
            let elsewhere = command.remove("$db");
            let on = elsewhere.as_ref().and_then(Bson::as_str).unwrap_or(db);
            if on != db {
                self.prepared.remove(on);
                self.empty(on);
            }
            self.succeed(on, command);
        }
        self.prepared.insert(db.to_owned(), before.to_vec());
    }

    /// The administrator lives on `admin`, where nobody else is made, and keeps its role.
    fn empty(&mut self, db: &str) {
        if db != "admin" {
            self.succeed(db, doc! { "dropAllUsersFromDatabase": 1 });
        }
        let roles = self.succeed(db, doc! { "rolesInfo": 1 });
        for role in roles.get_array("roles").unwrap() {
            let role = role.as_document().unwrap().get_str("role").unwrap();
            self.succeed(db, doc! { "dropRole": role });
        }
    }

    fn succeed(&mut self, db: &str, command: Document) -> Document {
        let reply = self.admin.run(db, command);
        assert_eq!(
            reply.get_f64("ok").ok(),
            Some(1.0),
            "preparing {db}: {reply}"
        );
        reply
    }
}

/// The command's document, `$db` last; `$pairs` lets a key come twice.
fn request(row: &Document, db: &str) -> RawDocumentBuf {
    let run = row.get_document("run").unwrap();
    let mut request = RawDocumentBuf::new();
    let mut append = |key: &str, value: Bson| {
        let key = <&bson::raw::CStr>::try_from(key).unwrap();
        request.append(key, bson::RawBson::try_from(value).unwrap());
    };
    match run.get_array("$pairs") {
        Ok(pairs) => {
            for pair in pairs {
                let [key, value] = pair.as_array().unwrap().as_slice() else {
                    panic!("{pair}")
                };
                append(key.as_str().unwrap(), value.clone());
            }
        }
        Err(_) => {
            for (key, value) in run {
                append(key, value.clone());
            }
        }
    }
    append("$db", db.into());
    request
}

fn compare(row: &Document, reply: &Document) -> Result<(), String> {
    let expected = match (row.get_document("reply"), row.get_array("error")) {
        (Ok(fields), _) => {
            let mut expected = fields.clone();
            expected.insert("ok", 1.0);
            expected
        }
        (_, Ok(error)) => {
            let [code, code_name, message] = error.as_slice() else {
                panic!("{row}")
            };
            doc! { "ok": 0.0, "errmsg": message, "code": code, "codeName": code_name }
        }
        _ => panic!("a row needs 'reply' or 'error': {row}"),
    };
    // Equality of documents looks past the order of their fields; their text does not.
    if *reply == expected && reply.to_string() == expected.to_string() {
        return Ok(());
    }
    Err(format!(
        "  request:  {}\n  expected: {expected}\n  got:      {reply}",
        row.get("run").unwrap()
    ))
}
