//! Backups as files: named by their time, whole under their name, the old ones taken away.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use store::Millis;
use tempfile::NamedTempFile;

use crate::data_dir::folder_of;

const PREFIX: &str = "larder-";
const SUFFIX: &str = ".backup";
const PARTIAL: &str = ".partial";

/// A file that gets its name when it is whole.
#[derive(Debug)]
pub(crate) struct Partial {
    file: NamedTempFile,
    target: PathBuf,
}

impl Partial {
    /// Begins a file beside `target`, its owner's alone.
    pub(crate) fn begin(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let mut partial = name.to_owned();
        partial.push(PARTIAL);
        let folder = folder_of(target);
        // One that was broken off may lie there.
        match fs::remove_file(folder.join(&partial)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = tempfile::Builder::new().prefix(&partial).rand_bytes(0).tempfile_in(folder)?;
        Ok(Self { file, target: target.to_owned() })
    }

    /// The file, to be written.
    pub(crate) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// The file from its beginning, as it lies on the disk.
    pub(crate) fn read_back(&self) -> io::Result<File> {
        self.file.as_file().sync_all()?;
        File::open(self.file.path())
    }

    /// Gives the file its name, durably; how long it is.
    pub(crate) fn keep(self) -> io::Result<u64> {
        self.file.as_file().sync_all()?;
        let kept = self.file.persist(&self.target)?;
        File::open(folder_of(&self.target))?.sync_all()?;
        Ok(kept.metadata()?.len())
    }
}

/// `larder-2026-11-26T223000Z.backup`: sorted by name is sorted by time.
pub(super) fn file_name(at: Millis) -> String {
    let seconds = at.0 / 1000;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{PREFIX}{year:04}-{month:02}-{day:02}T{hour:02}{minute:02}{second:02}Z{SUFFIX}")
}

/// When a backup of that name was begun; `None` for any other name.
pub(super) fn time_of(name: &str) -> Option<Millis> {
    let stamp = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let number = |from: usize, length: usize| {
        let digits = stamp.get(from..from + length)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let days = days(number(0, 4)?, number(5, 2)?, number(8, 2)?)?;
    let seconds = number(11, 2)? * 3600 + number(13, 2)? * 60 + number(15, 2)?;
    let at = Millis((days * 86_400 + seconds) * 1000);
    (file_name(at) == name).then_some(at)
}

/// The backups in a folder, newest first; behind all others those whose time is yet to come, which a
/// clock that was wrong has made.
pub(super) fn backups(folder: &Path, now: Millis) -> io::Result<Vec<(Millis, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(at) = entry.file_name().to_str().and_then(time_of) {
            found.push((at, entry.path()));
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse((*at <= now, *at)));
    Ok(found)
}

/// Removes all but the newest `keep` backups, and what a backup that was broken off left.
pub(super) fn prune(folder: &Path, keep: usize, now: Millis) -> io::Result<()> {
    for (_, path) in backups(folder, now)?.into_iter().skip(keep) {
        fs::remove_file(path)?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let broken_off = name.to_str().and_then(|name| name.strip_suffix(PARTIAL));
        if broken_off.and_then(time_of).is_some() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_month(year: u64, month: usize) -> u64 {
    MONTHS[month] + u64::from(month == 1 && is_leap(year))
}

/// Year, month and day of a day counted from 1 January 1970, which is 0.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    loop {
        let length = 365 + u64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 0;
    while days >= days_of_month(year, month) {
        days -= days_of_month(year, month);
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

/// The reverse of [`date`].
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let months = usize::try_from(month).ok()?.checked_sub(1).filter(|month| *month < 12)?;
    if year < 1970 || day == 0 || day > days_of_month(year, months) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let before: u64 = (0..months).map(|month| days_of_month(year, month)).sum();
    Some(years + before + day - 1)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn names_tell_the_time() {
        for (seconds, name) in [
            (0, "larder-1970-01-01T000000Z.backup"),
            (951_782_399, "larder-2000-02-28T235959Z.backup"),
            (951_782_400, "larder-2000-02-29T000000Z.backup"),
            (1_795_732_200, "larder-2026-11-26T223000Z.backup"),
            (4_107_542_400, "larder-2100-03-01T000000Z.backup"),
        ] {
            assert_eq!(file_name(Millis(seconds * 1000 + 7)), name);
            assert_eq!(time_of(name), Some(Millis(seconds * 1000)));
        }
        for bad in [
            "larder-2026-11-26T223000Z",
            "larder-2026-02-29T223000Z.backup",
            "larder-2026-13-01T000000Z.backup",
            "larder-2026-11-26T246000Z.backup",
            "larder-2026-11-26T223000Z.backup.partial",
            "other.backup",
        ] {
            assert_eq!(time_of(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_time_comes_back(seconds in 0..100_000_000_000_u64) {
            let name = file_name(Millis(seconds * 1000));
            // Beyond the year 9999 names have another form, and are no times.
            if seconds < 253_402_300_800 {
                proptest::prop_assert_eq!(time_of(&name), Some(Millis(seconds * 1000)));
            }
        }
    }

    #[test]
    fn the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let name = |day: u64| file_name(Millis(day * 86_400_000));
        // Day 7 is yet to come.
        for day in [3, 1, 7, 4, 2] {
            fs::write(path(&name(day)), "").unwrap();
        }
        fs::write(path("mine.backup"), "").unwrap();
        fs::write(path(&format!("{}.partial", name(9))), "").unwrap();
        fs::write(path("mine.partial"), "").unwrap();
        let now = Millis(5 * 86_400_000);
        prune(folder.path(), 2, now).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [name(3), name(4), "mine.backup".into(), "mine.partial".into()]);
        let times = |now| {
            let found = backups(folder.path(), Millis(now)).unwrap();
            found.into_iter().map(|(at, _)| at.0 / 86_400_000).collect::<Vec<_>>()
        };
        assert_eq!(times(now.0), [4, 3]);
        assert_eq!(times(3 * 86_400_000), [3, 4]);
    }

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.backup");
        fs::write(&target, "before").unwrap();
        fs::write(folder.path().join("a.backup.partial"), "broken off").unwrap();
        let mut partial = Partial::begin(&target).unwrap();
        partial.file().write_all(b"whole").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "before");
        let mut text = String::new();
        partial.read_back().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "whole");
        assert_eq!(partial.keep().unwrap(), 5);
        assert_eq!(fs::read_to_string(&target).unwrap(), "whole");
        drop(Partial::begin(&target).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
