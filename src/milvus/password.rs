//! A password of a call, from its base64 to what is stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::proto::common::ErrorCode;
use crate::auth::hash_pool::Share;
use crate::auth::password::saslprep;
use crate::command::user::credentials::NewPassword;
use crate::config::parameters::Parameters;
use crate::config::{MilvusConfig, MilvusPasswordPolicy};
use crate::model::mechanism::Mechanism;
use crate::model::user::Credentials;
use crate::secret::Secret;

/// Kinds of characters that the strict policy wants of the four there are.
const CHARACTER_CLASSES_MIN: usize = 3;

/// Undoes base64; `what` begins the text of a refusal. What is not UTF-8 is nobody's password.
pub(super) fn decode(encoded: String, what: &str) -> Result<Secret<String>, Failure> {
    let encoded = Zeroizing::new(encoded);
    let failed =
        |reason: &str| Failure::of(ErrorCode::UnexpectedError, format!("{what}: {reason}"));
    let bytes = STANDARD
        .decode(encoded.as_bytes())
        .map(Zeroizing::new)
        .map_err(|error| failed(&illegal_base64(&error)))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| failed("it is not UTF-8"))?;
    Ok(Secret::new(text.to_owned()))
}

/// Whether a new password is long enough, not too long, and mixed enough; also once it is prepared, for
/// then it may be another one, and shorter.
pub(super) fn check(password: &Secret<String>, settings: &MilvusConfig) -> Result<(), Failure> {
    check_text(password.expose(), settings)?;
    let prepared = saslprep(password).map_err(|error| Failure::invalid(error.to_string()))?;
    check_text(prepared.expose(), settings)
}

fn check_text(text: &str, settings: &MilvusConfig) -> Result<(), Failure> {
    let length = match settings.password_policy {
        MilvusPasswordPolicy::Length => text.len(),
        MilvusPasswordPolicy::Strict => text.chars().count(),
    };
    let (min, max) = (settings.password_length_min, settings.password_length_max);
    if !(min..=max).contains(&length) {
        return Err(Failure::invalid_value(
            "invalid password length",
            format!("{length} out of range {min} <= value <= {max}"),
        ));
    }
    if settings.password_policy == MilvusPasswordPolicy::Strict
        && character_classes(text) < CHARACTER_CLASSES_MIN
    {
        return Err(Failure::invalid(format!(
            "invalid password, it must have at least {CHARACTER_CLASSES_MIN} of: uppercase \
             letters, lowercase letters, digits, special characters"
        )));
    }
    Ok(())
}

/// Hashes a new password for each of the mechanisms.
pub(super) async fn derive(
    operation: ErrorCode,
    (user, password): (&str, Secret<String>),
    mechanisms: &[Mechanism],
    (parameters, pool): (&Parameters, Share<'_>),
) -> Result<Credentials, Failure> {
    let prepared = NewPassword::prepare(user, &password, mechanisms)
        .map_err(|error| Failure::invalid(error.message))?;
    prepared
        .derive(parameters, pool)
        .await
        .map_err(|error| Failure::of_command(operation, error))
}

fn character_classes(text: &str) -> usize {
    let classes: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_digit(),
        |c| !c.is_ascii_alphanumeric(),
    ];
    classes.iter().filter(|is| text.chars().any(**is)).count()
}

fn illegal_base64(error: &base64::DecodeError) -> String {
    use base64::DecodeError::{InvalidByte, InvalidLastSymbol};
    match error {
        InvalidByte(place, _) => format!("illegal base64 data at input byte {place}"),
        InvalidLastSymbol { .. } => "illegal base64 data".to_owned(),
        _ => "illegal base64 data, cut short or not padded".to_owned(),
    }
}
