//! Where messages come in, and where messages to devices, officers and desks go out.
//!
//! A source takes publishes, decodes them, hands them to the pipeline as deliveries, and acknowledges each only when its
//! receipt says that it is durable. There are two: the embedded [`endpoint`], which `app` binds with [`Endpoint::bind`], and
//! any [`broker`]; `app` awaits [`Endpoint::run`] and [`broker::Broker::run`], and gives their publishers to whoever sends
//! alerts and commands.
//! Deliberately absent: judgement of reports, storage, and any decision of where a future runs, but for the endpoint's
//! one task for each connection.

pub mod broker;
pub mod client;
pub mod endpoint;
mod message;
pub mod publisher;
mod receipts;

use std::io;
use std::net::SocketAddr;

use crate::tls::TlsError;

pub use endpoint::{
    Doorkeeper, Endpoint, Limits, Login, Proof, Role, SecretDigest, Service, Settings,
};
pub use publisher::{Appearances, Published, Publisher};

/// Why a source can't be started. All of these are lasting: somebody must change the configuration or the machine.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Another program listens there.
    #[error("another program listens on {address} already; stop it or give another address")]
    AddressInUse {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The operating system does not let us listen there.
    #[error("can't listen on {address}")]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Anonymous clients would be let in from other machines.
    #[error(
        "anonymous clients may be let in on a loopback address such as 127.0.0.1 only, and {address} is none; give logins, or listen on \
         loopback"
    )]
    AnonymousBeyondLoopback {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// Nobody could ever connect.
    #[error("the endpoint has no logins and lets no anonymous clients in; give at least one login")]
    NobodyMayConnect,
    /// The topics' root can't be one.
    #[error("the root of topics can't be used")]
    Root(#[source] crate::wire::topic::TopicError),
    /// Certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A change that can't be made while it runs.
    #[error("TLS can't be turned on or off while the endpoint runs; restart the service")]
    NeedsRestart,
    /// A login can't be used.
    #[error("login {number}: {problem}")]
    Login {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong and what would be right.
        problem: &'static str,
    },
    /// A client id that not every broker takes, or that would break a topic.
    #[error("the client id has to be 1 to 64 letters, digits, - or _")]
    ClientId,
    /// Certificates for a connection that has none.
    #[error(
        "certificates stand beside a broker that is reached without TLS; expected mqtts:// in its address, or no certificates"
    )]
    CertificateWithoutTls,
    /// A limit under which nothing would work.
    #[error("limit {name} is 0; expected at least 1")]
    Limit {
        /// Its name.
        name: &'static str,
    },
}
