//! The names of the attributes of a subject, as OpenSSL and with it mongod print them.

/// Object identifiers and their short names. Others print as dotted numbers.
const NAMES: [(&str, &str); 23] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", ORGANIZATION),
    ("2.5.4.11", ORGANIZATIONAL_UNIT),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.3", "mail"),
    ("0.9.2342.19200300.100.1.25", DOMAIN_COMPONENT),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// organizationName.
pub(super) const ORGANIZATION: &str = "O";
/// organizationalUnitName.
pub(super) const ORGANIZATIONAL_UNIT: &str = "OU";
/// domainComponent.
pub(super) const DOMAIN_COMPONENT: &str = "DC";

/// The short name of a dotted object identifier, or the identifier itself.
pub(super) fn name_of(identifier: &str) -> &str {
    NAMES
        .iter()
        .find(|(known, _)| *known == identifier)
        .map_or(identifier, |(_, name)| name)
}

/// The name in the form that [`name_of`] gives it, whatever its case and whether it is a number.
pub(super) fn canonical(name: &str) -> &str {
    NAMES
        .iter()
        .find(|(identifier, known)| *identifier == name || known.eq_ignore_ascii_case(name))
        .map_or(name, |(_, known)| known)
}
