//! A way between a client and a server's socket that a test can cut, block, slow down, or let lose a reply.
//!
//! Listens on a port that the system chose. Deliberately absent: any understanding of the protocol, but for the words that
//! are looked for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the way does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Lets everything through.
    Open,
    /// Swallows everything and closes nothing, as a network that is cut off.
    Blocked,
    /// Closes every connection, and each new one.
    Cut,
    /// Lets each reply through after so long.
    Slow(Duration),
    /// Lets so many requests through; closes the connection of the next one, which it swallows, and so all that follow.
    Cutting(u64),
    /// Lets everything through up to a reply with these words, which it swallows before it closes the connection.
    Losing(&'static [u8]),
    /// The same, and is blocked from then on.
    LosingThenBlocked(&'static [u8]),
}

/// A way to a server.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _running: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    way: watch::Sender<Way>,
    /// Replies and requests that were swallowed with their connection.
    lost: AtomicU64,
    /// Requests since the way was last set.
    requests: AtomicU64,
}

impl Proxy {
    /// A way to a socket in the file system.
    pub(crate) async fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared {
            way: watch::Sender::new(Way::Open),
            lost: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        });
        let mut running = JoinSet::new();
        running.spawn(accept(listener, socket.to_owned(), Arc::clone(&shared)));
        Self {
            address,
            shared,
            _running: running,
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does so from now on.
    pub(crate) fn set(&self, way: Way) {
        self.shared.requests.store(0, Ordering::Relaxed);
        self.shared.way.send_replace(way);
    }

    /// How many replies and requests were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, socket: PathBuf, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = UnixStream::connect(&socket).await else {
            continue;
        };
        connections.spawn(connection(client, server, Arc::clone(&shared)));
    }
}

async fn connection(client: TcpStream, server: UnixStream, shared: Arc<Shared>) {
    let mut way = shared.way.subscribe();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut said) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        let now = *way.borrow_and_update();
        if now == Way::Blocked {
            if way.changed().await.is_err() {
                return;
            }
            continue;
        }
        if now == Way::Cut {
            return;
        }
        let passed = tokio::select! {
            _ = way.changed() => continue,
            read = from_client.read(&mut asked) => match read {
                Ok(length @ 1..) if shared.passes_request() => to_server.write_all(&asked[..length]).await,
                Ok(_) | Err(_) => return,
            },
            read = from_server.read(&mut said) => match read {
                Ok(length @ 1..) if shared.passes_reply(&said[..length]).await => {
                    to_client.write_all(&said[..length]).await
                }
                Ok(_) | Err(_) => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}

impl Shared {
    /// Whether a request is let through.
    fn passes_request(&self) -> bool {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let passes = !matches!(*self.way.borrow(), Way::Cutting(left) if before >= left);
        if !passes {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    /// Whether a reply is let through, when it is its time.
    async fn passes_reply(&self, said: &[u8]) -> bool {
        let way = *self.way.borrow();
        let (Way::Losing(words) | Way::LosingThenBlocked(words)) = way else {
            if let Way::Slow(delay) = way {
                tokio::time::sleep(delay).await;
            }
            return true;
        };
        let lost = said.windows(words.len()).any(|part| part == words);
        if lost {
            if let Way::LosingThenBlocked(_) = way {
                self.way.send_replace(Way::Blocked);
            }
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        !lost
    }
}
