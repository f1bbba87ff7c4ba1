//! The story by `larder …` alone; documents are what apps write.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStderr, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Hub, Process, await_member, await_status, eventually, larder};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn by_the_command_line_alone() {
    let (laptop, phone, bert) = (Hub::start(), Hub::start(), Hub::start());
    for name in ["recipes", "diary"] {
        laptop.larder(&["db", "create", name]).expect_success();
    }
    laptop.put("/recipes/bread", json!({"title": "Bread"})).expect(201);
    laptop.put("/diary/monday", json!({"text": "rain"})).expect(201);

    pair_devices(&laptop, &phone);
    await_member(&phone, "/recipes/bread", "title", "Bread");
    await_member(&phone, "/diary/monday", "text", "rain");
    await_in_step(&phone);

    befriend(&laptop, &bert);
    share(&laptop, &phone, &bert);
    restore(&laptop, &phone);
    approve(&laptop);
    await_in_step(&laptop);
    for hub in [laptop, phone, bert] {
        hub.stop();
    }
}

/// Waits until `larder why` finds nothing that is not in step.
fn await_in_step(hub: &Hub) {
    eventually("everything in step", || {
        let why = hub.larder(&["why"]);
        if why.succeeded() { Ok(()) } else { Err(why.stdout) }
    });
}

/// The phone follows the link that the laptop prints.
fn pair_devices(laptop: &Hub, phone: &Hub) {
    let own = laptop.key();
    laptop.larder(&["device", "rename", &own, "laptop"]).expect_success();
    let host = ["pair", "--print-link", "--yes", "--name", "phone"];
    let mut host = Process::start(&mut larder(&host, &laptop.data_dir()));
    let link = format!("larder:{}", host.await_line("larder:", LIMIT).unwrap());
    let joined = phone.larder(&["pair", &link, "--yes"]);
    // What it was named, nobody has to say again.
    assert!(joined.stderr.contains("Paired with laptop"), "{joined}");
    joined.expect_success();
    assert!(host.await_end(LIMIT).0.success());
    for (hub, other) in [(laptop, "phone"), (phone, "laptop")] {
        let devices = hub.larder(&["device", "list"]).expect_success();
        assert!(devices.contains(other), "{devices}");
    }
}

/// Bert follows a link of the laptop, and both compare what the screens show.
fn befriend(laptop: &Hub, bert: &Hub) {
    let mut host = Screen::of(laptop, &["pair", "--friend", "--compare", "--me", "Anna"]);
    host.read(|line| line.starts_with("There: larder pair --friend").then_some(()));
    let address = laptop.tls_url();
    let address = address.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let guest = ["pair", "--friend", &address, "--me", "Bert"];
    let mut guest = Screen::of(bert, &guest);
    let (there, here) = (host.digits(), guest.digits());
    assert_eq!(there, here);
    host.type_in(&here);
    guest.type_in(&there);
    host.end();
    guest.end();
    for (hub, name) in [(laptop, "Bert"), (bert, "Anna")] {
        let friends = hub.larder(&["friend", "list"]).expect_success();
        assert!(friends.contains(name), "{friends}");
        let known = hub.get("/_hub/friends").expect(200).json();
        assert_eq!(known["friends"][0]["verified"], "compared", "{known}");
    }
}

/// A database to read, then to write, then no longer.
fn share(laptop: &Hub, phone: &Hub, bert: &Hub) {
    laptop.larder(&["share", "recipes", "--with", "Bert"]).expect_success();
    let id = eventually("an invitation", || {
        let listed = bert.larder(&["invitations"]).expect_success();
        let line = listed.lines().find(|line| line.contains("recipes"));
        let id = line.and_then(|line| line.split_whitespace().next()).map(str::to_owned);
        id.ok_or(listed)
    });
    bert.larder(&["invitations", "accept", &id]).expect_success();
    await_member(bert, "/anna%2Frecipes/bread", "title", "Bread");
    bert.get("/diary").expect(404);
    bert.put("/anna%2Frecipes/soup", json!({"title": "Soup"})).expect(201);
    laptop.put("/recipes/cake", json!({"title": "Cake"})).expect(201);
    await_status(bert, "/anna%2Frecipes/cake", 200);
    laptop.get("/recipes/soup").expect(404);

    laptop.larder(&["share", "recipes", "--with", "Bert", "--write"]).expect_success();
    await_member(laptop, "/recipes/soup", "title", "Soup");
    await_member(phone, "/recipes/soup", "title", "Soup");

    laptop.larder(&["unshare", "recipes", "--with", "Bert"]).expect_success();
    let shares = laptop.larder(&["shares"]).expect_success();
    assert!(!shares.contains("recipes"), "{shares}");
    eventually("withdrawn", || {
        let listed = bert.larder(&["invitations"]).expect_success();
        if listed.contains("no longer followed") { Ok(()) } else { Err(listed) }
    });
    laptop.put("/recipes/secret", json!({"title": "Secret"})).expect(201);
    await_status(phone, "/recipes/secret", 200);
    for (id, status) in [("bread", 200), ("cake", 200), ("soup", 200), ("secret", 404)] {
        bert.get(&format!("/anna%2Frecipes/{id}")).expect(status);
    }
    let reads = laptop.larder(&["reads", "--who", "Bert"]).expect_success();
    assert!(reads.contains("recipes"), "{reads}");
}

/// An edit that lost while the devices were apart.
fn restore(laptop: &Hub, phone: &Hub) {
    for hub in [laptop, phone] {
        hub.larder(&["pause", "sync"]).expect_success();
    }
    for (hub, text) in [(laptop, "rain, then a rainbow"), (phone, "sun")] {
        let rev = hub.get("/diary/monday").expect(200).json()["_rev"].clone();
        hub.put("/diary/monday", json!({"_rev": rev, "text": text})).expect(201);
    }
    for hub in [laptop, phone] {
        hub.larder(&["resume"]).expect_success();
    }
    await_member(laptop, "/diary/monday", "text", "sun");
    let id = eventually("an edit that lost", || {
        let listed = laptop.larder(&["overwritten", "list"]).expect_success();
        let mut words = listed.split_whitespace().skip_while(|word| *word == "!");
        words.next().map(str::to_owned).ok_or_else(|| listed.clone())
    });
    let shown = laptop.larder(&["overwritten", "show", &id]).expect_success();
    assert!(shown.contains("rainbow") && shown.contains("sun"), "{shown}");
    laptop.larder(&["overwritten", "restore", &id]).expect_success();
    await_member(phone, "/diary/monday", "text", "rain, then a rainbow");
}

/// A program with a key of its own is let in by a code, and by the owner's word.
fn approve(laptop: &Hub) {
    let code = laptop.larder(&["app", "code", "recipe-book", "--db", "recipes:rw"]);
    let code = code.expect_success();
    let key = tests::Key::new();
    let program = laptop.as_key(Some(&key));
    let asked = json!({"name": "recipe-book", "code": code.trim()});
    program.post("/_hub/enrol", asked).expect(201);
    program.get("/recipes/bread").expect(200);
    let listed = laptop.larder(&["app", "list"]).expect_success();
    assert!(listed.contains("recipe-book"), "{listed}");
    laptop.larder(&["app", "remove", "recipe-book"]).expect_success();
    assert_ne!(program.get("/recipes/bread").status, 200);
    let apps = laptop.get("/_hub/apps").expect(200).json();
    assert_eq!(apps["apps"], Value::Array(Vec::new()));
}

/// A command before which somebody sits who reads and types.
struct Screen {
    child: Child,
    lines: BufReader<ChildStderr>,
    seen: String,
}

impl Screen {
    fn of(hub: &Hub, words: &[&str]) -> Self {
        let mut command = larder(words, &hub.data_dir());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Self { child, lines, seen: String::new() }
    }

    /// Reads on until a line has something.
    #[track_caller]
    fn read<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).unwrap();
            assert!(length > 0, "it ended after:\n{}", self.seen);
            self.seen += &line;
            if let Some(found) = find(&line) {
                return found;
            }
        }
    }

    #[track_caller]
    fn digits(&mut self) -> String {
        self.read(|line| {
            let mut words = line.split_whitespace();
            let fits =
                |word: &&str| word.len() == 6 && word.chars().all(|digit| digit.is_ascii_digit());
            words.find(fits).map(str::to_owned)
        })
    }

    fn type_in(&mut self, text: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    #[track_caller]
    fn end(mut self) {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.lines, &mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}{rest}", self.seen);
    }
}
