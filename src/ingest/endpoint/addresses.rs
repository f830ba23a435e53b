//! What is counted by network address: connections, and wrong logins.
//!
//! Behind one address may stand one attacker or a carrier's ten thousand devices, so nothing here shuts an address out:
//! connections have a generous limit, wrong logins are answered later and later, and right ones are never held back. Where
//! all places are taken, those who have not logged in make room: first the oldest of the address that has most of them, so
//! that whoever opens connections and says nothing takes places from himself. Addresses are kept in memory only. Deliberately absent: sleeping, sockets, and any list of forbidden addresses.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::line::lock;
use super::settings::Limits;
use crate::telemetry::metrics::Refusal;

/// Addresses with wrong logins that are remembered. Beyond it the oldest are forgotten: an attacker with more addresses
/// than this has no use for guessing at one of them.
const REMEMBERED_MAX: usize = 10_000;

/// How long a wrong login is remembered.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);

/// Whom a limit by address is about: one IPv4 address, or one IPv6 /64, which is what one subscriber gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(IpAddr);

impl Place {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
        })
    }
}

/// Who is there now.
#[derive(Debug)]
pub(super) struct Addresses {
    total_max: u32,
    place_max: u32,
    waiting_max: u32,
    delay: Duration,
    delay_max: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    total: u32,
    places: BTreeMap<Place, Occupied>,
    wrong: BTreeMap<Place, Wrong>,
}

/// The connections of one place.
#[derive(Debug, Default)]
struct Occupied {
    count: u32,
    /// Those who have not logged in, oldest first.
    strangers: VecDeque<Arc<Notify>>,
}

#[derive(Debug)]
struct Wrong {
    /// In a row, within the time for which they are remembered.
    count: u32,
    last: Instant,
    /// Waiting for their answer now.
    waiting: u32,
}

/// Permission to be connected, given back when dropped.
#[derive(Debug)]
pub(super) struct Admission {
    addresses: Arc<Addresses>,
    place: Place,
    /// Told when it must make room.
    leave: Arc<Notify>,
    known: bool,
}

impl Admission {
    /// Told when this connection must make room, which happens to nobody who has logged in.
    pub(super) fn leave(&self) -> Arc<Notify> {
        Arc::clone(&self.leave)
    }

    /// It has logged in.
    pub(super) fn known(&mut self) {
        let mut state = lock(&self.addresses.state);
        // Whoever was just told to make room is not there any more, and ends.
        self.known = state.forget_stranger(self.place, &self.leave);
    }
}

/// Permission to wait for the answer to a wrong login, given back when dropped.
#[derive(Debug)]
pub(super) struct Wait {
    addresses: Arc<Addresses>,
    place: Place,
    /// How long to wait.
    pub(super) delay: Duration,
}

impl Addresses {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            total_max: limits.connections,
            place_max: limits.connections_per_address,
            waiting_max: limits.login_waiting,
            delay: limits.login_delay,
            delay_max: limits.login_delay_max,
            state: Mutex::default(),
        }
    }

    /// Lets a connection in, if there is room for it or somebody can make room.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admission, Refusal> {
        let place = Place::of(address);
        let mut state = lock(&self.state);
        if state.count(place) >= self.place_max && !state.make_room(place) {
            return Err(Refusal::AddressFull);
        }
        if state.total >= self.total_max {
            let most = state.most_strangers(place);
            if !most.is_some_and(|most| state.make_room(most)) {
                return Err(Refusal::Full);
            }
        }
        let leave = Arc::new(Notify::new());
        let occupied = state.places.entry(place).or_default();
        occupied.count += 1;
        occupied.strangers.push_back(Arc::clone(&leave));
        state.total += 1;
        Ok(Admission {
            addresses: Arc::clone(self),
            place,
            leave,
            known: false,
        })
    }

    /// Notes a wrong login and says how long to wait with the answer; none where too many wait already.
    pub(super) fn wrong_login(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Wait> {
        let place = Place::of(address);
        let mut state = lock(&self.state);
        state.forget(now);
        let wrong = state.wrong.entry(place).or_insert(Wrong {
            count: 0,
            last: now,
            waiting: 0,
        });
        if now - wrong.last >= REMEMBERED_FOR {
            wrong.count = 0;
        }
        wrong.last = now;
        if wrong.waiting >= self.waiting_max {
            return None;
        }
        let doubled = 1_u32.checked_shl(wrong.count).unwrap_or(u32::MAX);
        wrong.count = wrong.count.saturating_add(1);
        wrong.waiting += 1;
        Some(Wait {
            addresses: Arc::clone(self),
            place,
            delay: self.delay.saturating_mul(doubled).min(self.delay_max),
        })
    }
}

impl State {
    fn count(&self, place: Place) -> u32 {
        self.places.get(&place).map_or(0, |it| it.count)
    }

    /// The place with most who have not logged in.
    fn most_strangers(&self, newcomer: Place) -> Option<Place> {
        let strangers = |place: &Place, it: &Occupied| {
            // He is one of them already, so that two places take turns and do not chase each other's.
            it.strangers.len() + usize::from(*place == newcomer)
        };
        let most = self
            .places
            .iter()
            .filter(|(_, it)| !it.strangers.is_empty())
            .max_by_key(|(place, it)| strangers(place, it));
        most.map(|(place, _)| *place)
    }

    /// Sends the oldest of a place away who has not logged in; false where there is none.
    fn make_room(&mut self, place: Place) -> bool {
        let occupied = self.places.get_mut(&place);
        let oldest = occupied.and_then(|it| it.strangers.pop_front());
        let Some(oldest) = oldest else {
            return false;
        };
        oldest.notify_one();
        self.leaves(place);
        true
    }

    /// Takes one from those who have not logged in; false where it was sent away already.
    fn forget_stranger(&mut self, place: Place, leave: &Arc<Notify>) -> bool {
        let Some(occupied) = self.places.get_mut(&place) else {
            return false;
        };
        let found = occupied
            .strangers
            .iter()
            .position(|it| Arc::ptr_eq(it, leave));
        found.is_some_and(|found| occupied.strangers.remove(found).is_some())
    }

    /// One of a place is gone.
    fn leaves(&mut self, place: Place) {
        self.total = self.total.saturating_sub(1);
        if let Some(occupied) = self.places.get_mut(&place) {
            occupied.count = occupied.count.saturating_sub(1);
            if occupied.count == 0 {
                self.places.remove(&place);
            }
        }
    }

    /// Forgets what is long ago, and the longest ago where there is too much of it.
    fn forget(&mut self, now: Instant) {
        if self.wrong.len() < REMEMBERED_MAX {
            return;
        }
        self.wrong
            .retain(|_, wrong| wrong.waiting > 0 || now - wrong.last < REMEMBERED_FOR);
        while self.wrong.len() >= REMEMBERED_MAX {
            let oldest = self.wrong.iter().min_by_key(|(_, wrong)| wrong.last);
            let Some(place) = oldest.map(|(place, _)| *place) else {
                return;
            };
            self.wrong.remove(&place);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut state = lock(&self.addresses.state);
        // Whoever was sent away has given his place back already.
        if self.known || state.forget_stranger(self.place, &self.leave) {
            state.leaves(self.place);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut state = lock(&self.addresses.state);
        if let Some(wrong) = state.wrong.get_mut(&self.place) {
            wrong.waiting = wrong.waiting.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(change: impl FnOnce(&mut Limits)) -> Arc<Addresses> {
        let mut limits = Limits::default();
        change(&mut limits);
        Arc::new(Addresses::new(&limits))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn connections_are_counted_by_address_and_in_all() {
        let addresses = addresses(|limits| {
            limits.connections = 3;
            limits.connections_per_address = 2;
        });
        let admit = |text| {
            let admitted = addresses.admit(address(text));
            admitted.map(|mut admission| {
                admission.known();
                admission
            })
        };
        let first = admit("192.0.2.1").unwrap();
        let second = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").unwrap_err(), Refusal::AddressFull);
        let third = admit("2001:db8::1").unwrap();
        assert_eq!(admit("192.0.2.2").unwrap_err(), Refusal::Full);
        drop(first);
        let fourth = admit("192.0.2.1").unwrap();
        drop((second, third, fourth));
        assert!(lock(&addresses.state).places.is_empty(), "nobody is left");
        assert_eq!(lock(&addresses.state).total, 0);
    }

    /// Whether somebody was told to make room.
    async fn is_sent_away(admission: &Admission) -> bool {
        let told = admission.leave();
        let told = tokio::time::timeout(Duration::ZERO, told.notified()).await;
        told.is_ok()
    }

    #[tokio::test]
    async fn those_who_say_nothing_make_room_and_take_it_from_themselves() {
        let addresses = addresses(|limits| limits.connections = 6);
        let admit = |text: &str| addresses.admit(address(text)).unwrap();
        let mut known = admit("192.0.2.9");
        known.known();
        let slow = admit("192.0.2.8");
        let silent: Vec<_> = [1, 2, 1, 2]
            .map(|n| admit(&format!("198.51.100.{n}")))
            .into();
        // Two that say nothing go on coming, and so does a device.
        let more: Vec<_> = [1, 2, 1].map(|n| admit(&format!("198.51.100.{n}"))).into();
        let mut device = admit("192.0.2.7");
        for old in silent.iter().take(3) {
            assert!(is_sent_away(old).await, "the oldest make room");
        }
        assert!(
            !is_sent_away(&slow).await,
            "whoever is alone at his address"
        );
        assert!(!is_sent_away(&known).await && !is_sent_away(&device).await);
        device.known();
        assert_eq!(lock(&addresses.state).total, 6);
        drop((silent, more, slow, known, device));
        assert!(lock(&addresses.state).places.is_empty(), "nobody is left");
        assert_eq!(lock(&addresses.state).total, 0);
    }

    #[tokio::test]
    async fn whoever_is_sent_away_while_logging_in_is_not_counted_twice() {
        let addresses = addresses(|limits| limits.connections_per_address = 1);
        let mut first = addresses.admit(address("192.0.2.1")).unwrap();
        let second = addresses.admit(address("192.0.2.1")).unwrap();
        first.known();
        assert!(is_sent_away(&first).await);
        drop(first);
        assert_eq!(lock(&addresses.state).total, 1);
        drop(second);
        assert_eq!(lock(&addresses.state).total, 0);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_place() {
        let place = |text| Place::of(address(text));
        assert_eq!(place("2001:db8::1"), place("2001:db8::ffff:1"));
        assert_ne!(place("2001:db8::1"), place("2001:db8:0:1::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_logins_wait_longer_and_longer() {
        let addresses = addresses(|limits| limits.login_waiting = 2);
        let now = Instant::now();
        let wrong = |text| addresses.wrong_login(address(text), now);
        for expected_ms in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let wait = wrong("192.0.2.1").unwrap();
            assert_eq!(wait.delay, Duration::from_millis(expected_ms));
        }
        let (one, two) = (wrong("192.0.2.1").unwrap(), wrong("192.0.2.1").unwrap());
        assert!(wrong("192.0.2.1").is_none(), "two wait already");
        assert_eq!(
            wrong("192.0.2.2").unwrap().delay,
            Duration::from_millis(500),
            "another address has done nothing wrong"
        );
        drop((one, two));
        assert!(wrong("192.0.2.1").is_some());
        let later = now + REMEMBERED_FOR;
        let wait = addresses.wrong_login(address("192.0.2.1"), later).unwrap();
        assert_eq!(wait.delay, Duration::from_millis(500), "all is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_has_an_end() {
        let addresses = addresses(|_| {});
        let now = Instant::now();
        for number in 0..20_000_u32 {
            let address = IpAddr::V4(number.into());
            drop(addresses.wrong_login(address, now + Duration::from_millis(number.into())));
        }
        assert_eq!(lock(&addresses.state).wrong.len(), REMEMBERED_MAX);
    }
}
