//! `listDatabases` (MongoDB manual, "listDatabases").
//!
//! The databases are the three that a mongod has from its first start. A database on which users are
//! made does not come into being by it: with mongod all users are kept in `admin.system.users`, and a
//! database is there once it has a collection, which none has here.

use std::path::Path;

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};

use super::int64;
use crate::authz::{Authority, Denied, Need, Pass};
use crate::catalog::Catalog;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::{Anything, SafeBool};
use crate::command::reply::Reply;
use crate::command::services::{Interrupt, Services, internal_error};
use crate::command::spec::{Command, RunsOn, Spec};
use crate::config::StorageEngine;
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;
use crate::query::Filter;

/// The databases there are.
const NAMES: [&str; 3] = ["admin", "config", "local"];
const MEBIBYTE: u64 = 1024 * 1024;

arguments! {
    /// The fields of `listDatabases`.
    #[derive(Debug)]
    pub struct ListDatabases {
        /// Any value.
        "listDatabases" => value: Anything,
        /// A query that databases must match.
        "filter" => filter: Option<RawDocumentBuf>,
        /// Whether to show names without sizes.
        "nameOnly" => name_only: SafeBool = SafeBool(false),
        /// `true`: only databases on which the caller may do something. `false`: all, which takes the
        /// action `listDatabases` on the cluster. By default all for those who have it.
        "authorizedDatabases" => authorized_databases: Option<bool>,
    }
}

/// One database.
struct Database {
    name: &'static str,
    bytes: u64,
}

impl Command for ListDatabases {
    const SPEC: Spec = Spec {
        admin_only: true,
        api_version_1: true,
        runs_on: RunsOn::SecondaryIfAsked,
        ..Spec::new("listDatabases", "Answers which databases there are.")
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        // The localhost exception is nobody's sign-in: tools find out by this command that there are
        // users to sign in as.
        let is_exception = matches!(authority, Authority::LocalhostException);
        if self.authorized_databases == Some(false) || is_exception {
            authority.require(&[Need::on_cluster(Action::ListDatabases)])
        } else {
            authority.require_sign_in()
        }
    }

    async fn run(mut self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let names = self.visible_names(&context.authority());
        let admin_bytes = if self.name_only.0 {
            0
        } else {
            bytes_on_disk(context.services).await?
        };
        let databases = names.into_iter().map(move |name| Database {
            name,
            bytes: if name == "admin" { admin_bytes } else { 0 },
        });
        let Some(filter) = self.filter.take() else {
            return Ok(self.answer(databases, None));
        };
        // Aside: what a filter is made of may take long to prepare.
        let answer = move |_: &Catalog, _: &Interrupt| {
            Filter::parse(&filter).map(|filter| self.answer(databases, Some(&filter)))
        };
        context.services.scan(answer).await?
    }
}

impl ListDatabases {
    fn visible_names(&self, authority: &Authority<'_>) -> Vec<&'static str> {
        let all = self.authorized_databases != Some(true)
            && authority.allows(&Resource::Cluster, Action::ListDatabases);
        let is_visible = |name: &str| {
            all || DbName::parse(name).is_ok_and(|db| authority.allows_any_action_in(&db))
        };
        NAMES.into_iter().filter(|name| is_visible(name)).collect()
    }

    fn answer(&self, databases: impl Iterator<Item = Database>, filter: Option<&Filter>) -> Reply {
        let mut array = RawArrayBuf::new();
        let mut total_bytes = 0_u64;
        for database in databases {
            let document = if self.name_only.0 {
                rawdoc! { "name": database.name }
            } else {
                database.to_document()
            };
            if filter.is_none_or(|filter| filter.matches(&document)) {
                array.push(document);
                total_bytes = total_bytes.saturating_add(database.bytes);
            }
        }
        let mut reply = Reply::new().with("databases", array);
        if !self.name_only.0 {
            reply.append("totalSize", int64(total_bytes));
            reply.append("totalSizeMb", int64(total_bytes / MEBIBYTE));
        }
        reply
    }
}

impl Database {
    fn to_document(&self) -> RawDocumentBuf {
        rawdoc! {
            "name": self.name,
            "sizeOnDisk": int64(self.bytes),
            "empty": self.name != "admin",
        }
    }
}

/// The size of the files in the data folder, which hold users, roles and settings and so count as
/// the database `admin`; 0 without a data folder.
async fn bytes_on_disk(services: &Services) -> Result<u64, CommandError> {
    let storage = &services.config.storage;
    if storage.engine == StorageEngine::EphemeralForTest {
        return Ok(0);
    }
    let folder = storage.db_path.clone();
    tokio::task::spawn_blocking(move || folder_bytes(&folder))
        .await
        .map_err(|error| internal_error("listDatabases", &error))
}

/// Files that vanish meanwhile, and folders in the folder, count nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = folder.read_dir() else {
        return 0;
    };
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::{EffectivePrivileges, Resolved, RolesFrom};
    use crate::command::arguments::{self, Arguments};
    use crate::command::spec::rules;
    use crate::model::names::{RoleName, UserName};
    use crate::model::restriction::Restrictions;
    use crate::model::user::{Credentials, User};

    fn parse(body: &RawDocumentBuf) -> Result<ListDatabases, CommandError> {
        let path = arguments::Path::root("listDatabases");
        ListDatabases::parse(body, &path, rules::<ListDatabases>())
    }

    /// Whether somebody with `role` may run it, and what is there for them.
    fn visible(body: &RawDocumentBuf, role: &str, db: &str) -> Option<Vec<&'static str>> {
        let name = UserName::new("ann", DbName::ADMIN).unwrap();
        let direct_roles = [RoleName::new(role, DbName::parse(db).unwrap()).unwrap()];
        let resolved = Resolved::of(&direct_roles, &|_: &RoleName| None);
        let privileges = EffectivePrivileges::of(&resolved);
        let user = User {
            name,
            user_id: uuid::Uuid::new_v4(),
            credentials: Credentials::External,
            restrictions: Restrictions::NONE,
            custom_data: None,
            roles: direct_roles.into(),
        };
        let authority = Authority::User {
            user: &user,
            roles_from: RolesFrom::Catalog,
            privileges: &privileges,
        };
        let command = parse(body).unwrap();
        let _pass = command.authorize(&authority, &DbName::ADMIN).ok()?;
        Some(command.visible_names(&authority))
    }

    #[test]
    fn who_may_not_list_all_sees_what_is_theirs() {
        let default = rawdoc! { "listDatabases": 1 };
        let own = rawdoc! { "listDatabases": 1, "authorizedDatabases": true };
        let all = rawdoc! { "listDatabases": 1, "authorizedDatabases": false };
        for body in [&default, &own] {
            assert_eq!(visible(body, "read", "config"), Some(vec!["config"]));
            assert_eq!(visible(body, "read", "elsewhere"), Some(vec![]));
            assert_eq!(visible(body, "root", "admin"), Some(NAMES.to_vec()));
        }
        assert_eq!(visible(&all, "read", "config"), None);
        assert_eq!(visible(&all, "root", "admin"), Some(NAMES.to_vec()));
        // clusterMonitor may list databases without having anything to do on some.
        assert_eq!(
            visible(&default, "clusterMonitor", "admin"),
            Some(NAMES.to_vec())
        );
    }

    #[test]
    fn who_is_not_signed_in_may_not_run_it() {
        for body in [
            rawdoc! { "listDatabases": 1 },
            rawdoc! { "listDatabases": 1, "authorizedDatabases": true },
        ] {
            let command = parse(&body).unwrap();
            assert!(
                command
                    .authorize(&Authority::LocalhostException, &DbName::ADMIN)
                    .is_err()
            );
            assert!(
                command
                    .authorize(&Authority::Nobody, &DbName::ADMIN)
                    .is_err()
            );
            let _pass = command
                .authorize(&Authority::Unchecked, &DbName::ADMIN)
                .unwrap();
        }
    }

    #[test]
    fn authorized_databases_is_a_bool_and_name_only_may_be_a_number() {
        let numbers = rawdoc! { "listDatabases": 1, "authorizedDatabases": 1 };
        assert_eq!(parse(&numbers).unwrap_err().code.0, 14);
        assert!(
            parse(&rawdoc! { "listDatabases": 1, "nameOnly": 1 })
                .unwrap()
                .name_only
                .0
        );
        assert_eq!(
            parse(&rawdoc! { "listDatabases": 1, "x": 1 })
                .unwrap_err()
                .code
                .0,
            40_415
        );
    }

    fn answer(body: &RawDocumentBuf) -> RawDocumentBuf {
        let command = parse(body).unwrap();
        let filter = command
            .filter
            .as_deref()
            .map(|filter| Filter::parse(filter).unwrap());
        let databases = [
            Database {
                name: "admin",
                bytes: 3 * MEBIBYTE + 7,
            },
            Database {
                name: "local",
                bytes: 0,
            },
        ];
        command
            .answer(databases.into_iter(), filter.as_ref())
            .into_document()
    }

    #[test]
    fn sizes_are_left_out_with_name_only() {
        let total = int64(3 * MEBIBYTE + 7);
        let admin = rawdoc! { "name": "admin", "sizeOnDisk": total, "empty": false };
        let local = rawdoc! { "name": "local", "sizeOnDisk": 0_i64, "empty": true };
        let expected = rawdoc! {
            "databases": [admin, local], "totalSize": total, "totalSizeMb": 3_i64, "ok": 1.0,
        };
        assert_eq!(answer(&rawdoc! { "listDatabases": 1 }), expected);
        let expected = rawdoc! {
            "databases": [{ "name": "admin" }, { "name": "local" }], "ok": 1.0,
        };
        assert_eq!(
            answer(&rawdoc! { "listDatabases": 1, "nameOnly": true }),
            expected
        );
    }

    #[test]
    fn what_does_not_match_counts_nothing() {
        let local = rawdoc! { "name": "local", "sizeOnDisk": 0_i64, "empty": true };
        let expected = rawdoc! {
            "databases": [local], "totalSize": 0_i64, "totalSizeMb": 0_i64, "ok": 1.0,
        };
        let filter = rawdoc! { "name": "local" };
        assert_eq!(
            answer(&rawdoc! { "listDatabases": 1, "filter": filter }),
            expected
        );
    }

    #[test]
    fn the_folder_counts_its_files() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(folder_bytes(folder.path()), 0);
        std::fs::write(folder.path().join("catalog"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("lock"), [0; 3]).unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        assert_eq!(folder_bytes(folder.path()), 13);
        assert_eq!(folder_bytes(&folder.path().join("nowhere")), 0);
    }
}
