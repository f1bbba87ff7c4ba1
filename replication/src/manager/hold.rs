//! Why databases of persons are not begun for a while.

use std::collections::BTreeMap;

use store::Millis;

/// One reason why they are not, as of when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it ends; `None` where that is not known.
    pub until: Option<Millis>,
    /// What people read of it.
    pub text: String,
}

/// All of them, each by what programs tell it by.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<&'static str, Hold>);

impl Holds {
    pub(super) fn set(&mut self, code: &'static str, hold: Hold) {
        self.0.insert(code, hold);
    }

    pub(super) fn lift(&mut self, code: &'static str) -> bool {
        self.0.remove(code).is_some()
    }

    /// The one that lasts longest of those that have not ended.
    pub(super) fn longest(&self, now: Millis) -> Option<(&'static str, &Hold)> {
        let lasting = |hold: &Hold| hold.until.is_none_or(|until| until > now);
        let end = |hold: &Hold| hold.until.map_or(u64::MAX, |until| until.0);
        let lasting = self.0.iter().filter(|(_, hold)| lasting(hold));
        lasting.max_by_key(|(_, hold)| end(hold)).map(|(code, hold)| (*code, hold))
    }

    /// When the last of those ends that end by themselves; none while one does not.
    pub(super) fn ends(&self, now: Millis) -> Option<Millis> {
        self.longest(now).and_then(|(_, hold)| hold.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_to_end() {
        let hold = |until: Option<u64>| Hold { until: until.map(Millis), text: String::new() };
        let mut holds = Holds::default();
        assert_eq!(holds.longest(Millis(5)), None);
        holds.set("budget", hold(Some(10)));
        holds.set("window", hold(Some(20)));
        assert_eq!(holds.longest(Millis(5)).unwrap().0, "window");
        assert_eq!(holds.ends(Millis(5)), Some(Millis(20)));
        holds.set("battery", hold(None));
        assert_eq!(holds.longest(Millis(25)).unwrap().0, "battery");
        assert_eq!(holds.ends(Millis(25)), None);
        assert!(holds.lift("battery") && !holds.lift("battery"));
        assert_eq!(holds.longest(Millis(20)), None);
    }
}
