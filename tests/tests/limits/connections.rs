//! Connections: very many, idle, half begun, in a hurry.

use std::io::{Read as _, Write as _};

use super::socket::{connect, connections, head, send, status};
use super::{assert_grown_at_most, assert_serves, hub_with, resident_mib};

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    let hub = hub_with("");
    let before = resident_mib(&hub);
    let idle: Vec<_> = (0..connections(10_000)).map(|_| connect(&hub)).collect();
    for n in 0..5 {
        assert_serves(&hub, &format!("d{n}"));
    }
    assert_grown_at_most(&hub, before, 200);
    drop(idle);
    assert_serves(&hub, "after");
}

#[test]
fn neither_do_those_that_never_finish_their_request() {
    let hub = hub_with("[limits]\nconnections_max = 50");
    let half = head(&hub, "GET /db");
    let slow: Vec<_> = (0..200).map(|_| send(&hub, half.as_bytes())).collect();
    assert_serves(&hub, "first");
    // Half of a head, then one byte more each time.
    let mut trickling = send(&hub, half.as_bytes());
    for n in 0..3 {
        let _gone = trickling.write_all(b"x");
        assert_serves(&hub, &format!("d{n}"));
    }
    drop(slow);
}

#[test]
fn a_request_being_answered_is_not_cut_off_for_others() {
    let hub = hub_with("[limits]\nconnections_max = 10");
    let line = "GET /db/_changes?feed=longpoll&since=now&timeout=60000";
    let request = format!("{}Connection: close\r\n\r\n", head(&hub, line));
    let mut polling: Vec<_> = (0..5).map(|_| send(&hub, request.as_bytes())).collect();
    for socket in &mut polling {
        assert_eq!(status(socket), 200);
    }
    let idle: Vec<_> = (0..100).map(|_| connect(&hub)).collect();
    assert_serves(&hub, "d");
    for mut socket in polling {
        let mut rest = String::new();
        socket.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("\"last_seq\""), "cut off: {rest}");
    }
    drop(idle);
}

#[test]
fn heads_of_a_megabyte_are_refused() {
    let hub = hub_with("");
    let before = resident_mib(&hub);
    let long = "x".repeat(1 << 20);
    let heads = [
        format!("{}X-Long: {long}\r\n\r\n", head(&hub, "GET /db")),
        format!("{}\r\n", head(&hub, &format!("GET /db?{long}"))),
        format!("{}\r\n", head(&hub, &format!("GET /{long}"))),
        format!("{}{}\r\n", head(&hub, "GET /db"), "X-Many: x\r\n".repeat(100_000)),
        format!("{long}\r\n\r\n"),
    ];
    for head in heads {
        let status = status(&mut send(&hub, head.as_bytes()));
        assert!(matches!(status, 400 | 414 | 431), "{status} for {:.50}", head);
    }
    assert_serves(&hub, "d");
    assert_grown_at_most(&hub, before, 50);
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let hub = hub_with("");
    let mut bytes = String::new();
    for n in 0..300 {
        bytes +=
            &head(&hub, &format!("GET /db/none{n}?rev={}", if n % 2 == 0 { "x" } else { "1-a" }));
        bytes += "\r\n";
    }
    bytes += &head(&hub, "GET /_up");
    bytes += "Connection: close\r\n\r\n";
    let mut answers = String::new();
    send(&hub, bytes.as_bytes()).read_to_string(&mut answers).unwrap();
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|text| &text[..3]).collect();
    let expected = (0..300).map(|n| if n % 2 == 0 { "400" } else { "404" }).chain(["200"]);
    assert_eq!(statuses, expected.collect::<Vec<_>>());
}
