//! Times as text.

/// Milliseconds since 1970 of a time such as `2026-11-28T04:00:00.5+01:00`; what is finer than a
/// millisecond is cut off.
///
/// Source: RFC 3339.
pub(super) fn millis_of_rfc_3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (separator, time) = rest.split_at_checked(1)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let zone_at = time.rfind(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(zone_at)?;
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(c, f)| (c, Some(f)));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let right = matches!(separator, "T" | "t" | " ")
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        // A leap second is the one after it.
        && second <= 60;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let millis = (seconds - offset(zone)?) * 1000 + fraction.map_or(Some(0), thousandths)?;
    right.then_some(millis)
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, zone) = zone.split_at_checked(1)?;
    let (hours, minutes) = zone.split_once(':')?;
    let seconds = number(hours, 2).filter(|hours| *hours < 24)? * 3600
        + number(minutes, 2).filter(|minutes| *minutes < 60)? * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

fn thousandths(fraction: &str) -> Option<i64> {
    number(fraction, fraction.len().max(1))?;
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    Some(digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut next = |digits| number(parts.next()?, digits);
    let found = [next(digits[0])?, next(digits[1])?, next(digits[2])?];
    parts.next().is_none().then_some(found)
}

/// A number of so many digits; of a long one only that it is one is known.
fn number(text: &str, digits: usize) -> Option<i64> {
    let right = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| text.parse().unwrap_or(i64::MAX))
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, whose years are taken to begin in March,
/// so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        let check = |text: &str, expected| assert_eq!(millis_of_rfc_3339(text), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2023-11-14T22:13:20Z", Some(1_700_000_000_000));
        check("2023-11-14T23:13:20.5+01:00", Some(1_700_000_000_500));
        check("2023-11-14t18:43:20.123456789-03:30", Some(1_700_000_000_123));
        check("2000-02-29 00:00:00z", Some(951_782_400_000));
        check("1969-12-31T23:59:59.999Z", Some(-1));
        check("2016-12-31T23:59:60Z", Some(1_483_228_800_000));
        check("0000-03-01T00:00:00Z", Some(-62_162_035_200_000));
        check("9999-12-31T23:59:59Z", Some(253_402_300_799_000));
        for bad in [
            "",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00,5Z",
            "2023-01-01T00:00:00+1:00",
            "2023-01-01T00:00:00+24:00",
            "2023-01-01T00:00:00Zz",
            "+023-01-01T00:00:00Z",
            "2023-01-01X00:00:00Z",
            "٢٠٢٣-01-01T00:00:00Z",
        ] {
            check(bad, None);
        }
    }
}
