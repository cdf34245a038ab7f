//! What is allowed, and how long it stays so.

use std::sync::Arc;

use bson::rawdoc;

use super::*;
use crate::catalog::Catalog;
use crate::model::restriction::Restrictions;
use crate::model::user::Credentials;
use crate::store::Change;

fn db(name: &str) -> Resource {
    Resource::Database(DbName::parse(name).unwrap())
}

fn user(name: UserName, roles: &[RoleName]) -> User {
    User {
        name,
        user_id: uuid::Uuid::new_v4(),
        credentials: Credentials::External,
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: roles.into(),
    }
}

/// What a pass for creating users on `x` is worth once the catalog is changed.
fn holds_after(change: impl FnOnce(&mut Vec<Change>, &User)) -> bool {
    let on_x = [RoleName::new("userAdmin", DbName::parse("x").unwrap()).unwrap()];
    let ann = user(UserName::new("ann", DbName::ADMIN).unwrap(), &on_x);
    let resolved = Resolved::of(&ann.roles, &|_: &RoleName| None);
    let privileges = EffectivePrivileges::of(&resolved);
    let authority = Authority::User {
        user: &ann,
        roles_from: RolesFrom::Catalog,
        privileges: &privileges,
    };
    let pass = authority
        .require(&[Need::one(Action::CreateUser, db("x"))])
        .unwrap();
    let catalog = Catalog::new();
    let mut changes = vec![Change::PutUser(Arc::new(ann.clone()))];
    change(&mut changes, &ann);
    catalog.apply(changes);
    pass.still_holds(&View::new(&catalog))
}

#[test]
fn a_pass_is_worth_nothing_once_its_ground_is_gone() {
    assert!(holds_after(|_, _| ()));
    assert!(!holds_after(
        |changes, ann| changes.push(Change::DropUser(ann.name.clone()))
    ));
    // Made anew: the same name, another user.
    assert!(!holds_after(|changes, ann| {
        changes.push(Change::PutUser(Arc::new(user(
            ann.name.clone(),
            &ann.roles,
        ))));
    }));
    assert!(!holds_after(|changes, ann| {
        changes.push(Change::PutUser(Arc::new(User {
            roles: [].into(),
            ..ann.clone()
        })));
    }));
    let catalog = Catalog::new();
    let need = Need::one(Action::CreateUser, db("admin"));
    let exception = Authority::LocalhostException.require(&[need]).unwrap();
    assert!(exception.still_holds(&View::new(&catalog)));
    let ann = user(UserName::new("ann", DbName::ADMIN).unwrap(), &[]);
    catalog.apply([Change::PutUser(Arc::new(ann))]);
    assert!(!exception.still_holds(&View::new(&catalog)));
}

fn may(authority: Authority<'_>, action: Action, resource: &Resource) -> bool {
    authority.allows(resource, action)
}

#[test]
fn without_auth_everything_is_allowed_and_nobody_is_anybody() {
    let user = UserName::new("ann", DbName::ADMIN).unwrap();
    let unchecked = Authority::Unchecked;
    assert!(
        unchecked
            .require(&[Need::one(Action::Internal, Resource::Cluster)])
            .is_ok()
    );
    assert!(unchecked.allows_any_action_in(&DbName::ADMIN));
    assert!(!unchecked.is_user(&user) && unchecked.direct_roles().is_empty());
}

#[test]
fn nobody_may_do_nothing() {
    assert_eq!(
        Authority::Nobody.require(&[]).unwrap_err(),
        Denied::NotSignedIn
    );
    assert!(!may(Authority::Nobody, Action::CreateUser, &db("admin")));
    assert!(!Authority::Nobody.allows_any_action_in(&DbName::ADMIN));
}

#[test]
fn the_localhost_exception_allows_the_first_user_and_no_more() {
    let exception = Authority::LocalhostException;
    assert!(exception.require_sign_in().is_ok());
    let granted = [
        (Action::CreateUser, db("admin")),
        (Action::GrantRole, db("admin")),
        (Action::CreateUser, db("$external")),
        (Action::AddShard, Resource::Cluster),
        (Action::ReplSetConfigure, Resource::Cluster),
        (Action::ReplSetGetStatus, Resource::Cluster),
        (Action::IssueDirectShardOperations, Resource::Cluster),
    ];
    let resources = [
        db("admin"),
        db("$external"),
        db("x"),
        Resource::Cluster,
        Resource::AnyNormal,
        Resource::AnyResource,
    ];
    for action in Action::ALL {
        for resource in &resources {
            let expected = granted.contains(&(*action, resource.clone()));
            assert_eq!(
                exception.allows(resource, *action),
                expected,
                "{action} {resource:?}"
            );
        }
    }
    assert!(!exception.allows_any_action_in(&DbName::ADMIN));
}

#[test]
fn a_user_needs_all_that_is_needed() {
    let name = UserName::new("ann", DbName::ADMIN).unwrap();
    let direct_roles = [RoleName::new("userAdmin", DbName::parse("x").unwrap()).unwrap()];
    let resolved = Resolved::of(&direct_roles, &|_: &RoleName| None);
    let privileges = EffectivePrivileges::of(&resolved);
    let ann = user(name.clone(), &direct_roles);
    let user = Authority::User {
        user: &ann,
        roles_from: RolesFrom::Catalog,
        privileges: &privileges,
    };
    let create = Need::one(Action::CreateUser, db("x"));
    let grant = Need::one(Action::GrantRole, db("y"));
    assert!(user.require(&[]).is_ok());
    assert!(user.require(std::slice::from_ref(&create)).is_ok());
    assert_eq!(
        user.require(&[create, grant.clone()]).unwrap_err(),
        Denied::Missing(grant.clone())
    );
    assert_eq!(grant.to_string(), "grantRole on Database(\"y\")");
    assert!(user.is_user(&name) && user.direct_roles() == direct_roles);
    assert!(!user.is_user(&UserName::new("ann", DbName::parse("x").unwrap()).unwrap()));
    assert!(user.allows_any_action_in(&DbName::parse("x").unwrap()));
    assert!(!user.allows_any_action_in(&DbName::ADMIN));
}

#[test]
fn refusals_are_in_the_servers_words() {
    let body = rawdoc! { "createUser": "bob", "pwd": "pencil", "roles": [], "$db": "y" };
    let text = |denied: Denied| {
        let error = denied.to_command_error("createUser", "y", &body, &["pwd"]);
        assert_eq!(error.code, ErrorCode::UNAUTHORIZED);
        error.message
    };
    assert_eq!(
        text(Denied::NotSignedIn),
        "Command createUser requires authentication"
    );
    assert_eq!(
        text(Denied::Missing(Need::one(Action::CreateUser, db("y")))),
        "not authorized on y to execute command \
         { createUser: \"bob\", pwd: \"xxx\", roles: [], $db: \"y\" }"
    );
}
