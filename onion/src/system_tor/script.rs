//! A server that says what a test has it say.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What it is asked, and what it answers. After the last one it ends the connection.
#[derive(Debug, Default)]
pub(super) struct Script {
    answers: Vec<(String, String)>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn answer(mut self, asked: &str, answer: &str) -> Self {
        self.answers.push((asked.to_owned(), answer.to_owned()));
        self
    }

    /// A connection to it.
    pub(super) async fn connect(self) -> TcpStream {
        TcpStream::connect(self.listen().await).await.unwrap()
    }

    /// Where it listens.
    pub(super) async fn listen(self) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            for (asked, answer) in self.answers {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                assert!(line.starts_with(&asked), "asked {line}, not {asked}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }
}
