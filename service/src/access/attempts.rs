//! Failed attempts, counted by where they come from: so many at once, and then so many a minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Failures that are forgiven at once.
const BURST: u32 = 60;
/// Time after which one more is forgiven.
const FORGIVEN_EVERY: Duration = Duration::from_secs(2);
/// Addresses that are remembered. With more the one with the fewest failures is forgotten.
const ADDRESSES: usize = 4_096;

/// Failures of late, by address. A whole /64 of IPv6 counts as one: it is what one user has.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Account>>);

#[derive(Clone, Copy, Debug)]
struct Account {
    failures: u32,
    /// Since when none has been forgiven.
    since: Instant,
}

impl Attempts {
    /// Notes a failure. Whether it is still within what is forgiven.
    pub(super) fn failed(&self, from: IpAddr, now: Instant) -> bool {
        let mut accounts = self.0.lock();
        if accounts.len() >= ADDRESSES && !accounts.contains_key(&subject(from)) {
            accounts.retain(|_, account| account.settled(now).failures > 0);
            let least = accounts.iter().min_by_key(|(_, account)| account.failures);
            if let Some(least) = least.map(|(from, _)| *from)
                && accounts.len() >= ADDRESSES
            {
                accounts.remove(&least);
            }
        }
        let fresh = Account { failures: 0, since: now };
        let account = accounts.entry(subject(from)).or_insert(fresh);
        *account = account.settled(now);
        let within = account.failures < BURST;
        account.failures += u32::from(within);
        within
    }
}

impl Account {
    /// The same, with what has been forgiven by now taken off.
    fn settled(self, now: Instant) -> Self {
        let quiet = now.saturating_duration_since(self.since);
        let forgiven =
            u32::try_from(quiet.as_secs() / FORGIVEN_EVERY.as_secs()).unwrap_or(u32::MAX);
        if forgiven >= self.failures {
            return Self { failures: 0, since: now };
        }
        let since = self.since + FORGIVEN_EVERY * forgiven;
        Self { failures: self.failures - forgiven, since }
    }
}

fn subject(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn after_a_burst_failures_are_forgiven_one_by_one() {
        let attempts = Attempts::default();
        let start = Instant::now();
        assert!((0..BURST).all(|_| attempts.failed(HOME, start)));
        assert!(!attempts.failed(HOME, start));
        let later = start + FORGIVEN_EVERY;
        assert!(attempts.failed(HOME, later), "one is forgiven");
        assert!(!attempts.failed(HOME, later), "and only one");
        let much_later = later + FORGIVEN_EVERY * BURST * 2;
        assert!((0..BURST).all(|_| attempts.failed(HOME, much_later)));
    }

    #[test]
    fn others_are_not_held_responsible() {
        let attempts = Attempts::default();
        let now = Instant::now();
        while attempts.failed(HOME, now) {}
        assert!(attempts.failed("192.0.2.1".parse().unwrap(), now));
        while attempts.failed("2001:db8::1".parse().unwrap(), now) {}
        assert!(!attempts.failed("2001:db8::2".parse().unwrap(), now), "the same network");
        assert!(attempts.failed("2001:db8:0:1::1".parse().unwrap(), now));
        assert!(!attempts.failed("::ffff:127.0.0.1".parse().unwrap(), now), "the same as in IPv4");
    }

    #[test]
    fn the_table_does_not_grow_and_keeps_the_busy_ones() {
        let attempts = Attempts::default();
        let start = Instant::now();
        let many =
            (0..u32::try_from(ADDRESSES).unwrap() * 2).map(|n| IpAddr::from(n.to_be_bytes()));
        for (n, from) in many.enumerate() {
            let now = start + Duration::from_micros(n as u64);
            attempts.failed(from, now);
            while attempts.failed(HOME, now) {}
        }
        assert_eq!(attempts.0.lock().len(), ADDRESSES);
        assert!(!attempts.failed(HOME, start));
    }
}
