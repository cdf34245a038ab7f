//! Distinguished names: RFC 2253 text, as a user on `$external` is called.

use std::fmt;

use super::attribute::{DOMAIN_COMPONENT, ORGANIZATION, ORGANIZATIONAL_UNIT, canonical};

/// What has a backslash before it wherever it stands (RFC 2253 section 2.4).
const SPECIAL: &str = ",+\"\\<>;";

/// The subject of a certificate, most specific part first. Prints as RFC 2253, in mongod's form: bytes
/// beyond ASCII as `\C3\A9`, control characters as `\0A`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Relative distinguished names; none is empty.
    pub(super) parts: Vec<Vec<Attribute>>,
}

/// One `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    /// A short name, or a dotted object identifier.
    pub(super) name: String,
    pub(super) value: String,
}

/// A text is no distinguished name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no distinguished name")]
pub struct InvalidSubject;

impl Subject {
    /// Reads RFC 4514 text, which is that of RFC 2253 and more. Spaces around names are ignored.
    pub fn parse(text: &str) -> Result<Self, InvalidSubject> {
        let mut parts = vec![Vec::new()];
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=').ok_or(InvalidSubject)?;
            let (value, end, after) = read_value(after)?;
            let attribute = Attribute {
                name: attribute_name(name)?.to_owned(),
                value,
            };
            if let Some(part) = parts.last_mut() {
                part.push(attribute);
            }
            rest = after;
            match end {
                None => return Ok(Self { parts }),
                Some('+') => {}
                Some(_) => parts.push(Vec::new()),
            }
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether a server with this subject would take one with `other` for a member of its cluster: both
    /// have the same organization, organizational units and domain components, and at least one of
    /// these (MongoDB manual, "Use x.509 Certificate for Membership Authentication"). Case and
    /// doubled spaces do not count.
    pub fn is_of_same_cluster(&self, other: &Self) -> bool {
        let own = self.cluster_attributes();
        !own.is_empty() && own == other.cluster_attributes()
    }

    fn cluster_attributes(&self) -> Vec<(&str, String)> {
        const OF_CLUSTER: [&str; 3] = [ORGANIZATION, ORGANIZATIONAL_UNIT, DOMAIN_COMPONENT];
        let mut attributes: Vec<_> = self
            .parts
            .iter()
            .flatten()
            .filter(|attribute| OF_CLUSTER.contains(&attribute.name.as_str()))
            .map(|attribute| (attribute.name.as_str(), folded(&attribute.value)))
            .collect();
        attributes.sort();
        attributes
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            if place > 0 {
                formatter.write_str(",")?;
            }
            for (place, attribute) in part.iter().enumerate() {
                let separator = if place > 0 { "+" } else { "" };
                let value = escaped(&attribute.value);
                write!(formatter, "{separator}{}={value}", attribute.name)?;
            }
        }
        Ok(())
    }
}

/// For comparing, near RFC 4518: lower case, single spaces, none at the ends.
fn folded(value: &str) -> String {
    let words: Vec<_> = value.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

fn escaped(value: &str) -> String {
    use fmt::Write;
    let mut text = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (place, character) in value.char_indices() {
        let is_at_end = place == 0 || place == last;
        if SPECIAL.contains(character)
            || (character == ' ' && is_at_end)
            || (character == '#' && place == 0)
        {
            text.push('\\');
            text.push(character);
        } else if character.is_ascii() && !character.is_ascii_control() {
            text.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a string does not fail.
                let _ = write!(text, "\\{byte:02X}");
            }
        }
    }
    text
}

fn attribute_name(name: &str) -> Result<&str, InvalidSubject> {
    let name = name.trim();
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if name.is_empty() || !is_name {
        return Err(InvalidSubject);
    }
    Ok(canonical(name))
}

/// The value at the start of `text`, what ended it, and what follows.
fn read_value(text: &str) -> Result<(String, Option<char>, &str), InvalidSubject> {
    let mut bytes = Vec::new();
    // Spaces at the end count only if they were escaped.
    let mut kept = 0;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ',' | '+' | ';' => {
                bytes.truncate(kept);
                let value = String::from_utf8(bytes).map_err(|_| InvalidSubject)?;
                return Ok((value, Some(character), characters.as_str()));
            }
            '\\' => {
                unescape(&mut characters, &mut bytes)?;
                kept = bytes.len();
            }
            '"' | '<' | '>' => return Err(InvalidSubject),
            ' ' if bytes.is_empty() => {}
            '#' if bytes.is_empty() => return Err(InvalidSubject),
            other => {
                bytes.extend(other.encode_utf8(&mut [0; 4]).bytes());
                if other != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    let value = String::from_utf8(bytes).map_err(|_| InvalidSubject)?;
    Ok((value, None, ""))
}

/// Adds what stands after a backslash: the character itself, or two hexadecimal digits for a byte.
fn unescape(
    characters: &mut std::str::Chars<'_>,
    bytes: &mut Vec<u8>,
) -> Result<(), InvalidSubject> {
    let first = characters.next().ok_or(InvalidSubject)?;
    if let Some(high) = first.to_digit(16) {
        let low = characters.next().and_then(|digit| digit.to_digit(16));
        let byte = high * 16 + low.ok_or(InvalidSubject)?;
        bytes.push(u8::try_from(byte).map_err(|_| InvalidSubject)?);
    } else {
        bytes.extend(first.encode_utf8(&mut [0; 4]).bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(parts: &[&[(&str, &str)]]) -> Subject {
        let attribute = |(name, value): &(&str, &str)| Attribute {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        Subject {
            parts: parts
                .iter()
                .map(|part| part.iter().map(attribute).collect())
                .collect(),
        }
    }

    #[test]
    fn names_print_as_mongod_prints_them() {
        let cases = [
            ("ann", "ann"),
            ("", ""),
            (" ann", "\\ ann"),
            ("ann ", "ann\\ "),
            (" ", "\\ "),
            ("a b", "a b"),
            ("#a#", "\\#a#"),
            ("a,b+c\"d\\e<f>g;h", "a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h"),
            ("\u{e9}va", "\\C3\\A9va"),
            ("a=b", "a=b"),
            ("a\nb\u{7f}", "a\\0Ab\\7F"),
        ];
        for (value, printed) in cases {
            let name = subject(&[&[("CN", value)]]);
            assert_eq!(name.to_string(), format!("CN={printed}"));
            assert_eq!(Subject::parse(&name.to_string()), Ok(name));
        }
        let name = subject(&[
            &[("CN", "a"), ("UID", "7")],
            &[("O", "x")],
            &[("1.2.3", "y")],
        ]);
        assert_eq!(name.to_string(), "CN=a+UID=7,O=x,1.2.3=y");
        assert_eq!(Subject::parse(&name.to_string()), Ok(name));
        assert_eq!(Subject::default().to_string(), "");
    }

    #[test]
    fn other_spellings_of_a_name_are_read() {
        let name = subject(&[&[("CN", "a b")], &[("O", "x,y ")]]);
        for text in [
            "CN=a b,O=x\\,y\\ ",
            " cn = a b , 2.5.4.10 = x\\2cy\\20",
            "Cn=a b;o=x\\2Cy\\ ",
        ] {
            assert_eq!(Subject::parse(text), Ok(name.clone()), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_names() {
        for text in [
            "", "ann", "=a", "a b=c", "CN=a,", "CN=a+", "CN=a\\", "CN=a\\4", "CN=\\C3", "CN=#04",
            "CN=\"a\"", "CN=a<b", "CN=a,ann", "\u{e9}=a",
        ] {
            assert_eq!(Subject::parse(text), Err(InvalidSubject), "{text}");
        }
    }

    #[test]
    fn a_cluster_shares_organization_units_and_domain() {
        let server = Subject::parse("CN=one,OU=Servers,O=Example").unwrap();
        for (text, is_member) in [
            ("CN=two,OU=Servers,O=Example", true),
            ("O=example,OU=SERVERS", true),
            ("CN=two,OU= Servers ,L=here,O=Example", true),
            ("CN=two+OU=Servers,O=Example", true),
            ("CN=two,O=Example", false),
            ("CN=two,OU=Servers,OU=Servers,O=Example", false),
            ("CN=two,OU=Servers,O=Example,DC=net", false),
            ("CN=one", false),
        ] {
            let other = Subject::parse(text).unwrap();
            assert_eq!(server.is_of_same_cluster(&other), is_member, "{text}");
            assert_eq!(other.is_of_same_cluster(&server), is_member, "{text}");
        }
        let nameless = Subject::parse("CN=one").unwrap();
        assert!(!nameless.is_of_same_cluster(&nameless));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(values in proptest::collection::vec(any::<String>(), 1..5)) {
            let parts: Vec<_> = values.iter().map(|value| [("CN", value.as_str())]).collect();
            let parts: Vec<&[_]> = parts.iter().map(|part| &part[..]).collect();
            let name = subject(&parts);
            prop_assert!(name.to_string().is_ascii());
            prop_assert_eq!(Subject::parse(&name.to_string()), Ok(name));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Subject::parse(&text);
        }
    }
}
