//! How `rolesInfo` shows a role. The order of fields is mongod's, which differs between a role that
//! was asked for by name and one in the list of a database.

use bson::raw::cstr;
use bson::{RawArrayBuf, RawDocumentBuf};

use crate::authz::Resolved;
use crate::catalog::{Catalog, builtin};
use crate::command::restrictions::restrictions_array;
use crate::command::roles_array::roles_array;
use crate::model::milvus::MilvusGrant;
use crate::model::names::RoleName;
use crate::model::privilege::Privilege;
use crate::model::role::Role;

/// What to show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) privileges: bool,
    pub(super) restrictions: bool,
}

/// A built-in role: it includes nothing, its privileges are all its own.
pub(super) fn built_in(name: &RoleName, shape: Shape, in_list: bool) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    if in_list {
        document.append(cstr!("role"), name.role());
        document.append(cstr!("db"), name.db().as_str());
        document.append(cstr!("isBuiltin"), true);
        document.append(cstr!("roles"), RawArrayBuf::new());
        document.append(cstr!("inheritedRoles"), RawArrayBuf::new());
        if shape.privileges {
            document.append(cstr!("privileges"), own_privileges(name));
            document.append(cstr!("inheritedPrivileges"), own_privileges(name));
        }
        if shape.restrictions {
            document.append(cstr!("authenticationRestrictions"), RawArrayBuf::new());
            document.append(
                cstr!("inheritedAuthenticationRestrictions"),
                RawArrayBuf::new(),
            );
        }
        return document;
    }
    document.append(cstr!("db"), name.db().as_str());
    document.append(cstr!("role"), name.role());
    document.append(cstr!("roles"), RawArrayBuf::new());
    if shape.privileges {
        document.append(cstr!("privileges"), own_privileges(name));
    }
    if shape.restrictions {
        document.append(cstr!("authenticationRestrictions"), RawArrayBuf::new());
    }
    document.append(cstr!("inheritedRoles"), RawArrayBuf::new());
    if shape.privileges {
        document.append(cstr!("inheritedPrivileges"), own_privileges(name));
    }
    if shape.restrictions {
        document.append(
            cstr!("inheritedAuthenticationRestrictions"),
            RawArrayBuf::new(),
        );
    }
    document.append(cstr!("isBuiltin"), true);
    document
}

/// The document of `admin.system.roles`: all that is stored.
pub(in crate::command) fn stored_role(role: &Role) -> RawDocumentBuf {
    let mut document = named(&role.name);
    document.append(cstr!("privileges"), privileges_array(&role.privileges));
    document.append(cstr!("roles"), roles_array(&role.roles));
    if !role.restrictions.is_empty() {
        let array = restrictions_array(&role.restrictions);
        document.append(cstr!("authenticationRestrictions"), array);
    }
    if !role.milvus_grants.is_empty() {
        document.append(cstr!("milvusGrants"), grants_array(&role.milvus_grants));
    }
    append_description(&mut document, role);
    document
}

/// How the documents of roles that are stored begin.
fn named(name: &RoleName) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), format!("{}.{}", name.db(), name.role()));
    document.append(cstr!("role"), name.role());
    document.append(cstr!("db"), name.db().as_str());
    document
}

/// A role that an administrator made.
pub(super) fn stored(
    role: &Role,
    shape: Shape,
    in_list: bool,
    catalog: &Catalog,
) -> RawDocumentBuf {
    let included = Resolved::of(&role.roles, catalog);
    let mut document = named(&role.name);
    if shape.privileges {
        document.append(cstr!("privileges"), privileges_array(&role.privileges));
    }
    document.append(cstr!("roles"), roles_array(&role.roles));
    if shape.restrictions {
        // One array more than one would think: the server's own form.
        let mut wrapped = RawArrayBuf::new();
        if !role.restrictions.is_empty() {
            wrapped.push(restrictions_array(&role.restrictions));
        }
        document.append(cstr!("authenticationRestrictions"), wrapped);
    }
    if in_list {
        document.append(cstr!("isBuiltin"), false);
    }
    document.append(cstr!("inheritedRoles"), roles_array(included.names()));
    if shape.privileges {
        let mut all = privileges_array(&role.privileges);
        for privilege in included.privileges() {
            all.push(privilege.to_raw_document());
        }
        document.append(cstr!("inheritedPrivileges"), all);
    }
    if shape.restrictions {
        let mut inherited = RawArrayBuf::new();
        if !role.restrictions.is_empty() {
            inherited.push(restrictions_array(&role.restrictions));
        }
        for restrictions in included.restrictions() {
            inherited.push(restrictions_array(restrictions));
        }
        document.append(cstr!("inheritedAuthenticationRestrictions"), inherited);
    }
    if !in_list {
        document.append(cstr!("isBuiltin"), false);
    }
    // Ours, and only where there are any: roles of Milvus clients.
    if shape.privileges && !role.milvus_grants.is_empty() {
        document.append(cstr!("milvusGrants"), grants_array(&role.milvus_grants));
    }
    append_description(&mut document, role);
    document
}

fn append_description(document: &mut RawDocumentBuf, role: &Role) {
    if !role.milvus_description.is_empty() {
        document.append(cstr!("milvusDescription"), &*role.milvus_description);
    }
}

/// What a user with these roles would have.
pub(super) fn user_fragment(names: &[RoleName], catalog: &Catalog) -> RawDocumentBuf {
    let resolved = {
        let _hold = catalog.hold();
        Resolved::of(names, catalog)
    };
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("roles"), roles_array(names));
    document.append(cstr!("inheritedRoles"), roles_array(resolved.names()));
    document.append(
        cstr!("inheritedPrivileges"),
        privileges_array(&resolved.privileges()),
    );
    let mut inherited = RawArrayBuf::new();
    for restrictions in resolved.restrictions() {
        inherited.push(restrictions_array(restrictions));
    }
    document.append(cstr!("inheritedAuthenticationRestrictions"), inherited);
    document
}

fn grants_array(grants: &[MilvusGrant]) -> RawArrayBuf {
    grants.iter().map(MilvusGrant::to_raw_document).collect()
}

fn own_privileges(name: &RoleName) -> RawArrayBuf {
    privileges_array(&builtin::privileges(name).unwrap_or_default())
}

fn privileges_array(privileges: &[Privilege]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for privilege in privileges {
        array.push(privilege.to_raw_document());
    }
    array
}
