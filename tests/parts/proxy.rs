//! A way between a client and a server's socket that a test can cut, block, or let lose a reply.
//!
//! Listens on a port that the system chose. Deliberately absent: any understanding of the protocol, but for the words that
//! are looked for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Lets everything through up to a reply with these words, which it swallows before it closes the connection.
    Losing(&'static [u8]),
}

/// A way to a server.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    lost: Arc<AtomicU64>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// A way to a socket in the file system.
    pub(crate) async fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (way, watched) = watch::channel(Way::Open);
        let lost = Arc::new(AtomicU64::new(0));
        let mut running = JoinSet::new();
        running.spawn(accept(
            listener,
            socket.to_owned(),
            watched,
            Arc::clone(&lost),
        ));
        Self {
            address,
            way,
            lost,
            _running: running,
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does so from now on.
    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// How many replies were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    socket: PathBuf,
    way: watch::Receiver<Way>,
    lost: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = UnixStream::connect(&socket).await else {
            continue;
        };
        connections.spawn(connection(client, server, way.clone(), Arc::clone(&lost)));
    }
}

async fn connection(
    client: TcpStream,
    server: UnixStream,
    mut way: watch::Receiver<Way>,
    lost: Arc<AtomicU64>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut said) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        if *way.borrow_and_update() == Way::Blocked {
            if way.changed().await.is_err() {
                return;
            }
            continue;
        }
        let passed = tokio::select! {
            _ = way.changed() => continue,
            read = from_client.read(&mut asked) => match read {
                Ok(length @ 1..) => to_server.write_all(&asked[..length]).await,
                Ok(0) | Err(_) => return,
            },
            read = from_server.read(&mut said) => match read {
                Ok(length @ 1..) => {
                    let said = &said[..length];
                    if let Way::Losing(words) = *way.borrow()
                        && said.windows(words.len()).any(|part| part == words)
                    {
                        lost.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    to_client.write_all(said).await
                }
                Ok(0) | Err(_) => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}
