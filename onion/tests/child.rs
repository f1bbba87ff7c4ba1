//! What a parent does with its children: good ones, ones that die, and ones that say what makes no sense.

#![cfg(feature = "arti")]

use std::path::PathBuf;
use std::time::Duration;

use onion::{
    ArtiSettings, CheckError, Dial, DialError, Discovery, DiscoverySecret, OnionAddress,
    OnionTransport, ServiceKey, Settings, Stage, Status,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    let seed = [7; 32];
    let main = ServiceKey::main(&seed);
    Settings {
        own_secret: DiscoverySecret::of(&seed, &main.address()),
        main,
        strangers: None,
        discovery: Discovery::Open,
        port: 9898,
        check_every: Duration::from_secs(1),
        streams_max: 16,
    }
}

/// A transport whose child is this program.
fn by(program: &str, arguments: &[&str]) -> Box<dyn OnionTransport> {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    onion::arti(
        settings(),
        ArtiSettings { program: program.into(), arguments, ..ArtiSettings::default() },
    )
}

fn echo() -> Box<dyn OnionTransport> {
    by(env!("CARGO_BIN_EXE_onion-echo-child"), &[])
}

/// A child that does what a line of shell says; its standard input goes both ways.
fn shell(line: &str) -> Box<dyn OnionTransport> {
    by("/bin/sh", &["-c", line])
}

async fn until(transport: &dyn OnionTransport, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = transport.status();
    let found = timeout(PATIENCE, status.wait_for(|status| wanted(status))).await;
    match found {
        Ok(Ok(status)) => status.clone(),
        _ => panic!("stays at {:?}", transport.status().borrow()),
    }
}

async fn reachable(transport: &dyn OnionTransport) -> Status {
    until(transport, |status| status.stage == Stage::Reachable).await
}

fn somebody() -> Dial {
    let address: OnionAddress = ServiceKey::main(&[1; 32]).address();
    Dial { address, port: 80, group: "test".into(), secret: None }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

fn is_there(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}/stat")).exists()
}

#[tokio::test]
async fn streams_go_through_a_child() {
    let transport = echo();
    reachable(&*transport).await;
    let mut stream = transport.dial(somebody()).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_killed_is_replaced() {
    let transport = echo();
    let mut pids = Vec::new();
    for restarts in 0..5 {
        let status = until(&*transport, |status| {
            status.stage == Stage::Reachable && status.restarts == restarts
        });
        let pid = status.await.child.unwrap();
        let mut stream = transport.dial(somebody()).await.unwrap();
        kill(pid);
        // What went through it breaks, and nobody waits for ever.
        let mut byte = [0];
        let read = timeout(PATIENCE, stream.read(&mut byte)).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)));
        pids.push(pid);
    }
    let status = reachable(&*transport).await;
    assert!(status.last_error.unwrap().text.contains("ended"), "says what happened");
    transport.shut_down(Duration::ZERO).await;
    pids.push(status.child.unwrap());
    for pid in pids {
        let gone = timeout(PATIENCE, async {
            while is_there(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(gone.await.is_ok(), "{pid} is left behind");
    }
}

#[tokio::test]
async fn a_child_ends_with_its_parent() {
    let transport = echo();
    let pid = reachable(&*transport).await.child.unwrap();
    drop(transport);
    let gone = timeout(PATIENCE, async {
        while is_there(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    gone.await.unwrap();
}

#[tokio::test]
async fn what_is_open_may_end_when_the_hub_stops() {
    let transport = echo();
    reachable(&*transport).await;
    let mut stream = transport.dial(somebody()).await.unwrap();
    let ending = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(b"x").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        drop(stream);
    };
    let began = std::time::Instant::now();
    tokio::join!(transport.shut_down(PATIENCE), ending);
    assert!(began.elapsed() < PATIENCE, "it does not wait longer than that");
    assert_eq!(transport.status().borrow().stage, Stage::Stopped);
    assert!(transport.accept().await.is_none());
    assert!(matches!(transport.dial(somebody()).await, Err(DialError::NotReady(_))));
}

#[tokio::test]
async fn children_that_make_no_sense_are_replaced_and_named() {
    for (line, says) in [
        ("printf '\\377\\377\\377\\377' >&0; sleep 60", "a frame of 4294967295 bytes"),
        ("printf '\\0\\0\\0\\002{]' >&0; sleep 60", "a frame that is not understood"),
        ("printf '\\0\\0\\0\\014\"bootstrap\"x' >&0; sleep 60", "a frame that is not understood"),
        ("printf '\\0\\0\\0\\024{\"dialled\":{\"id\":1}}' >&0; sleep 60", "do not belong together"),
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9"),
    ] {
        let transport = shell(line);
        let status = until(&*transport, |status| status.restarts >= 2).await;
        let text = status.last_error.unwrap().text;
        assert!(text.contains(says), "{line}: {text}");
        assert_ne!(status.stage, Stage::Reachable);
        transport.shut_down(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn a_child_that_fails_again_and_again_is_begun_less_and_less_often() {
    let transport = shell("exit 1");
    until(&*transport, |status| status.restarts >= 3).await;
    let waits = until(&*transport, |status| matches!(status.stage, Stage::Waiting { .. })).await;
    let Stage::Waiting { until } = waits.stage else { unreachable!() };
    assert!(until.duration_since(waits.since) > Duration::from_millis(500));
    assert!(matches!(transport.check().await, Err(CheckError::Dial(DialError::NotReady(_)))));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let transport = by("/nowhere/larder", &["onion-child"]);
    let status = until(&*transport, |status| status.last_error.is_some()).await;
    assert!(status.last_error.unwrap().text.contains("/nowhere/larder"));
}

/// Whoever starts it by hand learns that it is nothing for people.
#[test]
fn it_is_not_for_people() {
    let program = env!("CARGO_BIN_EXE_onion-echo-child");
    let output = std::process::Command::new(program).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not for people"));
}
