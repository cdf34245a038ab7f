//! Address ranges: what parses is compared with the same question asked bit by bit.
//!
//! Input: text, a range and then addresses, separated by spaces.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use portcullis::model::restriction::Cidr;

fuzz_target!(|text: &str| {
    let mut words = text.split(' ');
    let range_text = words.next().unwrap_or_default();
    let naive = naive_range(range_text);
    let range: Cidr = match range_text.parse() {
        Ok(range) => range,
        Err(reason) => {
            assert!(naive.is_none(), "{range_text:?} is refused: {reason}");
            return;
        }
    };
    let (network, prefix_bits) = naive.expect("a range that is none");
    assert_eq!(range.as_str(), range_text);
    let again: Cidr = range.with_prefix().parse().expect("its own rendering");
    assert_eq!(again.with_prefix(), range.with_prefix());

    let check = |address: IpAddr| {
        let expected = naive_contains(network, prefix_bits, address);
        assert_eq!(
            range.contains(address),
            expected,
            "{range_text} and {address}"
        );
        assert_eq!(
            again.contains(address),
            expected,
            "{} and {address}",
            again.as_str()
        );
    };
    check(network);
    for place in 0..bits(network) {
        check(with_flipped_bit(network, place));
    }
    for address in words.filter_map(|word| word.parse().ok()) {
        check(address);
    }
});

/// Network and prefix length, read without regard to how the server does it.
fn naive_range(text: &str) -> Option<(IpAddr, usize)> {
    let (address, length) = match text.find('/') {
        Some(slash) => (&text[..slash], Some(&text[slash + 1..])),
        None => (text, None),
    };
    let network: IpAddr = address.parse().ok()?;
    let bits = bits(network);
    let Some(length) = length else {
        return Some((network, bits));
    };
    let is_number = !length.is_empty() && length.chars().all(|digit| digit.is_ascii_digit());
    let significant = length.trim_start_matches('0');
    let prefix_bits = match significant.len() {
        _ if !is_number => return None,
        0 => 0,
        1..=3 => significant.parse().ok()?,
        _ => return None,
    };
    (prefix_bits <= bits).then_some((network, prefix_bits))
}

fn naive_contains(network: IpAddr, prefix_bits: usize, address: IpAddr) -> bool {
    network.is_ipv4() == address.is_ipv4()
        && (0..prefix_bits).all(|place| bit(network, place) == bit(address, place))
}

fn bits(address: IpAddr) -> usize {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The most significant bit has place 0.
fn bit(address: IpAddr, place: usize) -> bool {
    let octet = match address {
        IpAddr::V4(address) => address.octets()[place / 8],
        IpAddr::V6(address) => address.octets()[place / 8],
    };
    octet & (0x80 >> (place % 8)) != 0
}

fn with_flipped_bit(address: IpAddr, place: usize) -> IpAddr {
    let mask = 0x80 >> (place % 8);
    match address {
        IpAddr::V4(address) => {
            let mut octets = address.octets();
            octets[place / 8] ^= mask;
            octets.into()
        }
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[place / 8] ^= mask;
            octets.into()
        }
    }
}
