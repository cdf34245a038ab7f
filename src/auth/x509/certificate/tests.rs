//! The certificates of `fixtures/certs`, and damaged ones.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

/// The first certificate of a file in PEM.
fn der(file: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/certs/{file}.pem", env!("CARGO_MANIFEST_DIR"));
    let pem = std::fs::read_to_string(path).unwrap();
    let (_, after) = pem.split_once("-----BEGIN CERTIFICATE-----").unwrap();
    let (base64, _) = after.split_once("-----END CERTIFICATE-----").unwrap();
    let base64: String = base64.split_whitespace().collect();
    STANDARD.decode(base64).unwrap()
}

fn parse(file: &str) -> Result<ClientCertificate, CertificateError> {
    ClientCertificate::parse(&der(file))
}

#[test]
fn subjects_are_those_that_openssl_prints() {
    for (file, subject) in [
        ("client", "CN=ann,OU=Clients,O=Portcullis tests"),
        (
            "client-escaped",
            "CN=\\#bob \\+ \\\"c\\;d\\\"\\<e\\>\\\\\\ ,OU=Clients\\, old,O=Portcullis tests",
        ),
        ("client-without-subject", ""),
        ("server", "CN=localhost,OU=Servers,O=Portcullis tests"),
    ] {
        let certificate = parse(file).unwrap();
        assert_eq!(certificate.subject.to_string(), subject);
        assert_eq!(certificate.subject.is_empty(), subject.is_empty());
        assert_eq!(certificate.roles, []);
        assert_eq!(Subject::of_certificate(&der(file)), Ok(certificate.subject));
    }
}

#[test]
fn roles_are_read_or_the_certificate_is_refused() {
    let role = |role: &str, db: &str| RoleName::new(role, DbName::parse(db).unwrap()).unwrap();
    let certificate = parse("client-with-roles").unwrap();
    assert_eq!(
        certificate.roles,
        [role("read", "shop"), role("clusterMonitor", "admin")]
    );
    assert_eq!(parse("client-with-bad-roles"), Err(CertificateError::Roles));
}

/// Tag, length and content of up to 127 bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

fn grant(role: &str, db: &str) -> Vec<u8> {
    let texts = [role, db].map(|text| element(0x0c, text.as_bytes()));
    element(0x30, &texts.concat())
}

#[test]
fn an_extension_is_a_set_of_pairs_and_nothing_else() {
    let set = |content: &[u8]| element(0x31, content);
    assert_eq!(roles(&set(&[])), Ok(vec![]));
    assert_eq!(roles(&set(&grant("read", "shop"))).unwrap().len(), 1);
    let good = grant("read", "shop");
    let wrong = [
        vec![],
        good.clone(),
        element(0x30, &good),
        [set(&good), vec![0]].concat(),
        set(&[&good[..], &[0x30]].concat()),
        set(&element(0x31, &good[2..])),
        set(&element(0x30, &element(0x0c, b"read"))),
        set(&element(0x30, &[&good[2..], &element(0x0c, b"x")].concat())),
        set(&element(
            0x30,
            &[element(0x13, b"read"), element(0x13, b"shop")].concat(),
        )),
        set(&element(
            0x30,
            &[element(0x0c, b"\xff"), element(0x0c, b"shop")].concat(),
        )),
        set(&grant("", "shop")),
        set(&grant("read", "")),
        set(&grant("read", "a b")),
        set(&good)[..8].to_vec(),
        vec![0x31, 0x80],
    ];
    for extension in wrong {
        assert_eq!(
            roles(&extension),
            Err(CertificateError::Roles),
            "{extension:02x?}"
        );
    }
}

#[test]
fn every_type_of_text_is_read() {
    let read = |tag: u8, content: &[u8]| {
        let der = element(tag, content);
        text(&Any::from_der(&der).unwrap().1)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(read(0x0c, "\u{e9}va".as_bytes()), some("\u{e9}va"));
    for tag in [0x12, 0x13, 0x16, 0x1a] {
        assert_eq!(read(tag, b"7"), some("7"));
        assert_eq!(read(tag, b"\xe9"), None);
    }
    assert_eq!(read(0x14, b"\xe9va"), some("\u{e9}va"));
    assert_eq!(read(0x1e, b"\0\xe9\0v"), some("\u{e9}v"));
    assert_eq!(read(0x1e, b"\0\xe9\0"), None);
    assert_eq!(read(0x1e, b"\xd8\x00"), None);
    assert_eq!(read(0x1c, b"\0\0\0\xe9"), some("\u{e9}"));
    assert_eq!(read(0x1c, b"\0\x11\0\0"), None);
    assert_eq!(read(0x0c, b"\xff"), None);
    assert_eq!(read(0x04, b"octets"), None);
}

#[test]
fn an_attribute_without_an_identifier_is_refused() {
    let mut bytes = der("client");
    let common_name = b"\x06\x03\x55\x04\x03\x0c\x03ann";
    let nameless = b"\x06\x00\x0c\x06annann";
    let mut places = bytes.windows(common_name.len());
    let place = places.position(|bytes| bytes == common_name).unwrap();
    bytes[place..place + nameless.len()].copy_from_slice(nameless);
    assert_eq!(
        ClientCertificate::parse(&bytes),
        Err(CertificateError::Subject)
    );
}

#[test]
fn a_part_of_a_certificate_is_none() {
    let whole = der("client");
    for end in 0..whole.len() {
        assert!(ClientCertificate::parse(&whole[..end]).is_err());
    }
    let surplus = [&whole[..], &[0]].concat();
    assert!(ClientCertificate::parse(&surplus).is_err());
}

proptest! {
    #[test]
    fn damage_makes_nothing_panic(edits in proptest::collection::vec((0_usize..600, 0_u8..), 1..6)) {
        let mut certificate = der("client-with-roles");
        for (place, byte) in edits {
            if let Some(damaged) = certificate.get_mut(place) {
                *damaged = byte;
            }
        }
        let _ = ClientCertificate::parse(&certificate);
    }
}
