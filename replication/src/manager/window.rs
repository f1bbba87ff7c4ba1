//! When a hub fetches: hours of the day, or minutes of every hour.

use std::fmt;
use std::str::FromStr;

use store::Millis;

/// Minutes of an hour and of a day.
const HOUR: u32 = 60;
const DAY: u32 = 24 * HOUR;

const MINUTE_MS: u64 = 60 * 1000;

/// A time that comes back every day, or every hour: `02:00-06:00`, or `:10+5`, five minutes from ten past
/// on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Minutes after which it comes back: those of a day or of an hour.
    period: u32,
    /// The minute of the period in which it opens.
    from: u32,
    /// How many minutes it is open, fewer than the period has.
    minutes: u32,
}

/// The text is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no window: HH:MM-HH:MM are hours of every day, :MM+N are N minutes of every hour, at \
     most 59"
)]
pub struct ParseWindowError(String);

impl FromStr for Window {
    type Err = ParseWindowError;

    fn from_str(text: &str) -> Result<Self, ParseWindowError> {
        parse(text).ok_or_else(|| ParseWindowError(text.chars().take(40).collect()))
    }
}

fn parse(text: &str) -> Option<Window> {
    if let Some((from, minutes)) = text.strip_prefix(':').and_then(|rest| rest.split_once('+')) {
        let (from, minutes) = (number(from, 2, HOUR)?, number(minutes, 2, HOUR)?);
        return (minutes > 0).then_some(Window { period: HOUR, from, minutes });
    }
    let (from, until) = text.split_once('-')?;
    let (from, until) = (time(from)?, time(until)?);
    let minutes = (until + DAY - from) % DAY;
    (minutes > 0).then_some(Window { period: DAY, from: from % DAY, minutes })
}

/// A time of the day in minutes; 24:00 is its end.
fn time(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let minutes = number(hour, 2, 25)? * HOUR + number(minute, 2, HOUR)?;
    (minutes <= DAY).then_some(minutes)
}

/// So many digits at most, of a number below `end`.
fn number(text: &str, digits_max: usize, end: u32) -> Option<u32> {
    let is_number =
        (1..=digits_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number < end)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, from, minutes } = *self;
        if period == HOUR {
            return write!(f, ":{from:02}+{minutes}");
        }
        let until = (from + minutes) % DAY;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / HOUR, from % HOUR, until / HOUR, until % HOUR)
    }
}

impl Window {
    /// The same for people who do not know how it is written.
    #[must_use]
    pub fn words(self) -> String {
        let Self { period, from, minutes } = self;
        let plural = if minutes == 1 { "" } else { "s" };
        if period == HOUR {
            return format!("every hour, {minutes} minute{plural} from {from} past on");
        }
        let until = (from + minutes) % DAY;
        let time = |minute: u32| format!("{:02}:{:02}", minute / HOUR, minute % HOUR);
        format!("every day from {} to {}, by its clock", time(from), time(until))
    }
}

/// Whether any of several windows is open, and until when that stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// At least until then.
    Open(Millis),
    /// Until then.
    Closed(Millis),
}

impl Window {
    /// How many milliseconds it stays as it is; whether it is open. `local_ms` is what clocks on the wall
    /// show, in milliseconds since some midnight.
    fn at(self, local_ms: u64) -> (bool, u64) {
        let period = u64::from(self.period) * MINUTE_MS;
        let open = u64::from(self.minutes) * MINUTE_MS;
        let from = u64::from(self.from) * MINUTE_MS;
        let passed = (local_ms % period + period - from) % period;
        match passed < open {
            true => (true, open - passed),
            false => (false, period - passed),
        }
    }

    /// Whether any of these is open now, and when to look again; `offset_s` is how many seconds clocks on
    /// the wall are ahead of UTC. Without windows it is always open, and `None`.
    #[must_use]
    pub fn any(windows: &[Self], now: Millis, offset_s: i32) -> Option<Opening> {
        // A day more, so that it never falls below 0.
        let day = i64::from(DAY) * 60 * 1000;
        let local = u64::try_from(i64::try_from(now.0).ok()? + day + i64::from(offset_s) * 1000);
        let local = local.ok()?;
        let at = windows.iter().map(|window| window.at(local));
        let open = at.clone().filter(|(open, _)| *open).map(|(_, left)| left).max();
        let next = at.map(|(_, left)| left).min()?;
        Some(match open {
            Some(left) => Opening::Open(Millis(now.0 + left)),
            None => Opening::Closed(Millis(now.0 + next)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_shown() {
        for text in ["02:00-06:00", "22:30-06:00", ":10+5", ":00+59", "00:00-12:00"] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        assert_eq!("2:5-24:00".parse::<Window>().unwrap().to_string(), "02:05-00:00");
        for bad in [
            "",
            ":",
            ":60+5",
            ":10+0",
            ":10+60",
            "10+5",
            "02:00",
            "02:00-02:00",
            "25:00-26:00",
            "24:01-02:00",
            "00:00-24:00",
            "+1:00-2:00",
            ":+5+5",
            "a:b-c:d",
            ":999999999999+1",
        ] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    #[track_caller]
    fn check(windows: &[&str], minute: u64, offset_s: i32, open: bool, until: u64) {
        let windows: Vec<Window> = windows.iter().map(|window| window.parse().unwrap()).collect();
        let day = 20_000 * 24 * 60;
        let at = |minute: u64| Millis((day + minute) * MINUTE_MS);
        let expected = if open { Opening::Open(at(until)) } else { Opening::Closed(at(until)) };
        assert_eq!(Window::any(&windows, at(minute), offset_s), Some(expected));
    }

    #[test]
    fn words_say_it_to_people() {
        for (window, words) in [
            ("02:00-06:00", "every day from 02:00 to 06:00, by its clock"),
            ("22:30-24:00", "every day from 22:30 to 00:00, by its clock"),
            (":10+5", "every hour, 5 minutes from 10 past on"),
            (":00+1", "every hour, 1 minute from 0 past on"),
        ] {
            assert_eq!(window.parse::<Window>().unwrap().words(), words);
        }
    }

    #[test]
    fn windows_open_and_close() {
        check(&["02:00-06:00"], 119, 0, false, 120);
        check(&["02:00-06:00"], 120, 0, true, 360);
        check(&["02:00-06:00"], 359, 0, true, 360);
        check(&["02:00-06:00"], 360, 0, false, 24 * 60 + 120);
        // By the clock on the wall.
        check(&["02:00-06:00"], 60, 3600, true, 300);
        check(&["02:00-06:00"], 60, -3600, false, 180);
        // Over midnight.
        check(&["22:30-06:00"], 0, 0, true, 360);
        check(&["22:30-06:00"], 23 * 60, 0, true, 24 * 60 + 360);
        // Thali's rendezvous.
        check(&[":10+5"], 9, 0, false, 10);
        check(&[":10+5"], 14, 0, true, 15);
        check(&[":58+5"], 61, 0, true, 63);
        // The first that opens, and the last that closes.
        check(&["02:00-06:00", ":10+5"], 20, 0, false, 70);
        check(&["02:00-06:00", ":10+5"], 130, 0, true, 360);
        assert_eq!(Window::any(&[], Millis(5), 0), None);
    }
}
