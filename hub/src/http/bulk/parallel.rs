//! Documents parsed by several threads: the longest part of a bulk request before its commit, while
//! whoever sent it waits.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use store::{DocError, Document, DocumentLimits};

use crate::http::HttpError;

/// Shorter texts are parsed before another thread has begun.
pub(super) const TEXT_BYTES_MIN: usize = 128 << 10;

/// Threads at work on one request.
const THREADS_MAX: usize = 4;

/// Documents that a thread takes at a time.
const GROUP: usize = 32;

/// A group's number, and what became of it.
type Parsed = (usize, Result<Vec<Document>, HttpError>);

/// Parses every element; the first fault among them refuses them all.
pub(super) fn parse(
    elements: &[&[u8]],
    limits: DocumentLimits,
) -> Result<Vec<Document>, HttpError> {
    let groups: Vec<&[&[u8]]> = elements.chunks(GROUP).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut parsed: Vec<Parsed> = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(group) = groups.get(number) else { return parsed };
            let documents = group.iter().map(|text| {
                let document = Document::parse(text, limits)?;
                if document.revs.len() <= 1 {
                    // As good as certainly an edit, whose revision id will want it.
                    document.body.hash();
                }
                Ok::<_, DocError>(document)
            });
            let documents: Result<Vec<_>, _> = documents.collect();
            let failed = documents.is_err();
            parsed.push((number, documents.map_err(HttpError::from)));
            if failed {
                // Later groups no longer matter; earlier ones are somebody's already.
                next.store(groups.len(), Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let mut parsed = thread::scope(|scope| {
        let helper = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let helpers: Vec<_> = (1..threads).filter_map(helper).collect();
        let mut parsed = work();
        for helper in helpers {
            match helper.join() {
                Ok(others) => parsed.extend(others),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parsed
    });
    parsed.sort_unstable_by_key(|(number, _)| *number);
    let mut documents = Vec::with_capacity(elements.len());
    for (_, group) in parsed {
        documents.extend(group?);
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DocumentLimits =
        DocumentLimits { body_bytes_max: 1000, attachment_bytes_max: 1000 };

    fn check(texts: &[String], expected: Result<usize, &str>) {
        let elements: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        match (parse(&elements, LIMITS), expected) {
            (Ok(documents), Ok(count)) => {
                assert_eq!(documents.len(), count);
                for (number, document) in documents.iter().enumerate() {
                    let id = document.id.as_ref().map(ToString::to_string);
                    assert_eq!(id.unwrap_or_default(), number.to_string());
                }
            }
            (Err(error), Err(reason)) => assert_eq!(error.to_string(), reason),
            (Ok(_), Err(reason)) => panic!("accepted, expected {reason}"),
            (Err(error), Ok(_)) => panic!("refused: {error}"),
        }
    }

    fn documents(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{{\"_id\":\"{number}\"}}")).collect()
    }

    #[test]
    fn keeps_the_order() {
        for count in [0, 1, GROUP, GROUP + 1, 50 * GROUP] {
            check(&documents(count), Ok(count));
        }
    }

    #[test]
    fn the_first_fault_counts() {
        let mut texts = documents(50 * GROUP);
        texts[40 * GROUP] = "{\"_later\":1}".into();
        check(&texts, Err("Bad special document member: _later"));
        texts[3] = "{\"_early\":1}".into();
        check(&texts, Err("Bad special document member: _early"));
    }
}
