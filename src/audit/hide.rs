//! Every string of a `param` is hidden, unless its place is listed as public.
//!
//! Hidden means replaced by its HMAC under a key of the deployment: who reads the log cannot read the
//! text, but can tell that two are equal. The same goes for binary data, patterns and code. Numbers,
//! dates, truth values and the names of fields stay. Fields that hold secrets become `"xxx"`.

use bson::raw::CStr;
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Places whose strings are shown: names in `param` joined by dots, without positions in arrays; `*`
/// stands for everything below. What stands elsewhere is hidden, also under the same name: `user` is
/// public, `customData.user` is not.
const PUBLIC: &[&str] = &[
    "args.$db",
    "args.createRole",
    "args.createUser",
    "args.dropRole",
    "args.dropUser",
    "args.grantPrivilegesToRole",
    "args.grantRolesToRole",
    "args.grantRolesToUser",
    "args.milvusNeed.db",
    "args.milvusNeed.object",
    "args.milvusNeed.objectName",
    "args.milvusNeed.privilege",
    "args.privileges.actions",
    "args.privileges.resource.collection",
    "args.privileges.resource.db",
    "args.revokePrivilegesFromRole",
    "args.revokeRolesFromRole",
    "args.revokeRolesFromUser",
    "args.roles",
    "args.roles.db",
    "args.roles.role",
    "args.updateRole",
    "args.updateUser",
    "authenticationRestrictions.clientSource",
    "authenticationRestrictions.serverAddress",
    "clientMetadata.driver.name",
    "clientMetadata.driver.version",
    "clientMetadata.os.architecture",
    "clientMetadata.os.name",
    "clientMetadata.os.type",
    "clientMetadata.os.version",
    "clientMetadata.platform",
    "command",
    "db",
    "initialUsers.db",
    "initialUsers.user",
    "localEndpoint.ip",
    "localEndpoint.unix",
    "mechanism",
    "milvusGrants.db",
    "milvusGrants.grantor",
    "milvusGrants.object",
    "milvusGrants.objectName",
    "milvusGrants.privilege",
    "milvusPrivileges",
    "new._id",
    "new.members.host",
    "new.members.tags.*",
    "ns",
    "old._id",
    "old.members.host",
    "old.members.tags.*",
    "privilegeGroup",
    "privileges.actions",
    "privileges.resource.collection",
    "privileges.resource.db",
    "privileges.resource.system_buckets",
    "reason",
    "role",
    "roles.db",
    "roles.role",
    "startupOptions.*",
    "updatedUsers.db",
    "updatedUsers.user",
    "user",
];

/// Documents inside each other that are still written out.
const LEVELS_MAX: usize = 100;
/// Bytes of the block that HMAC fills its key up to.
const BLOCK_BYTES: usize = 64;
/// Parts the key for this from the other uses of the deployment secret.
const PURPOSE: &[u8] = b"hidden strings of the audit log";

const REDACTED: &str = "xxx";

/// What strings are hidden with.
#[derive(Debug)]
pub(super) struct HidingKey(Secret<[u8; 32]>);

impl HidingKey {
    /// The key of a deployment: the same after a restart.
    pub(super) fn new(deployment_secret: &Secret<[u8; 32]>) -> Self {
        Self(Secret::new(hmac_sha_256(
            deployment_secret.expose(),
            PURPOSE,
        )))
    }

    /// `param` with its strings hidden; the values of fields called as in `sensitive` are not even
    /// that. Beyond about `bytes_max` it is cut, also within a text, and says so in a field `truncated`.
    pub(super) fn hide(
        &self,
        param: &RawDocument,
        sensitive: &[&str],
        bytes_max: usize,
    ) -> RawDocumentBuf {
        let mut hider = Hider {
            key: self,
            sensitive,
            bytes_left: bytes_max,
            is_cut: false,
            place: String::new(),
            level: 0,
        };
        let mut hidden = hider.document(param);
        if hider.is_cut {
            hidden.append(bson::raw::cstr!("truncated"), true);
        }
        hidden
    }

    fn hidden_text(&self, bytes: &[u8]) -> String {
        use std::fmt::Write;
        let mut text = String::from("hmac-sha256:");
        for byte in hmac_sha_256(self.0.expose(), bytes) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

fn hmac_sha_256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut block = Zeroizing::new([0; BLOCK_BYTES]);
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

struct Hider<'a> {
    key: &'a HidingKey,
    sensitive: &'a [&'a str],
    bytes_left: usize,
    is_cut: bool,
    /// Where the walk is, as [`PUBLIC`] writes it.
    place: String,
    level: usize,
}

impl Hider<'_> {
    fn document(&mut self, document: &RawDocument) -> RawDocumentBuf {
        let mut hidden = RawDocumentBuf::new();
        let place_bytes = self.place.len();
        for (name, value) in document.iter().map_while(Result::ok) {
            if !self.has_room(name) {
                break;
            }
            self.enter(name.as_str());
            let value = if self.sensitive.contains(&name.as_str()) {
                RawBson::String(REDACTED.to_owned())
            } else {
                self.value(value)
            };
            self.place.truncate(place_bytes);
            hidden.append(name, value);
        }
        hidden
    }

    /// A name with a dot in it must not look like two.
    fn enter(&mut self, name: &str) {
        if !self.place.is_empty() {
            self.place.push('.');
        }
        self.place
            .push_str(if name.contains('.') { "?" } else { name });
    }

    fn array(&mut self, array: &bson::RawArray) -> RawArrayBuf {
        let mut hidden = RawArrayBuf::new();
        for value in array.into_iter().map_while(Result::ok) {
            if !self.has_room(bson::raw::cstr!("0")) {
                break;
            }
            let value = self.value(value);
            hidden.push(value);
        }
        hidden
    }

    fn value(&mut self, value: RawBsonRef<'_>) -> RawBson {
        let is_nested = matches!(value, RawBsonRef::Document(_) | RawBsonRef::Array(_));
        if is_nested && self.level == LEVELS_MAX {
            self.is_cut = true;
            return RawBson::Null;
        }
        self.level += usize::from(is_nested);
        let hidden = match value {
            RawBsonRef::Document(document) => RawBson::Document(self.document(document)),
            RawBsonRef::Array(array) => RawBson::Array(self.array(array)),
            RawBsonRef::String(text) => self.text(text),
            RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => self.hash(text),
            RawBsonRef::JavaScriptCodeWithScope(code) => self.hash(code.code),
            RawBsonRef::RegularExpression(pattern) => self.hash(pattern.pattern.as_str()),
            RawBsonRef::Binary(binary) => self.hash_bytes(binary.bytes),
            RawBsonRef::DbPointer(_) => RawBson::String(REDACTED.to_owned()),
            other => other.into(),
        };
        self.level -= usize::from(is_nested);
        hidden
    }

    fn text(&mut self, text: &str) -> RawBson {
        if is_public(&self.place) {
            let shown = &text[..text.floor_char_boundary(self.bytes_left)];
            self.is_cut |= shown.len() < text.len();
            self.spend(shown.len());
            return RawBson::String(shown.to_owned());
        }
        self.hash(text)
    }

    fn hash(&mut self, text: &str) -> RawBson {
        self.hash_bytes(text.as_bytes())
    }

    fn hash_bytes(&mut self, bytes: &[u8]) -> RawBson {
        let text = self.key.hidden_text(bytes);
        self.spend(text.len());
        RawBson::String(text)
    }

    /// Whether there is room for another field; what a field takes besides its value is spent.
    fn has_room(&mut self, name: &CStr) -> bool {
        /// Type, end of name, and a number or a length.
        const FIELD_BYTES: usize = 10;
        if self.bytes_left <= name.as_str().len() {
            self.is_cut = true;
            return false;
        }
        self.spend(name.as_str().len() + FIELD_BYTES);
        true
    }

    fn spend(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }
}

fn is_public(place: &str) -> bool {
    PUBLIC.iter().any(|public| match public.strip_suffix('*') {
        Some(above) => place.starts_with(above),
        None => place == *public,
    })
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn key() -> HidingKey {
        HidingKey::new(&Secret::new([7; 32]))
    }

    fn hidden(param: &RawDocument) -> RawDocumentBuf {
        key().hide(param, &["pwd"], 1024)
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(PUBLIC.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn strings_are_hidden_unless_their_place_is_public() {
        let ann = key().hidden_text(b"ann");
        assert_eq!(ann.len(), "hmac-sha256:".len() + 64);
        let rows = [
            (rawdoc! { "user": "ann" }, rawdoc! { "user": "ann" }),
            (
                rawdoc! { "customData": { "user": "ann", "age": 7, "x": [true, "ann"] } },
                rawdoc! { "customData": {
                    "user": ann.as_str(), "age": 7, "x": [true, ann.as_str()],
                } },
            ),
            (
                rawdoc! { "roles": [{ "role": "ann", "db": "ann", "x": "ann" }] },
                rawdoc! { "roles": [{ "role": "ann", "db": "ann", "x": ann.as_str() }] },
            ),
            (
                rawdoc! { "roles.db": "ann", "a": { "startupOptions": "ann" } },
                rawdoc! { "roles.db": ann.as_str(), "a": { "startupOptions": ann.as_str() } },
            ),
            (
                rawdoc! { "startupOptions": { "net": { "bindIp": ["ann"] } } },
                rawdoc! { "startupOptions": { "net": { "bindIp": ["ann"] } } },
            ),
        ];
        for (param, expected) in rows {
            assert_eq!(hidden(&param), expected);
        }
    }

    #[test]
    fn bytes_patterns_and_code_are_hidden_as_well() {
        let ann = key().hidden_text(b"ann");
        let binary = bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic,
            bytes: b"ann".to_vec(),
        };
        let pattern = bson::Regex {
            pattern: bson::raw::cstr!("ann").to_owned(),
            options: bson::raw::cstr!("").to_owned(),
        };
        let code = RawBson::JavaScriptCode("ann".to_owned());
        let symbol = RawBson::Symbol("ann".to_owned());
        let param = rawdoc! { "a": binary, "b": pattern, "c": code, "d": symbol };
        let ann = ann.as_str();
        assert_eq!(
            hidden(&param),
            rawdoc! { "a": ann, "b": ann, "c": ann, "d": ann }
        );
    }

    #[test]
    fn secrets_are_not_even_hashed() {
        let param = rawdoc! { "args": { "createUser": "ann", "pwd": "s", "x": { "pwd": ["s"] } } };
        let expected =
            rawdoc! { "args": { "createUser": "ann", "pwd": "xxx", "x": { "pwd": "xxx" } } };
        assert_eq!(hidden(&param), expected);
    }

    #[test]
    fn keys_of_deployments_differ() {
        let other = HidingKey::new(&Secret::new([8; 32]));
        assert_ne!(other.hidden_text(b"ann"), key().hidden_text(b"ann"));
        // HMAC-SHA-256 by another implementation.
        assert_eq!(
            key().hidden_text(b"ann"),
            "hmac-sha256:89e0ae14e57d453b7d7ea2f08535c99bc96f0aa14b6a98c82f8394cd2f5c2e7b"
        );
    }

    #[test]
    fn texts_and_names_are_no_way_around_the_limit() {
        let long = "\u{e9}".repeat(100_000);
        let name = bson::raw::CString::try_from(long.clone()).unwrap();
        let mut named = RawDocumentBuf::new();
        named.append(&name, 1);
        for param in [
            rawdoc! { "ns": long.as_str(), "args": { "find": "c" } },
            rawdoc! { "args": { "roles": [long.as_str(), long.as_str()] } },
            named,
        ] {
            let cut = hidden(&param);
            assert!(cut.as_bytes().len() < 2048, "{}", cut.as_bytes().len());
            assert!(cut.get_bool("truncated").unwrap());
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let mut param = rawdoc! { "user": "ann" };
        param.append(
            bson::raw::cstr!("customData"),
            RawBson::Array((0..1000).map(|_| "x").collect()),
        );
        let cut = hidden(&param);
        assert!(cut.as_bytes().len() < 2048);
        assert!(cut.get_bool("truncated").unwrap());
        assert!(cut.get_array("customData").unwrap().into_iter().count() > 5);
        let mut deep = RawDocumentBuf::new();
        for _ in 0..150 {
            let mut outer = RawDocumentBuf::new();
            outer.append(bson::raw::cstr!("a"), deep);
            deep = outer;
        }
        assert!(
            key()
                .hide(&deep, &[], 100_000)
                .get_bool("truncated")
                .unwrap()
        );
    }
}
