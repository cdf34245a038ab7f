//! What a certificate says of its owner: a subject, and roles if it was issued with some.

use x509_parser::asn1_rs::{Any, FromDer, Tag, Utf8String};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::Oid;
use x509_parser::oid_registry::asn1_rs::oid;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::attribute::name_of;
use super::subject::{Attribute, Subject};
use crate::model::names::{DbName, RoleName};

/// MongoDB's extension "x.509 certificate roles": `SET OF SEQUENCE { role, database UTF8String }`.
const ROLES: Oid<'static> = oid!(1.3.6.1.4.1.34601.2.1.1);

/// The part of a verified certificate that signing in is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whose it is; may be empty.
    pub subject: Subject,
    /// The roles it grants; empty if it has no such extension.
    pub roles: Vec<RoleName>,
}

/// Why a certificate cannot be used. For the log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER of a certificate.
    #[error("the certificate cannot be read: {0}")]
    Malformed(String),
    /// A value in the subject is no text.
    #[error("the subject of the certificate cannot be read")]
    Subject,
    /// The extension for roles is there and is none, or is there twice.
    #[error("the roles in the certificate cannot be read")]
    Roles,
}

impl ClientCertificate {
    /// Reads a certificate in DER. Roles that cannot be read are an error, never none.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = read(der)?;
        let extension = certificate
            .get_extension_unique(&ROLES)
            .map_err(|_| CertificateError::Roles)?;
        let roles = extension.map(|extension| roles(extension.value));
        Ok(Self {
            subject: subject(certificate.subject())?,
            roles: roles.transpose()?.unwrap_or_default(),
        })
    }
}

impl Subject {
    /// The subject of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Result<Self, CertificateError> {
        subject(read(der)?.subject())
    }
}

fn read(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(CertificateError::Malformed("surplus bytes".to_owned())),
        Err(error) => Err(CertificateError::Malformed(error.to_string())),
    }
}

/// A certificate has the most specific part last; RFC 2253 has it first.
fn subject(name: &X509Name<'_>) -> Result<Subject, CertificateError> {
    let mut parts = Vec::new();
    for part in name.iter_rdn() {
        let attributes: Result<Vec<_>, _> = part.iter().map(attribute).collect();
        let mut attributes = attributes?;
        attributes.reverse();
        if !attributes.is_empty() {
            parts.push(attributes);
        }
    }
    parts.reverse();
    Ok(Subject { parts })
}

fn attribute(of: &AttributeTypeAndValue<'_>) -> Result<Attribute, CertificateError> {
    let value = text(of.attr_value()).ok_or(CertificateError::Subject)?;
    let identifier = of.attr_type().to_id_string();
    // DER lets more pass than identifiers; what has no name would print as another subject.
    let is_dotted = identifier.contains('.')
        && identifier
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_dotted {
        return Err(CertificateError::Subject);
    }
    Ok(Attribute {
        name: name_of(&identifier).to_owned(),
        value,
    })
}

/// Any of the types of text that a name may have (RFC 5280 section 4.1.2.4).
fn text(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => bytes
            .is_ascii()
            .then(|| String::from_utf8_lossy(bytes).into_owned()),
        Tag::BmpString => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units: Vec<_> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        Tag::UniversalString => {
            let (units, rest) = bytes.as_chunks::<4>();
            let character = |unit: &[u8; 4]| char::from_u32(u32::from_be_bytes(*unit));
            let text = units.iter().map(character).collect::<Option<String>>();
            text.filter(|_| rest.is_empty())
        }
        // Used for Latin-1, whatever the standard says.
        Tag::T61String => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        _ => None,
    }
}

fn roles(extension: &[u8]) -> Result<Vec<RoleName>, CertificateError> {
    let mut rest = content(extension, Tag::Set)
        .and_then(|(set, after)| after.is_empty().then_some(set))
        .ok_or(CertificateError::Roles)?;
    let mut roles = Vec::new();
    while !rest.is_empty() {
        let (grant, after) = content(rest, Tag::Sequence).ok_or(CertificateError::Roles)?;
        roles.push(role(grant).ok_or(CertificateError::Roles)?);
        rest = after;
    }
    Ok(roles)
}

fn role(grant: &[u8]) -> Option<RoleName> {
    let (rest, role) = Utf8String::from_der(grant).ok()?;
    let (rest, db) = Utf8String::from_der(rest).ok()?;
    if !rest.is_empty() {
        return None;
    }
    RoleName::new(role.as_ref(), DbName::parse(db.as_ref()).ok()?).ok()
}

/// What is inside the first element, which must have this tag, and what follows it.
fn content(der: &[u8], tag: Tag) -> Option<(&[u8], &[u8])> {
    let (rest, element) = Any::from_der(der).ok()?;
    let is_it = element.tag() == tag
        && element.class() == x509_parser::asn1_rs::Class::Universal
        && element.header.is_constructed();
    is_it.then_some((element.data, rest))
}

#[cfg(test)]
mod tests;
