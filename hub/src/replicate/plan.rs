//! Which jobs run: those that waited longest begin, those that ran longest make room.
//!
//! Source: `reschedule` in `couch_replicator_scheduler`.

use store::Millis;

use super::settings::Settings;

/// A job as the plan sees it.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// Its id.
    pub(super) id: String,
    /// What it does.
    pub(super) pace: Pace,
    /// Whether it goes on for ever; one that does not is stopped only where too many run.
    pub(super) continuous: bool,
    /// When it began to run last.
    pub(super) last_started: Millis,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It runs.
    Running,
    /// It was asked to stop, and still holds its place.
    Stopping,
    /// It waits for a place.
    Waiting,
    /// It has to wait until then, having crashed.
    Penalized(Millis),
}

/// Which jobs are to begin and which to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// These begin now.
    pub(super) start: Vec<String>,
    /// These make room.
    pub(super) stop: Vec<String>,
}

/// Why a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// Something happened: free places are taken.
    Fill,
    /// It is time for others to have their turn.
    Rotate,
}

/// Makes the plan.
pub(super) fn plan(jobs: &[Standing], settings: &Settings, round: Round, now: Millis) -> Plan {
    let mut running: Vec<&Standing> = of(jobs, |pace| pace == Pace::Running);
    let mut ready: Vec<&Standing> = of(jobs, |pace| match pace {
        Pace::Waiting => true,
        Pace::Penalized(until) => until <= now,
        Pace::Running | Pace::Stopping => false,
    });
    let stopping = of(jobs, |pace| pace == Pace::Stopping).len();
    // Longest without a run first; ids settle what time does not.
    let by_age =
        |a: &&Standing, b: &&Standing| (a.last_started, &a.id).cmp(&(b.last_started, &b.id));
    running.sort_by(by_age);
    ready.sort_by(by_age);

    let mut stop: Vec<&Standing> = Vec::new();
    if round == Round::Rotate {
        let excess = running.len().saturating_sub(settings.max_jobs);
        let (endless, one_shot): (Vec<_>, Vec<_>) =
            running.iter().copied().partition(|job| job.continuous);
        stop.extend(endless.iter().chain(&one_shot).take(excess));
        let free = settings.max_jobs.saturating_sub(running.len() + stopping);
        let churn = settings.max_churn.saturating_sub(stop.len());
        let turns = ready.len().saturating_sub(free).min(churn);
        stop.extend(endless.iter().skip(stop.len().min(endless.len())).take(turns));
    }
    // Whoever stops holds its place until it has.
    let free = settings.max_jobs.saturating_sub(running.len() + stopping);
    let ids = |jobs: Vec<&Standing>| jobs.into_iter().map(|job| job.id.clone()).collect();
    ready.truncate(free);
    Plan { start: ids(ready), stop: ids(stop) }
}

/// When the next job that crashed may begin again.
pub(super) fn next_due(jobs: &[Standing]) -> Option<Millis> {
    let until = |job: &Standing| match job.pace {
        Pace::Penalized(until) => Some(until),
        Pace::Running | Pace::Stopping | Pace::Waiting => None,
    };
    jobs.iter().filter_map(until).min()
}

fn of(jobs: &[Standing], wanted: impl Fn(Pace) -> bool) -> Vec<&Standing> {
    jobs.iter().filter(|job| wanted(job.pace)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(max_jobs: usize, max_churn: usize) -> Settings {
        Settings { max_jobs, max_churn, ..Settings::read(&BTreeMap::new()) }
    }

    /// Jobs as words: `r` runs, `s` stops, `w` waits, `p` is penalized; in capitals one-shot; the
    /// number is when it began last, or until when it is penalized. Now is 50.
    fn check(jobs: &str, (max_jobs, max_churn): (usize, usize), round: Round, expected: &str) {
        let standing = |word: &str| {
            let number = Millis(word[1..].parse().unwrap());
            let pace = match word[..1].to_lowercase().as_str() {
                "r" => Pace::Running,
                "s" => Pace::Stopping,
                "w" => Pace::Waiting,
                _ => Pace::Penalized(number),
            };
            let continuous = word.starts_with(char::is_lowercase);
            Standing { id: word.into(), pace, continuous, last_started: number }
        };
        let jobs: Vec<_> = jobs.split_whitespace().map(standing).collect();
        let Plan { start, stop } = plan(&jobs, &settings(max_jobs, max_churn), round, Millis(50));
        let found = format!("+{} -{}", start.join(","), stop.join(","));
        assert_eq!(found, expected, "{jobs:?}");
    }

    #[test]
    fn free_places_are_taken_by_who_waited_longest() {
        check("", (2, 1), Round::Fill, "+ -");
        check("w3 w1 w2", (2, 1), Round::Fill, "+w1,w2 -");
        check("r9 w1 w2", (2, 1), Round::Fill, "+w1 -");
        check("r9 s8 w1", (2, 1), Round::Fill, "+ -");
        check("p49 p51", (9, 1), Round::Fill, "+p49 -");
        check("w1", (0, 1), Round::Fill, "+ -");
    }

    #[test]
    fn turns_are_taken() {
        check("r1 r2 w0", (2, 20), Round::Rotate, "+ -r1");
        check("r1 r2 w0 w3 w4", (2, 20), Round::Rotate, "+ -r1,r2");
        check("r1 r2 w0 w3 w4", (2, 1), Round::Rotate, "+ -r1");
        check("r1 w0", (2, 20), Round::Rotate, "+w0 -");
        check("R1 r2 w0", (2, 20), Round::Rotate, "+ -r2");
        check("R1 R2 w0", (2, 20), Round::Rotate, "+ -");
        check("r1 r2 p99", (2, 20), Round::Rotate, "+ -");
    }

    #[test]
    fn too_many_are_stopped_even_one_shot() {
        check("r1 r2 R3", (1, 20), Round::Rotate, "+ -r1,r2");
        check("R1 R2 r3", (1, 0), Round::Rotate, "+ -r3,R1");
    }

    #[test]
    fn the_next_penalty_to_end() {
        let job =
            |pace| Standing { id: String::new(), pace, continuous: true, last_started: Millis(0) };
        let jobs = [Pace::Waiting, Pace::Penalized(Millis(9)), Pace::Penalized(Millis(7))].map(job);
        assert_eq!(next_due(&jobs), Some(Millis(7)));
        assert_eq!(next_due(&jobs[..1]), None);
    }
}
