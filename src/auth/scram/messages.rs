//! The two messages a SCRAM client sends (RFC 5802 section 7), parsed strictly.
//!
//! As on a mongod, user names are not prepared by SASLprep, and a `=` that starts neither `=2C` nor
//! `=3D` stands for itself.

use super::error::ScramError;

/// Bytes a client message may have. A connection that is not signed in keeps one between two steps,
/// for as long as it says nothing, so it is short; a user whose escaped name does not fit cannot sign
/// in by SCRAM.
pub const MESSAGE_BYTES_MAX: usize = 2 * 1024;
/// Bytes a client's nonce may have; drivers send 32 to 44.
pub const NONCE_BYTES_MAX: usize = 256;
/// Fewer bytes of nonce than this are refused, as by a mongod.
const NONCE_BYTES_MIN: usize = 4;

/// The client's first message, from which the exchange starts.
#[derive(Debug)]
pub struct ClientFirst {
    /// Everything before `bare`, commas included.
    pub(super) gs2_header: String,
    /// `client-first-message-bare` as it came.
    pub(super) bare: String,
    /// Decoded.
    user: String,
    pub(super) nonce: String,
}

impl ClientFirst {
    /// Parses `gs2-cbind-flag "," [authzid] "," n=<user>,r=<nonce>[,extensions]`.
    pub fn parse(payload: &[u8]) -> Result<Self, ScramError> {
        let message = text(payload)?;
        let (flag, rest) = split_at_comma(message, "no gs2 header")?;
        match flag {
            "n" | "y" => {}
            _ if flag.starts_with("p=") => return Err(ScramError::ChannelBindingWanted),
            _ => return Err(ScramError::Malformed("unknown gs2 flag")),
        }
        let (authzid, bare) = split_at_comma(rest, "gs2 header not closed")?;
        if bare.starts_with("m=") {
            return Err(ScramError::ExtensionWanted);
        }
        let (name, rest) = split_at_comma(bare, "no nonce")?;
        let user = decode_name(attribute(name, "n=", "no user name")?)?;
        let nonce = rest.split(',').next().unwrap_or_default();
        let nonce = parse_nonce(attribute(nonce, "r=", "no nonce")?)?;
        if !authzid.is_empty() {
            let identity = decode_name(attribute(authzid, "a=", "no authorization identity")?)?;
            if identity != user {
                return Err(ScramError::AuthorizationIdentityMismatch);
            }
        }
        let gs2_header = message.strip_suffix(bare).unwrap_or_default().to_owned();
        Ok(Self {
            gs2_header,
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
            user,
        })
    }

    /// The user who wants to sign in; not empty and without NUL, so a valid user name.
    pub fn user(&self) -> &str {
        &self.user
    }
}

/// The client's final message. The parts are as they came; checking them is the exchange's work.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    /// Base64.
    pub(super) channel_binding: &'a str,
    pub(super) nonce: &'a str,
    /// The message up to, but without, the comma before the proof.
    pub(super) without_proof: &'a str,
    /// Base64.
    pub(super) proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    /// Parses `c=<base64>,r=<nonce>[,extensions],p=<base64>`.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, ScramError> {
        let (without_proof, proof) = text(payload)?
            .rsplit_once(',')
            .ok_or(ScramError::Malformed("no proof"))?;
        let proof = attribute(proof, "p=", "no proof")?;
        let (channel_binding, rest) = split_at_comma(without_proof, "no nonce")?;
        let nonce = rest.split(',').next().unwrap_or_default();
        Ok(Self {
            channel_binding: attribute(channel_binding, "c=", "no channel binding")?,
            nonce: attribute(nonce, "r=", "no nonce")?,
            without_proof,
            proof,
        })
    }
}

fn text(payload: &[u8]) -> Result<&str, ScramError> {
    if payload.len() > MESSAGE_BYTES_MAX {
        return Err(ScramError::MessageTooLong);
    }
    std::str::from_utf8(payload).map_err(|_| ScramError::Malformed("not UTF-8"))
}

fn split_at_comma<'a>(
    message: &'a str,
    otherwise: &'static str,
) -> Result<(&'a str, &'a str), ScramError> {
    message
        .split_once(',')
        .ok_or(ScramError::Malformed(otherwise))
}

/// The value of the attribute that starts with `name`; an empty one counts as missing.
fn attribute<'a>(
    piece: &'a str,
    name: &str,
    otherwise: &'static str,
) -> Result<&'a str, ScramError> {
    piece
        .strip_prefix(name)
        .filter(|value| !value.is_empty())
        .ok_or(ScramError::Malformed(otherwise))
}

/// `saslname` to text. The order matters: `=3D2C` is `=2C`, not a comma.
fn decode_name(encoded: &str) -> Result<String, ScramError> {
    if encoded.contains('\0') {
        return Err(ScramError::Malformed("NUL in a name"));
    }
    Ok(encoded.replace("=2C", ",").replace("=3D", "="))
}

fn parse_nonce(nonce: &str) -> Result<&str, ScramError> {
    if nonce.len() > NONCE_BYTES_MAX {
        return Err(ScramError::NonceTooLong);
    }
    if nonce.len() < NONCE_BYTES_MIN {
        return Err(ScramError::Malformed("nonce too short"));
    }
    if !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ScramError::Malformed("nonce not printable"));
    }
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(payload: &str) -> Result<String, ScramError> {
        ClientFirst::parse(payload.as_bytes()).map(|first| first.user)
    }

    #[test]
    fn takes_the_first_message_apart() {
        let first = ClientFirst::parse(b"y,a=ann,n=ann,r=nonce,x=later").unwrap();
        assert_eq!(first.gs2_header, "y,a=ann,");
        assert_eq!(first.bare, "n=ann,r=nonce,x=later");
        assert_eq!(first.user(), "ann");
        assert_eq!(first.nonce, "nonce");
    }

    #[test]
    fn decodes_names_as_mongod_does() {
        for (encoded, name) in [
            ("ann", "ann"),
            ("a=2Cb=3Dc", "a,b=c"),
            ("=3D2C", "=2C"),
            ("=3D3D", "=3D"),
            ("stray=", "stray="),
            ("\u{2168}", "\u{2168}"),
        ] {
            assert_eq!(user(&format!("n,,n={encoded},r=nonce")).unwrap(), name);
        }
        assert_eq!(user("n,a=x=2Cy,n=x=2Cy,r=nonce").unwrap(), "x,y");
    }

    #[test]
    fn refuses_what_is_not_a_first_message() {
        use ScramError::{
            AuthorizationIdentityMismatch, ChannelBindingWanted, ExtensionWanted, Malformed,
        };
        for (payload, reason) in [
            ("", Malformed("no gs2 header")),
            ("n=ann,r=nonce", Malformed("unknown gs2 flag")),
            ("N,,n=ann,r=nonce", Malformed("unknown gs2 flag")),
            (",,n=ann,r=nonce", Malformed("unknown gs2 flag")),
            ("p=tls-unique,,n=ann,r=nonce", ChannelBindingWanted),
            ("n,n=ann", Malformed("gs2 header not closed")),
            ("n,,m=x,n=ann,r=nonce", ExtensionWanted),
            ("n,a=bob,n=ann,r=nonce", AuthorizationIdentityMismatch),
            ("n,a=,n=ann,r=nonce", Malformed("no authorization identity")),
            (
                "n,bob,n=ann,r=nonce",
                Malformed("no authorization identity"),
            ),
            ("n,,r=nonce,n=ann", Malformed("no user name")),
            ("n,,n=,r=nonce", Malformed("no user name")),
            ("n,,n=a\0b,r=nonce", Malformed("NUL in a name")),
            ("n,,n=ann", Malformed("no nonce")),
            ("n,,n=ann,", Malformed("no nonce")),
            ("n,,n=ann,r=", Malformed("no nonce")),
            ("n,,n=ann,r=abc", Malformed("nonce too short")),
            ("n,,n=ann,r=abc d", Malformed("nonce not printable")),
            (
                "n,,n=ann,r=\u{e9}\u{e9}\u{e9}",
                Malformed("nonce not printable"),
            ),
        ] {
            assert_eq!(user(payload), Err(reason), "{payload:?}");
        }
        let not_utf_8 = ClientFirst::parse(b"n,,n=\xff,r=nonce").unwrap_err();
        assert_eq!(not_utf_8, Malformed("not UTF-8"));
    }

    #[test]
    fn lengths_are_limited_to_the_byte() {
        let nonce = "r".repeat(NONCE_BYTES_MAX);
        assert!(user(&format!("n,,n=ann,r={nonce}")).is_ok());
        let refused = user(&format!("n,,n=ann,r={nonce}r"));
        assert_eq!(refused, Err(ScramError::NonceTooLong));

        let name = "u".repeat(MESSAGE_BYTES_MAX - "n,,n=,r=nonce".len());
        assert!(user(&format!("n,,n={name},r=nonce")).is_ok());
        let refused = user(&format!("n,,n={name}u,r=nonce"));
        assert_eq!(refused, Err(ScramError::MessageTooLong));
    }

    #[test]
    fn takes_the_final_message_apart() {
        let last = ClientFinal::parse(b"c=biws,r=nonce,x=p=1,p=cHJvb2Y=").unwrap();
        assert_eq!(last.channel_binding, "biws");
        assert_eq!(last.nonce, "nonce");
        assert_eq!(last.without_proof, "c=biws,r=nonce,x=p=1");
        assert_eq!(last.proof, "cHJvb2Y=");
    }

    #[test]
    fn refuses_what_is_not_a_final_message() {
        for (payload, place) in [
            ("", "no proof"),
            ("c=biws,r=nonce", "no proof"),
            ("c=biws,r=nonce,p=", "no proof"),
            ("c=biws,r=nonce,p=AAAA,x=1", "no proof"),
            ("c=biws,p=AAAA", "no nonce"),
            ("c=biws,r=,p=AAAA", "no nonce"),
            ("c=biws,x=1,r=nonce,p=AAAA", "no nonce"),
            ("c=,r=nonce,p=AAAA", "no channel binding"),
            ("r=nonce,c=biws,p=AAAA", "no channel binding"),
        ] {
            let refused = ClientFinal::parse(payload.as_bytes()).unwrap_err();
            assert_eq!(refused, ScramError::Malformed(place), "{payload:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ClientFirst::parse(&payload);
            let _ = ClientFinal::parse(&payload);
        }

        #[test]
        fn nearly_right_texts_are_parsed_or_refused(payload in "[nyp]?,?(a=)?[a=,]{0,3},?[nmrcp=,23CD]{0,20}") {
            let _ = ClientFirst::parse(payload.as_bytes());
            let _ = ClientFinal::parse(payload.as_bytes());
        }

        #[test]
        fn every_name_survives_its_encoding(name in "[^\0]{1,20}") {
            let encoded = name.replace('=', "=3D").replace(',', "=2C");
            prop_assert_eq!(user(&format!("n,,n={encoded},r=nonce")), Ok(name));
        }
    }
}
