//! How `usersInfo` shows a user.
//!
//! The order of fields is mongod's and differs between the plain answer (the stored document), the
//! detailed one with custom data and the detailed one without.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{Binary, RawArrayBuf, RawDocumentBuf, rawdoc};

use crate::authz::Resolved;
use crate::catalog::Catalog;
use crate::command::restrictions::{restrictions_array, restrictions_array_with_prefixes};
use crate::command::roles_array::roles_array;
use crate::model::mechanism::Mechanism;
use crate::model::user::{Credentials, ScramCredential, User};

/// What to show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) credentials: bool,
    pub(super) custom_data: bool,
    pub(super) restrictions: bool,
}

/// The document of `admin.system.users`: all that is stored.
pub(in crate::command) fn stored_user(user: &User) -> RawDocumentBuf {
    let mut document = identity(user);
    document.append(cstr!("credentials"), credentials(&user.credentials));
    if !user.restrictions.is_empty() {
        let array = restrictions_array(&user.restrictions);
        document.append(cstr!("authenticationRestrictions"), array);
    }
    if let Some(custom_data) = user.custom_data.as_deref() {
        document.append(cstr!("customData"), &**custom_data);
    }
    document.append(cstr!("roles"), roles_array(&user.roles));
    document
}

/// The stored document without what was not asked for, `mechanisms` last.
pub(super) fn plain(user: &User, shape: Shape) -> RawDocumentBuf {
    let mut document = identity(user);
    if shape.credentials {
        document.append(cstr!("credentials"), credentials(&user.credentials));
    }
    append_custom_data(&mut document, user, shape);
    document.append(cstr!("roles"), roles_array(&user.roles));
    document.append(cstr!("mechanisms"), mechanisms(&user.credentials));
    document
}

/// The document with everything the user inherits.
pub(super) fn detailed(user: &User, shape: Shape, catalog: &Catalog) -> RawDocumentBuf {
    let resolved = Resolved::of(&user.roles, catalog);
    let mut document = identity(user);
    document.append(cstr!("mechanisms"), mechanisms(&user.credentials));
    if shape.custom_data {
        if shape.credentials {
            document.append(cstr!("credentials"), credentials(&user.credentials));
        }
        if shape.restrictions && !user.restrictions.is_empty() {
            let array = restrictions_array(&user.restrictions);
            document.append(cstr!("authenticationRestrictions"), array);
        }
        append_custom_data(&mut document, user, shape);
        document.append(cstr!("roles"), roles_array(&user.roles));
        if shape.restrictions && user.restrictions.is_empty() {
            document.append(cstr!("authenticationRestrictions"), RawArrayBuf::new());
        }
        append_inherited(&mut document, &resolved);
    } else {
        document.append(cstr!("roles"), roles_array(&user.roles));
        if shape.credentials {
            document.append(cstr!("credentials"), credentials(&user.credentials));
        }
        append_inherited(&mut document, &resolved);
        if shape.restrictions {
            let array = restrictions_array_with_prefixes(&user.restrictions);
            document.append(cstr!("authenticationRestrictions"), array);
        }
    }
    document
}

fn identity(user: &User) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(
        cstr!("_id"),
        format!("{}.{}", user.name.db(), user.name.user()),
    );
    let user_id = Binary {
        subtype: BinarySubtype::Uuid,
        bytes: user.user_id.as_bytes().to_vec(),
    };
    document.append(cstr!("userId"), user_id);
    document.append(cstr!("user"), user.name.user());
    document.append(cstr!("db"), user.name.db().as_str());
    document
}

fn append_custom_data(document: &mut RawDocumentBuf, user: &User, shape: Shape) {
    if let Some(custom_data) = user.custom_data.as_deref().filter(|_| shape.custom_data) {
        document.append(cstr!("customData"), &**custom_data);
    }
}

fn append_inherited(document: &mut RawDocumentBuf, resolved: &Resolved) {
    document.append(cstr!("inheritedRoles"), roles_array(resolved.names()));
    let mut privileges = RawArrayBuf::new();
    for privilege in resolved.privileges() {
        privileges.push(privilege.to_raw_document());
    }
    document.append(cstr!("inheritedPrivileges"), privileges);
    let mut restrictions = RawArrayBuf::new();
    for entries in resolved.restrictions() {
        restrictions.push(restrictions_array(entries));
    }
    document.append(cstr!("inheritedAuthenticationRestrictions"), restrictions);
}

fn mechanisms(stored: &Credentials) -> RawArrayBuf {
    let mut names = RawArrayBuf::new();
    match stored {
        Credentials::External => names.push("external"),
        Credentials::Stored { .. } => {
            let order = [
                Mechanism::ScramSha1,
                Mechanism::ScramSha256,
                Mechanism::Plain,
            ];
            let present = order.iter().filter(|mechanism| stored.has(**mechanism));
            present.for_each(|mechanism| names.push(mechanism.name()));
        }
    }
    names
}

fn credentials(stored: &Credentials) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    match stored {
        Credentials::External => document.append(cstr!("external"), true),
        Credentials::Stored {
            sha_1,
            sha_256,
            plain,
        } => {
            if let Some(credential) = sha_1 {
                document.append(cstr!("SCRAM-SHA-1"), keys(credential));
            }
            if let Some(credential) = sha_256 {
                document.append(cstr!("SCRAM-SHA-256"), keys(credential));
            }
            if let Some(credential) = plain {
                document.append(cstr!("PLAIN"), rawdoc! { "phc": credential.phc() });
            }
        }
    }
    document
}

fn keys<const SALT: usize, const KEY: usize>(
    credential: &ScramCredential<SALT, KEY>,
) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    let iterations = i32::try_from(credential.iteration_count).unwrap_or(i32::MAX);
    document.append(cstr!("iterationCount"), iterations);
    document.append(cstr!("salt"), STANDARD.encode(credential.salt));
    document.append(cstr!("storedKey"), STANDARD.encode(credential.stored_key));
    document.append(cstr!("serverKey"), STANDARD.encode(credential.server_key));
    document
}
