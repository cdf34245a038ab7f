//! H, HMAC and Hi of RFC 5802 section 2.2 for the two hashes in use.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A hash with keys of `KEY` bytes. Keys have the hash's own length, so no call can fail.
pub(super) trait HashFunction<const KEY: usize> {
    /// H(input).
    fn h(input: &[u8]) -> [u8; KEY];
    /// HMAC(key, message).
    fn hmac(key: &[u8; KEY], message: &[u8]) -> [u8; KEY];
    /// Hi(password, salt, `iteration_count`), which is PBKDF2 with one block of output.
    fn hi(password: &[u8], salt: &[u8], iteration_count: u32) -> Secret<[u8; KEY]>;
}

/// Bytes that SHA-1 and SHA-256 take in at a time, which HMAC fills its keys up to with zeros.
const BLOCK_BYTES: usize = 64;

macro_rules! hash_function {
    ($hash:ty, $key:literal) => {
        impl HashFunction<$key> for $hash {
            fn h(input: &[u8]) -> [u8; $key] {
                <$hash>::digest(input).into()
            }

            fn hmac(key: &[u8; $key], message: &[u8]) -> [u8; $key] {
                let mut block = Zeroizing::new([0; BLOCK_BYTES]);
                block[..$key].copy_from_slice(key);
                let mut mac = <Hmac<$hash> as KeyInit>::new((&*block).into());
                mac.update(message);
                mac.finalize().into_bytes().into()
            }

            fn hi(password: &[u8], salt: &[u8], iteration_count: u32) -> Secret<[u8; $key]> {
                let mut output = Zeroizing::new([0; $key]);
                pbkdf2::pbkdf2_hmac::<$hash>(password, salt, iteration_count, &mut *output);
                Secret::new(*output)
            }
        }
    };
}

hash_function!(Sha1, 20);
hash_function!(Sha256, 32);
