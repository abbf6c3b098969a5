//! Devices that wait until somebody has logged in for them elsewhere (the roles of RFC 8628, with us as its server).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;

use crate::access::secret::{NoRandomness, Secret, SecretDigest};

/// How long a device may wait.
pub(in crate::access) const LIFETIME: Duration = Duration::from_secs(900);
/// Devices that may wait at once, and those of one address.
const ROOM: usize = 1_000;
const ROOM_OF_ONE: usize = 20;
/// Of a code that is typed: no vowels, so no words, and nothing that looks like something else. 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// Devices that wait. Since the start of this process only.
#[derive(Debug, Default)]
pub(in crate::access) struct Devices(Mutex<Vec<Waiting>>);

#[derive(Debug)]
struct Waiting {
    device_code: SecretDigest,
    user_code: String,
    until: Instant,
    from: Option<IpAddr>,
    /// Who has logged in for it.
    user: Option<String>,
}

/// What a device is told when it begins to wait.
#[derive(Debug)]
pub(in crate::access) struct Codes {
    /// What it shows us when it asks how things are.
    pub(in crate::access) device_code: Secret,
    /// What it shows its user, as `XXXX-XXXX`.
    pub(in crate::access) user_code: String,
}

/// Why a device cannot wait.
#[derive(Debug, thiserror::Error)]
pub(in crate::access) enum NoRoom {
    #[error("too many devices wait for a login")]
    Full,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// How things are for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::access) enum State {
    /// Nobody has logged in yet.
    Pending,
    /// This user has. Said once.
    LoggedIn(String),
    /// It waits no more, or never did.
    Unknown,
}

impl Devices {
    /// One more waits, at an address.
    pub(in crate::access) fn wait(
        &self,
        from: Option<IpAddr>,
        now: Instant,
    ) -> Result<Codes, NoRoom> {
        let device_code = Secret::random(32)?;
        let mut all = self.0.lock();
        all.retain(|one| one.until > now);
        let of_one = all.iter().filter(|one| from.is_some() && one.from == from).count();
        if all.len() >= ROOM || of_one >= ROOM_OF_ONE {
            return Err(NoRoom::Full);
        }
        let user_code = loop {
            let code = new_code();
            if all.iter().all(|one| one.user_code != code) {
                break code;
            }
        };
        let shown = format!("{}-{}", &user_code[..LENGTH / 2], &user_code[LENGTH / 2..]);
        let digest = device_code.digest();
        let until = now + LIFETIME;
        all.push(Waiting { device_code: digest, user_code, until, from, user: None });
        Ok(Codes { device_code, user_code: shown })
    }

    /// Somebody has logged in and typed a code. Whether a device waits with it.
    pub(in crate::access) fn log_in(&self, typed: &str, user: &str, now: Instant) -> bool {
        let typed: String = typed
            .chars()
            .filter(char::is_ascii_alphabetic)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let mut all = self.0.lock();
        let waiting = all
            .iter_mut()
            .find(|one| one.until > now && one.user.is_none() && one.user_code == typed);
        waiting.map(|one| one.user = Some(user.to_owned())).is_some()
    }

    /// A device asks.
    pub(in crate::access) fn ask(&self, device_code: &Secret, now: Instant) -> State {
        let mut all = self.0.lock();
        all.retain(|one| one.until > now);
        let Some(place) = all.iter().position(|one| one.device_code.is_of(device_code)) else {
            return State::Unknown;
        };
        match &all[place].user {
            None => State::Pending,
            Some(_) => all.swap_remove(place).user.map_or(State::Unknown, State::LoggedIn),
        }
    }
}

fn new_code() -> String {
    let mut random = rand::rng();
    (0..LENGTH).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_learns_once_who_logged_in() {
        let (devices, now) = (Devices::default(), Instant::now());
        let Codes { device_code, user_code } = devices.wait(None, now).unwrap();
        let other = devices.wait(None, now).unwrap();
        assert_eq!(devices.ask(&device_code, now), State::Pending);
        assert!(!devices.log_in("BBBB-BBBBB", "bob", now));
        assert!(devices.log_in(&user_code.to_lowercase().replace('-', " "), "bob", now));
        assert!(!devices.log_in(&user_code, "eve", now), "somebody has already");
        assert_eq!(devices.ask(&other.device_code, now), State::Pending);
        assert_eq!(devices.ask(&device_code, now), State::LoggedIn("bob".into()));
        assert_eq!(devices.ask(&device_code, now), State::Unknown);
        assert_eq!(devices.ask(&user_code.as_str().into(), now), State::Unknown);
    }

    #[test]
    fn a_device_does_not_wait_for_ever() {
        let (devices, now) = (Devices::default(), Instant::now());
        let Codes { device_code, user_code } = devices.wait(None, now).unwrap();
        let late = now + LIFETIME;
        assert!(!devices.log_in(&user_code, "bob", late));
        assert_eq!(devices.ask(&device_code, late), State::Unknown);
    }

    #[test]
    fn devices_that_wait_are_bounded_at_one_address_and_in_all() {
        let (devices, now) = (Devices::default(), Instant::now());
        let address = |last: u16| Some(IpAddr::from(u32::from(last).to_be_bytes()));
        let mut waiting = 0;
        for last in 0..u16::MAX {
            let before = waiting;
            while devices.wait(address(last), now).is_ok() {
                waiting += 1;
            }
            assert!(waiting - before <= ROOM_OF_ONE);
            if waiting == before {
                break;
            }
        }
        assert_eq!(waiting, ROOM);
        assert!(devices.wait(address(0), now + LIFETIME).is_ok());
    }
}
