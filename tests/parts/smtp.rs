//! A mail server of our own: as much SMTP as a client needs, with STARTTLS and a certificate made for this one test.
//!
//! Keeps what is sent and whether that was under TLS. Deliberately absent: delivering, and a login.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Offers STARTTLS and takes mail.
    StartTls,
    /// Offers no STARTTLS, as somebody in between would have it.
    Stripped,
    /// Takes no recipient, for good.
    Refuses,
}

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The recipient of the envelope.
    pub(crate) to: String,
    /// All lines, headers first.
    pub(crate) text: String,
    /// Whether it came over TLS.
    pub(crate) safe: bool,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Its certificate, to be trusted.
    pub(crate) certificate: PathBuf,
    mails: watch::Receiver<Vec<Received>>,
    commands: watch::Receiver<Vec<String>>,
    _task: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// What a session writes down.
#[derive(Debug, Clone)]
struct Book {
    mails: Arc<watch::Sender<Vec<Received>>>,
    commands: Arc<watch::Sender<Vec<String>>>,
}

impl Server {
    /// Listens on a free port, as `localhost`.
    pub(crate) async fn start(manner: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, certificate) = identity(folder.path());
        let acceptor = TlsAcceptor::from(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mails, received) = watch::channel(Vec::new());
        let (commands, said) = watch::channel(Vec::new());
        let book = Book {
            mails: Arc::new(mails),
            commands: Arc::new(commands),
        };
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, book) = (acceptor.clone(), book.clone());
                serving.spawn(async move {
                    // A client that does not trust us goes away in the middle.
                    drop(serve(stream, acceptor, manner, &book).await);
                });
            }
        });
        Self {
            address,
            certificate,
            mails: received,
            commands: said,
            _task: task,
            _folder: folder,
        }
    }

    /// All mails.
    pub(crate) fn mails(&self) -> Vec<Received> {
        self.mails.borrow().clone()
    }

    /// Waits until so many have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut mails = self.mails.clone();
        let enough = mails.wait_for(|mails| mails.len() >= count);
        let waited = tokio::time::timeout(std::time::Duration::from_mins(1), enough);
        drop(waited.await.expect("they arrive within a minute").unwrap());
    }

    /// The first words of all commands that came in the clear.
    pub(crate) fn in_the_clear(&self) -> Vec<String> {
        self.commands.borrow().clone()
    }
}

fn identity(folder: &Path) -> (Arc<ServerConfig>, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = folder.join("certificate.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    (Arc::new(config), path)
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    manner: Manner,
    book: &Book,
) -> std::io::Result<()> {
    let mut plain = BufStream::new(stream);
    say(&mut plain, "220 localhost at your service").await?;
    if !session(&mut plain, manner, false, book).await? {
        return Ok(());
    }
    let mut safe = BufStream::new(acceptor.accept(plain.into_inner()).await?);
    session(&mut safe, manner, true, book).await?;
    Ok(())
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// Serves until the client goes, or wants TLS: then true.
async fn session<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
    manner: Manner,
    safe: bool,
    book: &Book,
) -> std::io::Result<bool> {
    let mut to = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let word = line
            .split([' ', '\r'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        if !safe {
            book.commands.send_modify(|said| said.push(word.clone()));
        }
        match word.as_str() {
            "EHLO" if !safe && manner != Manner::Stripped => {
                say(stream, "250-localhost\r\n250 STARTTLS").await?;
            }
            "STARTTLS" if !safe => {
                say(stream, "220 go on").await?;
                return Ok(true);
            }
            "RCPT" if manner == Manner::Refuses => say(stream, "550 5.1.1 nobody").await?,
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                address.clone_into(&mut to);
                say(stream, "250 known").await?;
            }
            "DATA" => {
                say(stream, "354 end with a dot").await?;
                let text = data(stream).await?;
                let received = Received {
                    to: to.clone(),
                    text,
                    safe,
                };
                book.mails.send_modify(|mails| mails.push(received));
                say(stream, "250 taken").await?;
            }
            "QUIT" => {
                say(stream, "221 until next time").await?;
                return Ok(false);
            }
            _ => say(stream, "250 as you like").await?,
        }
    }
}

async fn data<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufStream<S>,
) -> std::io::Result<String> {
    let mut text = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(&line.replace("\r\n", "\n"));
    }
}
