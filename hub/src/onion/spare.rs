//! What links let their guests find this hub's onion service by, where its discovery is restricted.
//!
//! The descriptor always holds a spare key, so that a link works as soon as it is made. Links of the same time
//! have the same one; once any of them is over it goes into no new link, and once all of them are over it is
//! no longer in the descriptor. They are drawn at random and kept in memory, as the windows of links are: what
//! stands in a link finds nothing after a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::pairing::FindSecret;
use onion::{DiscoveryKey, DiscoverySecret, OnionAddress};

/// Spare keys of one service.
#[derive(Debug)]
pub(super) struct Spares {
    service: OnionAddress,
    /// By their numbers. The last one goes into the next link; those before it are in some still.
    kept: Mutex<BTreeMap<u64, Spare>>,
}

#[derive(Debug)]
struct Spare {
    secret: FindSecret,
    key: DiscoveryKey,
    /// Held by the links that have it and are not over.
    links: Arc<()>,
}

/// What one link holds of it, to be given back once the link is over.
#[derive(Debug)]
#[must_use]
pub(crate) struct Loan {
    number: u64,
    /// What stands in the link.
    pub(crate) secret: FindSecret,
    _held: Arc<()>,
}

impl Spares {
    /// The first one of this service.
    ///
    /// # Errors
    /// Where the system draws nothing at random.
    pub(super) fn of(service: OnionAddress) -> Result<Self, getrandom::Error> {
        let kept = Mutex::new([(0, Spare::drawn(&service)?)].into());
        Ok(Self { service, kept })
    }

    /// The public keys of all that links may hold.
    pub(super) fn keys(&self) -> Vec<DiscoveryKey> {
        self.kept().values().map(|spare| spare.key).collect()
    }

    /// What stands in a new link; none where nothing was ever drawn.
    pub(super) fn lend(&self) -> Option<Loan> {
        let kept = self.kept();
        let (number, Spare { secret, links, .. }) = kept.last_key_value()?;
        Some(Loan { number: *number, secret: secret.clone(), _held: Arc::clone(links) })
    }

    /// A link is over: what it held goes into no other one.
    ///
    /// # Errors
    /// Where the system draws nothing at random; the next link has the same again, then.
    pub(super) fn give_back(&self, loan: Loan) -> Result<(), getrandom::Error> {
        let number = loan.number;
        drop(loan);
        let mut kept = self.kept();
        if kept.last_key_value().is_none_or(|(last, _)| *last == number) {
            kept.insert(number.saturating_add(1), Spare::drawn(&self.service)?);
        }
        let last = kept.last_key_value().map(|(last, _)| *last);
        kept.retain(|number, spare| Arc::strong_count(&spare.links) > 1 || Some(*number) == last);
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<u64, Spare>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare {
    fn drawn(service: &OnionAddress) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; FindSecret::BYTES];
        getrandom::fill(&mut bytes)?;
        let secret = FindSecret::from_bytes(bytes);
        let key = secret_of(&secret, service).public();
        Ok(Self { secret, key, links: Arc::default() })
    }
}

/// What finds this service, by what stands in a link.
pub(super) fn secret_of(secret: &FindSecret, service: &OnionAddress) -> DiscoverySecret {
    DiscoverySecret::from_bytes(secret.discovery_secret(service))
}

#[cfg(test)]
mod tests {
    use onion::ServiceKey;

    use super::*;

    fn spares() -> Spares {
        Spares::of(ServiceKey::main(&[1; 32]).address()).unwrap()
    }

    fn key(spares: &Spares, loan: &Loan) -> DiscoveryKey {
        secret_of(&loan.secret, &spares.service).public()
    }

    #[test]
    fn a_link_works_from_the_start_and_not_once_it_is_over() {
        let spares = spares();
        let first = spares.keys();
        let loan = spares.lend().unwrap();
        // Nothing new has to be published for it.
        assert_eq!((first.len(), &spares.keys()), (1, &first));
        assert_eq!(key(&spares, &loan), first[0]);
        spares.give_back(loan).unwrap();
        let second = spares.keys();
        assert!(second.len() == 1 && second != first);
        let again = spares.lend().unwrap();
        assert_eq!(key(&spares, &again), second[0]);
    }

    #[test]
    fn links_of_the_same_time_do_not_end_each_other() {
        let spares = spares();
        let [one, two] = [0, 1].map(|_| spares.lend().unwrap());
        let shared = key(&spares, &one);
        assert_eq!(shared, key(&spares, &two));
        spares.give_back(one).unwrap();
        // The other one still finds it, and nobody new does by the same.
        let three = spares.lend().unwrap();
        assert_eq!(spares.keys(), [shared, key(&spares, &three)]);
        spares.give_back(three).unwrap();
        assert_eq!(spares.keys().len(), 2);
        spares.give_back(two).unwrap();
        assert!(spares.keys().len() == 1 && !spares.keys().contains(&shared));
    }

    #[test]
    fn no_secret_is_shown() {
        let spares = spares();
        let loan = spares.lend().unwrap();
        assert!(format!("{loan:?}").contains("FindSecret(…)"));
    }
}
