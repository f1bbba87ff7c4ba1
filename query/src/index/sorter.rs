//! Rows put in order, however many there are: what does not fit in memory goes to a file.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use store::Error;

use super::IndexError;
use super::tree::{Entry, Source};

/// Takes entries in any order and gives them back in that of their places. Of equal places, none comes
/// first.
pub(crate) struct Sorter {
    /// Where there is none, everything stays in memory.
    scratch: Option<File>,
    bytes_max: usize,
    held: Held,
    runs: Vec<Run>,
}

/// Entries in memory.
#[derive(Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    ends: Vec<Ends>,
}

/// Where an entry lies.
#[derive(Clone, Copy)]
struct Ends {
    start: usize,
    place: usize,
    payload: usize,
}

/// Entries in order, in a part of the file.
#[derive(Clone, Copy)]
struct Run {
    start: u64,
    end: u64,
}

/// What all runs that are read at once take in memory, and what each of them does at least.
const READ_BYTES: usize = 4 << 20;
const RUN_READ_BYTES: (usize, usize) = (4 << 10, 64 << 10);

impl Sorter {
    /// Holds at most `bytes_max` in memory, and one entry more.
    pub(crate) fn new(scratch: Option<File>, bytes_max: usize) -> Self {
        Self { scratch, bytes_max, held: Held::default(), runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, place: &[u8], payload: &[u8]) -> Result<(), IndexError> {
        self.held.push(place, payload);
        match self.scratch.is_some() && self.held.size() >= self.bytes_max {
            true => self.spill(),
            false => Ok(()),
        }
    }

    /// The entries in order.
    pub(crate) fn finish(mut self) -> Result<Sorted, IndexError> {
        if self.runs.is_empty() {
            self.held.sort();
            return Ok(Sorted::Memory { held: self.held, next: 0 });
        }
        self.spill()?;
        self.held = Held::default();
        let Some(scratch) = self.scratch.map(Arc::new) else {
            return Err(IndexError::Damaged("a scratch file is gone"));
        };
        let (least, most) = RUN_READ_BYTES;
        let buffer = (READ_BYTES / self.runs.len()).clamp(least, most);
        let mut merge = Merge::default();
        for run in self.runs {
            let section = Section { file: Arc::clone(&scratch), at: run.start, end: run.end };
            merge.runs.push(BufReader::with_capacity(buffer, section));
            merge.advance(merge.runs.len() - 1)?;
        }
        Ok(Sorted::Merge(merge))
    }

    /// Writes what is held to the file, as one run.
    fn spill(&mut self) -> Result<(), IndexError> {
        let Some(scratch) = &self.scratch else { return Ok(()) };
        self.held.sort();
        let start = self.runs.last().map_or(0, |run| run.end);
        let mut end = start;
        let mut write = || {
            let mut out = BufWriter::with_capacity(RUN_READ_BYTES.1, scratch);
            for number in 0..self.held.ends.len() {
                let (place, payload) = self.held.entry(number);
                for bytes in [place, payload] {
                    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
                    out.write_all(&length.to_le_bytes())?;
                    out.write_all(bytes)?;
                    end += 4 + u64::from(length);
                }
            }
            out.flush()
        };
        write().map_err(sorting)?;
        self.held.clear();
        self.runs.push(Run { start, end });
        Ok(())
    }
}

impl Held {
    fn push(&mut self, place: &[u8], payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend(place);
        self.bytes.extend(payload);
        let place = start + place.len();
        self.ends.push(Ends { start, place, payload: self.bytes.len() });
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<Ends>()
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let place = |ends: &Ends| &bytes[ends.start..ends.place];
        self.ends.sort_unstable_by(|one, other| place(one).cmp(place(other)));
    }

    fn entry(&self, number: usize) -> Entry<'_> {
        let ends = self.ends[number];
        (&self.bytes[ends.start..ends.place], &self.bytes[ends.place..ends.payload])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Entries in order.
pub(crate) enum Sorted {
    Memory { held: Held, next: usize },
    Merge(Merge),
}

impl Source for Sorted {
    fn next(&mut self) -> Result<Option<Entry<'_>>, IndexError> {
        match self {
            Self::Memory { held, next } => {
                let number = *next;
                *next += 1;
                Ok((number < held.ends.len()).then(|| held.entry(number)))
            }
            Self::Merge(merge) => merge.next(),
        }
    }
}

/// Runs that are read side by side.
#[derive(Default)]
pub(crate) struct Merge {
    runs: Vec<BufReader<Section>>,
    /// The next entry of each run, the least first, with its run.
    heads: BinaryHeap<Reverse<Head>>,
    /// The entry that was given back last.
    current: Option<Head>,
}

/// A place, the run it is from, and a payload.
type Head = (Vec<u8>, usize, Vec<u8>);

impl Merge {
    fn next(&mut self) -> Result<Option<Entry<'_>>, IndexError> {
        self.current = self.heads.pop().map(|Reverse(head)| head);
        if let Some((_, run, _)) = self.current {
            self.advance(run)?;
        }
        Ok(self.current.as_ref().map(|(place, _, payload)| (place.as_slice(), payload.as_slice())))
    }

    /// Reads the next entry of a run, if it has one.
    fn advance(&mut self, run: usize) -> Result<(), IndexError> {
        let reader = &mut self.runs[run];
        let Some(place) = read_bytes(reader).map_err(sorting)? else { return Ok(()) };
        let payload = read_bytes(reader).map_err(sorting)?;
        let payload = payload.ok_or(IndexError::Damaged("a scratch file ends too early"))?;
        self.heads.push(Reverse((place, run, payload)));
        Ok(())
    }
}

/// Reads a length and that many bytes; `None` at the end.
fn read_bytes(reader: &mut BufReader<Section>) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    let mut bytes = Vec::with_capacity(length.min(1 << 20) as usize);
    reader.by_ref().take(length.into()).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// A part of a file that others read, too.
pub(crate) struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(&mut buffer[..room])?;
        self.at += read as u64;
        Ok(read)
    }
}

fn sorting(error: std::io::Error) -> IndexError {
    Error::of_io("sort rows", error).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Entries = Vec<(Vec<u8>, Vec<u8>)>;

    fn sorted(mut sorter: Sorter, entries: &[(Vec<u8>, Vec<u8>)]) -> (usize, Entries) {
        for (place, payload) in entries {
            sorter.push(place, payload).unwrap();
        }
        let runs = sorter.runs.len();
        let mut sorted = sorter.finish().unwrap();
        let mut all = Vec::new();
        while let Some((place, payload)) = sorted.next().unwrap() {
            all.push((place.to_vec(), payload.to_vec()));
        }
        (runs, all)
    }

    proptest! {
        #[test]
        fn entries_come_back_in_order(
            entries in prop::collection::btree_map(
                prop::collection::vec(0..4_u8, 0..8),
                prop::collection::vec(any::<u8>(), 0..40),
                0..200,
            ).prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut expected = entries.clone();
            expected.sort();
            let (runs, in_memory) = sorted(Sorter::new(None, 0), &entries);
            prop_assert_eq!(runs, 0);
            prop_assert_eq!(&in_memory, &expected);
            for bytes_max in [0, 300, 1 << 20] {
                let scratch = tempfile::tempfile().unwrap();
                let (runs, spilled) = sorted(Sorter::new(Some(scratch), bytes_max), &entries);
                prop_assert!(bytes_max > 0 || runs == entries.len());
                prop_assert_eq!(&spilled, &expected);
            }
        }
    }
}
