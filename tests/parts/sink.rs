//! A receiver over HTTP that keeps what it gets and answers as it is told: 200, 500, with headers, or never.
//!
//! One connection a request. Deliberately absent: TLS, and any opinion on what it gets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// How a sink answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With a status and further lines of its head.
    Status(u16, &'static str),
    /// Never; the connection stays open.
    Never,
}

/// A running sink.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    keep: Arc<watch::Sender<Vec<Request>>>,
    requests: watch::Receiver<Vec<Request>>,
    task: JoinSet<()>,
}

impl Sink {
    /// Listens on a free port.
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (keep, requests) = watch::channel(Vec::new());
        let mut sink = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer)),
            keep: Arc::new(keep),
            requests,
            task: JoinSet::new(),
        };
        sink.listen(listener);
        sink
    }

    fn listen(&mut self, listener: TcpListener) {
        let (answer, keep) = (Arc::clone(&self.answer), Arc::clone(&self.keep));
        self.task.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, keep) = (Arc::clone(&answer), Arc::clone(&keep));
                serving.spawn(async move {
                    // A client that goes away in the middle is what some tests are about.
                    drop(serve(stream, &answer, &keep).await);
                });
                while serving.try_join_next().is_some() {}
            }
        });
    }

    /// Ends it where it is, with all its connections; what has arrived it remembers.
    pub(crate) async fn kill(&mut self) {
        self.task.shutdown().await;
    }

    /// Listens again on the same port.
    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.listen(listener);
    }

    /// Waits until more than so many have arrived; those beyond.
    pub(crate) async fn after(&self, seen: usize) -> Vec<Request> {
        let mut requests = self.requests.clone();
        let more = requests.wait_for(|requests| requests.len() > seen).await;
        more.unwrap()[seen..].to_vec()
    }

    /// Answers otherwise from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// All that has arrived.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// Waits until so many have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut requests = self.requests.clone();
        let enough = requests.wait_for(|requests| requests.len() >= count);
        let waited = tokio::time::timeout(std::time::Duration::from_mins(1), enough);
        drop(waited.await.expect("they arrive within a minute").unwrap());
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &Mutex<Answer>,
    keep: &watch::Sender<Vec<Request>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let request = loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(request) = parse(&String::from_utf8_lossy(&bytes)) {
            break request;
        }
    };
    keep.send_modify(|requests| requests.push(request));
    let answer = answer.lock().unwrap().clone();
    match answer {
        Answer::Never => std::future::pending().await,
        Answer::Status(status, more) => {
            let head = format!(
                "HTTP/1.1 {status} said\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n"
            );
            stream.write_all(head.as_bytes()).await
        }
    }
}

/// A request, once it is whole.
fn parse(text: &str) -> Option<Request> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |it| it.parse().unwrap());
    (body.len() >= length).then(|| Request {
        method: first.next().unwrap_or_default().to_owned(),
        path: first.next().unwrap_or_default().to_owned(),
        headers: headers.clone(),
        body: body.to_owned(),
    })
}
