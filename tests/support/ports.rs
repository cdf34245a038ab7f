//! Ports for processes that cannot be asked to choose one themselves.

use std::net::{Ipv4Addr, TcpListener};

use uuid::Uuid;

/// Below what Linux gives to outgoing connections, so a port stays free while its process is down.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;
const TRIES_MAX: usize = 1_000;
/// Where a port is claimed: a loopback address that nothing else listens on.
const CLAIMS: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);

/// A port of 127.0.0.1 that no other test is given while this value lives.
pub struct ClaimedPort {
    pub number: u16,
    _claim: TcpListener,
}

impl ClaimedPort {
    pub fn new() -> Self {
        (0..TRIES_MAX)
            .find_map(|_| Self::of(FIRST + random_below(COUNT)))
            .expect("a free port")
    }

    fn of(number: u16) -> Option<Self> {
        let claim = TcpListener::bind((CLAIMS, number)).ok()?;
        // Not in use by something that claims nothing.
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _claim: claim,
        })
    }
}

fn random_below(bound: u16) -> u16 {
    let random = Uuid::new_v4().as_u64_pair().0 % u64::from(bound);
    u16::try_from(random).unwrap()
}
