use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::sandbox::{DesignKey, Limits, SandboxError, Workers, WorkersOptions};

const CALL: Duration = Duration::from_millis(400);

fn workers(change: impl FnOnce(&mut WorkersOptions)) -> Arc<Workers> {
    workers_with(change, |_| ())
}

fn workers_with(change: impl FnOnce(&mut WorkersOptions), log: fn(&str)) -> Arc<Workers> {
    let limits = Limits { call: CALL, ..Limits::default() };
    let mut options =
        WorkersOptions { limits, idle: Duration::from_millis(200), ..WorkersOptions::default() };
    change(&mut options);
    Arc::new(Workers::new(options, log))
}

fn key(database: &str) -> DesignKey {
    DesignKey { database: database.into(), design: "_design/d 1-a".into() }
}

fn show(workers: &Workers, database: &str, body: &str) -> Result<String, SandboxError> {
    let design = format!(r#"{{"_id":"_design/d","shows":{{"s":"function() {{ {body} }}"}}}}"#);
    workers.run(&key(database), move || Ok(design), |functions| functions.show("s", None, "{}"))
}

/// Never ends, and logs that it has begun.
const ENDLESS: &str = "log('begun'); for (;;);";

/// Waits until something is so.
#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    let asked = Instant::now();
    while !is_so() {
        assert!(asked.elapsed() < Duration::from_secs(10));
        thread::yield_now();
    }
}

#[test]
fn a_design_document_is_loaded_once_a_thread() {
    let workers = workers(|options| options.threads_max = 1);
    let loads = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let loads = Arc::clone(&loads);
        let load = move || {
            loads.fetch_add(1, Ordering::Relaxed);
            Ok(r#"{"shows":{"s":"() => 'yes'"}}"#.to_owned())
        };
        let shown: Result<String, SandboxError> =
            workers.run(&key("a"), load, |functions| functions.show("s", None, "{}"));
        assert_eq!(shown.unwrap(), r#"{"body":"yes"}"#);
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[test]
fn idle_threads_end() {
    let workers = workers(|_| ());
    assert_eq!(workers.threads(), 0);
    show(&workers, "a", "return 'x'").unwrap();
    assert_eq!(workers.threads(), 1);
    until(|| workers.threads() == 0);
    show(&workers, "a", "return 'x'").unwrap();
}

#[test]
fn a_slow_database_leaves_a_thread_to_others() {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    let workers = workers_with(|_| (), |_| _ = BEGUN.fetch_add(1, Ordering::Relaxed));
    show(&workers, "quick", "return 'x'").unwrap();
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let workers = Arc::clone(&workers);
            thread::spawn(move || show(&workers, "slow", ENDLESS))
        })
        .collect();
    until(|| BEGUN.load(Ordering::Relaxed) > 0);
    let asked = Instant::now();
    for _ in 0..10 {
        show(&workers, "quick", "return 'x'").unwrap();
    }
    assert!(asked.elapsed() < CALL * 2, "{:?}", asked.elapsed());
    for slow in slow {
        assert_eq!(slow.join().unwrap(), Err(SandboxError::Timeout));
    }
}

#[test]
fn more_than_may_wait_is_refused() {
    let workers = workers(|options| {
        options.threads_max = 1;
        options.waiting_max = 2;
    });
    let together = Arc::new(Barrier::new(6));
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let (workers, together) = (Arc::clone(&workers), Arc::clone(&together));
            thread::spawn(move || {
                together.wait();
                show(&workers, "a", "for (let i = 0; i < 1e6; i++); return 'x'")
            })
        })
        .collect();
    let answers: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
    assert!(answers.iter().any(Result::is_ok), "{answers:?}");
    assert!(answers.contains(&Err(SandboxError::Busy)), "{answers:?}");
}

#[test]
fn who_has_waited_too_long_is_told() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    let options = |options: &mut WorkersOptions| {
        options.threads_max = 1;
        options.wait_max = Duration::from_millis(100);
        options.grace = Duration::from_millis(50);
        options.limits.call = Duration::from_secs(2);
    };
    let workers = workers_with(options, |_| BEGUN.store(true, Ordering::Relaxed));
    let busy = Arc::clone(&workers);
    let slow = thread::spawn(move || show(&busy, "a", ENDLESS));
    until(|| BEGUN.load(Ordering::Relaxed));
    assert_eq!(show(&workers, "a", "return 'x'"), Err(SandboxError::Busy));
    assert!(slow.join().unwrap().is_err());
    assert!(show(&workers, "a", "return 'x'").is_ok());
}

#[test]
fn a_thread_that_the_deadline_does_not_reach_is_given_up() {
    let workers = workers(|options| {
        options.threads_max = 1;
        options.grace = Duration::from_millis(100);
    });
    // So much of the engine's own work lies between two looks at the time.
    let body = "const n = (1n << 500000n) - 1n; for (;;) n * n;";
    let asked = Instant::now();
    assert_eq!(show(&workers, "a", body), Err(SandboxError::Timeout));
    assert!(asked.elapsed() < CALL * 10, "{:?}", asked.elapsed());
    assert_eq!(show(&workers, "b", "return 'x'"), Ok(r#"{"body":"x"}"#.into()));
}

#[test]
fn a_panic_costs_its_call_only() {
    let workers = workers(|options| options.threads_max = 1);
    let design = || Ok("{}".to_owned());
    let answer: Result<(), SandboxError> = workers.run(&key("a"), design, |_| panic!("on purpose"));
    assert!(matches!(answer, Err(SandboxError::Engine(_))));
    assert!(show(&workers, "a", "return 'x'").is_ok());
}
