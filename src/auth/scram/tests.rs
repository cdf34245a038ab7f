//! Whole exchanges: recorded ones byte by byte, tampered ones, doomed ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::exchange::ServerNonce;
use super::{AwaitingFinal, ClientFirst, Keys, ScramError, ScramMechanism};
use super::{Sha1Password, Sha256Password};
use crate::model::mechanism::Mechanism;
use crate::model::names::{DbName, UserName};
use crate::model::user::{Credentials, ScramSha1Credential, ScramSha256Credential};
use crate::secret::Secret;

const RECORDED: [&str; 4] = [
    include_str!("../../../fixtures/scram/rfc_5802_section_5.json"),
    include_str!("../../../fixtures/scram/rfc_7677_section_3.json"),
    include_str!("../../../fixtures/scram/mongodb_scram_sha_1.json"),
    include_str!("../../../fixtures/scram/escaped_name_long_salt.json"),
];

/// Few, for tests that do not care.
const ROUNDS: u32 = 2;
const CLIENT_FIRST: &[u8] = b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL";

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn user(name: &str, db: &str) -> UserName {
    UserName::new(name, DbName::parse(db).unwrap()).unwrap()
}

mod recorded {
    use super::*;

    /// Derives the keys of a recorded exchange from its password.
    fn keys(exchange: &Value) -> Keys {
        let text = |field: &str| exchange[field].as_str().unwrap();
        let rounds = u32::try_from(exchange["iteration_count"].as_u64().unwrap()).unwrap();
        let salt = STANDARD.decode(text("salt")).unwrap();
        let password = secret(text("password"));
        match ScramMechanism::of(Mechanism::from_name(text("mechanism")).unwrap()).unwrap() {
            ScramMechanism::Sha1 => {
                let password = if exchange["digest_password"].as_bool().unwrap() {
                    Sha1Password::digest(text("user"), &password)
                } else {
                    Sha1Password::digested_by_client(password)
                };
                match salt.len() {
                    12 => Keys::from(
                        &password.derive_with_salt::<12>(salt.try_into().unwrap(), rounds),
                    ),
                    _ => Keys::from(
                        &password.derive_with_salt::<16>(salt.try_into().unwrap(), rounds),
                    ),
                }
            }
            ScramMechanism::Sha256 => {
                let password = Sha256Password::prepare(&password).unwrap();
                match salt.len() {
                    16 => Keys::from(
                        &password.derive_with_salt::<16>(salt.try_into().unwrap(), rounds),
                    ),
                    _ => Keys::from(
                        &password.derive_with_salt::<28>(salt.try_into().unwrap(), rounds),
                    ),
                }
            }
        }
    }

    #[test]
    fn exchanges_replay_byte_by_byte() {
        for recorded in RECORDED {
            let exchange: Value = serde_json::from_str(recorded).unwrap();
            let text = |field: &str| exchange[field].as_str().unwrap();
            let first = ClientFirst::parse(text("client_first").as_bytes()).unwrap();
            assert_eq!(first.user(), text("user"));

            let nonce = ServerNonce::recorded(text("server_nonce"));
            let (server_first, awaiting) = first.respond(keys(&exchange), &nonce);
            assert_eq!(
                String::from_utf8(server_first).unwrap(),
                text("server_first")
            );

            let server_final = awaiting.finish(text("client_final").as_bytes()).unwrap();
            assert_eq!(
                String::from_utf8(server_final).unwrap(),
                text("server_final")
            );
        }
    }
}

/// A sign-in keeps this much until its client speaks again, whatever became of it: the tables in
/// docs/security.md promise 5 KiB with the user's name.
#[test]
fn what_waits_for_a_client_is_small() {
    use super::{MESSAGE_BYTES_MAX, NONCE_BYTES_MAX};
    let fill = |before: &str, after: &str, filler: &str| {
        let room = MESSAGE_BYTES_MAX - before.len() - after.len();
        format!("{before}{}{after}", filler.repeat(room))
    };
    let nonce = "r".repeat(NONCE_BYTES_MAX);
    let half = "u".repeat((MESSAGE_BYTES_MAX - NONCE_BYTES_MAX) / 2 - 8);
    for message in [
        fill("n,,n=", ",r=nonce", "u"),
        fill("n,,n=", &format!(",r={nonce}"), "u"),
        fill(&format!("n,,n=u,r={nonce},x="), "", "x"),
        format!("n,a={half},n={half},r={nonce}"),
    ] {
        let first = ClientFirst::parse(message.as_bytes()).unwrap();
        let name = first.user().len();
        let keys = Keys::from(&Client::new().credential);
        let (_, awaiting) = first.respond(keys, &ServerNonce::random().unwrap());
        let kept = awaiting.kept_bytes() + name;
        assert!(kept < 5 * 1024, "{kept}");
    }
}

/// A client that knows the keys as the server does, plus the password.
struct Client {
    client_key: [u8; 32],
    credential: ScramSha256Credential,
}

impl Client {
    fn new() -> Self {
        use super::hash::HashFunction;
        use sha2::Sha256;
        let salted = Sha256::hi(b"pencil", &[7; 28], ROUNDS);
        Self {
            client_key: Sha256::hmac(salted.expose(), b"Client Key"),
            credential: Sha256Password::prepare(&secret("pencil"))
                .unwrap()
                .derive_with_salt([7; 28], ROUNDS),
        }
    }

    /// Everything up to the proof, and the proof, against what the server has answered.
    fn client_final(&self, server_first: &[u8]) -> (String, [u8; 32]) {
        use super::hash::HashFunction;
        use sha2::Sha256;
        let server_first = std::str::from_utf8(server_first).unwrap();
        let nonce = server_first.split(',').next().unwrap();
        let without_proof = format!("c=biws,{nonce}");
        let bare = std::str::from_utf8(&CLIENT_FIRST[3..]).unwrap();
        let auth_message = format!("{bare},{server_first},{without_proof}");
        let mut proof = Sha256::hmac(&Sha256::h(&self.client_key), auth_message.as_bytes());
        for (byte, key) in proof.iter_mut().zip(self.client_key) {
            *byte ^= key;
        }
        (without_proof, proof)
    }
}

fn start(keys: Keys) -> (Vec<u8>, AwaitingFinal) {
    let first = ClientFirst::parse(CLIENT_FIRST).unwrap();
    first.respond(keys, &ServerNonce::random().unwrap())
}

fn with_proof(without_proof: &str, proof: &[u8]) -> Vec<u8> {
    format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes()
}

mod tampering {
    use super::*;

    #[test]
    fn the_untampered_exchange_succeeds() {
        let client = Client::new();
        let (server_first, awaiting) = start(Keys::from(&client.credential));
        let (without_proof, proof) = client.client_final(&server_first);
        let server_final = awaiting
            .finish(&with_proof(&without_proof, &proof))
            .unwrap();
        assert!(server_final.starts_with(b"v="));
    }

    #[test]
    fn every_flipped_bit_of_the_proof_fails() {
        let client = Client::new();
        for bit in 0..256 {
            let (server_first, awaiting) = start(Keys::from(&client.credential));
            let (without_proof, mut proof) = client.client_final(&server_first);
            proof[bit / 8] ^= 1 << (bit % 8);
            let failed = awaiting.finish(&with_proof(&without_proof, &proof));
            assert_eq!(failed, Err(ScramError::ProofMismatch));
        }
    }

    #[test]
    fn proofs_of_another_form_are_refused() {
        let client = Client::new();
        let long = STANDARD.encode([0; 33]);
        let of_sha_1 = STANDARD.encode([0; 20]);
        let no_padding = STANDARD.encode([0; 32]).replace('=', "");
        for (proof, place) in [
            (long.as_str(), "proof of the wrong length"),
            (of_sha_1.as_str(), "proof of the wrong length"),
            ("AAAA", "proof of the wrong length"),
            (no_padding.as_str(), "proof not base64"),
            ("====", "proof not base64"),
            ("\u{e9}", "proof not base64"),
        ] {
            let (server_first, awaiting) = start(Keys::from(&client.credential));
            let (without_proof, _) = client.client_final(&server_first);
            let failed = awaiting.finish(format!("{without_proof},p={proof}").as_bytes());
            assert_eq!(failed, Err(ScramError::Malformed(place)));
        }
    }

    #[test]
    fn another_exchange_cannot_be_replayed() {
        let client = Client::new();
        let (overheard, _) = start(Keys::from(&client.credential));
        let (without_proof, proof) = client.client_final(&overheard);
        let (_, awaiting) = start(Keys::from(&client.credential));
        let failed = awaiting.finish(&with_proof(&without_proof, &proof));
        assert_eq!(failed, Err(ScramError::NonceMismatch));
    }

    #[test]
    fn the_header_must_be_repeated() {
        let client = Client::new();
        for header in ["eSws", "biw=", "biwsx"] {
            let (server_first, awaiting) = start(Keys::from(&client.credential));
            let (without_proof, proof) = client.client_final(&server_first);
            let without_proof = without_proof.replace("biws", header);
            let failed = awaiting.finish(&with_proof(&without_proof, &proof));
            assert_eq!(failed, Err(ScramError::ChannelBindingMismatch));
        }
    }

    proptest! {
        #[test]
        fn any_other_byte_in_the_final_message_fails(place: prop::sample::Index, byte: u8) {
            let client = Client::new();
            let (server_first, awaiting) = start(Keys::from(&client.credential));
            let (without_proof, proof) = client.client_final(&server_first);
            let mut payload = with_proof(&without_proof, &proof);
            let place = place.index(payload.len());
            prop_assume!(payload[place] != byte);
            payload[place] = byte;
            prop_assert!(awaiting.finish(&payload).is_err());
        }

        #[test]
        fn random_final_messages_fail(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let (_, awaiting) = start(Keys::from(&Client::new().credential));
            prop_assert!(awaiting.finish(&payload).is_err());
        }
    }
}

mod doomed {
    use super::*;

    const SECRET: [u8; 32] = [42; 32];

    fn doomed(mechanism: ScramMechanism, user: &UserName) -> Keys {
        Keys::doomed(mechanism, &Secret::new(SECRET), user, 15_000)
    }

    #[test]
    fn salts_are_stable_and_differ_by_every_part() {
        let ann = doomed(ScramMechanism::Sha256, &user("ann", "admin")).salt;
        assert_eq!(
            ann,
            doomed(ScramMechanism::Sha256, &user("ann", "admin")).salt
        );
        assert_eq!(ann.len(), 28);

        let sha_1 = doomed(ScramMechanism::Sha1, &user("ann", "admin")).salt;
        assert_eq!(sha_1.len(), 16);
        assert_ne!(ann[..16], *sha_1);
        for other in [user("bob", "admin"), user("ann", "test")] {
            assert_ne!(ann, doomed(ScramMechanism::Sha256, &other).salt);
        }
        let shifted = doomed(ScramMechanism::Sha256, &user("nann", "admi")).salt;
        assert_ne!(ann, shifted, "database and name must not run together");
        let other_secret = Keys::doomed(
            ScramMechanism::Sha256,
            &Secret::new([43; 32]),
            &user("ann", "admin"),
            15_000,
        );
        assert_ne!(ann, other_secret.salt);
    }

    #[test]
    fn messages_have_the_shape_of_real_ones() {
        let name = user("user", "admin");
        let sha_1: ScramSha1Credential = Sha1Password::digest("user", &secret("pencil"))
            .derive(15_000)
            .unwrap();
        let sha_256 = ScramSha256Credential {
            iteration_count: 15_000,
            ..Client::new().credential.clone()
        };
        for (real, mechanism) in [
            (Keys::from(&sha_1), ScramMechanism::Sha1),
            (Keys::from(&sha_256), ScramMechanism::Sha256),
        ] {
            let (real, _) = start(real);
            let (made_up, _) = start(doomed(mechanism, &name));
            let shape = |message: Vec<u8>| -> Vec<(String, usize)> {
                let text = String::from_utf8(message).unwrap();
                text.split(',')
                    .map(|part| (part[..2].to_owned(), part.len()))
                    .collect()
            };
            assert_eq!(shape(real), shape(made_up));
        }
    }

    #[test]
    fn a_matching_proof_fails_all_the_same() {
        let client = Client::new();
        let keys = Keys {
            doomed: true,
            ..Keys::from(&client.credential)
        };
        let (server_first, awaiting) = start(keys);
        let (without_proof, proof) = client.client_final(&server_first);
        let failed = awaiting.finish(&with_proof(&without_proof, &proof));
        assert_eq!(failed, Err(ScramError::Doomed));
    }

    #[test]
    fn the_steps_before_the_proof_fail_as_real_ones() {
        let (_, awaiting) = start(doomed(ScramMechanism::Sha256, &user("user", "admin")));
        let failed = awaiting.finish(&with_proof("c=biws,r=another", &[0; 32]));
        assert_eq!(failed, Err(ScramError::NonceMismatch));

        let (server_first, awaiting) = start(doomed(ScramMechanism::Sha1, &user("user", "admin")));
        let (without_proof, proof) = Client::new().client_final(&server_first);
        let failed = awaiting.finish(&with_proof(&without_proof, &proof));
        assert_eq!(
            failed,
            Err(ScramError::Malformed("proof of the wrong length"))
        );
    }

    #[test]
    fn sign_in_takes_the_credential_of_the_mechanism_or_dooms() {
        let (name, secret) = (user("user", "admin"), Secret::new(SECRET));
        let only_sha_256 = Credentials::Stored {
            plain: None,
            sha_1: None,
            sha_256: Some(Box::new(Client::new().credential.clone())),
        };
        let keys = |mechanism, credentials| {
            Keys::for_sign_in(mechanism, credentials, &secret, &name, 15_000)
        };
        let found = keys(ScramMechanism::Sha256, Some(&only_sha_256));
        assert!(!found.doomed);
        assert_eq!(*found.salt, [7; 28]);
        assert!(keys(ScramMechanism::Sha1, Some(&only_sha_256)).doomed);
        assert!(keys(ScramMechanism::Sha256, Some(&Credentials::External)).doomed);
        assert!(keys(ScramMechanism::Sha256, None).doomed);
    }

    proptest! {
        #[test]
        fn no_proof_succeeds(name in "[^\0]{1,20}", proof in prop::array::uniform32(any::<u8>())) {
            let (server_first, awaiting) =
                start(doomed(ScramMechanism::Sha256, &user(&name, "admin")));
            let (without_proof, _) = Client::new().client_final(&server_first);
            let failed = awaiting.finish(&with_proof(&without_proof, &proof));
            prop_assert_eq!(failed, Err(ScramError::Doomed));
        }
    }
}
