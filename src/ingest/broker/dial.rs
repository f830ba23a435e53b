//! How every client of ours connects: the same broker, login and TLS, each with a client id of its own.
//!
//! Deliberately absent: what is said once the connection stands.

use std::sync::Arc;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, MqttOptions, TlsConfiguration,
    Transport,
};
use rustls::ClientConfig;

use super::settings::Settings;
use crate::ingest::IngestError;
use crate::tls;

/// Longest packet that is taken: as long as MQTT allows. What is too long for us is cut and set aside here; were it
/// refused by the library, the connection would end, and a session that is kept would send it again for ever.
const PACKET_IN_BYTES_MAX: usize = 268_435_455 + 5;

/// Longest packet of ours: an alert with its whole reason is a few kB.
const PACKET_OUT_BYTES_MAX: usize = 1024 * 1024;

/// How to connect.
#[derive(Debug)]
pub(in crate::ingest) struct Dial {
    settings: Settings,
    tls: Option<Arc<ClientConfig>>,
}

/// What one client of ours is.
#[derive(Debug, Clone, Copy)]
pub(in crate::ingest) struct Wish {
    /// Added to the client id; empty for the client whose session counts.
    pub(in crate::ingest) suffix: &'static str,
    /// Whether the broker is to forget the session that it has, and to keep none.
    pub(in crate::ingest) clean: bool,
    /// Whether we acknowledge by ourselves what comes.
    pub(in crate::ingest) manual_acks: bool,
    /// Messages of ours under way at once.
    pub(in crate::ingest) window: u16,
    /// Requests that may wait for the connection.
    pub(in crate::ingest) requests: usize,
}

impl Dial {
    pub(in crate::ingest) fn new(settings: &Settings) -> Result<Self, IngestError> {
        let tls = settings.address.encrypted.then(|| {
            let (ca, identity) = (settings.ca.as_deref(), settings.identity.as_ref());
            tls::client(ca, identity)
        });
        Ok(Self {
            settings: settings.clone(),
            tls: tls.transpose().map_err(IngestError::Tls)?,
        })
    }

    /// A client that is not yet connected: its first poll connects.
    pub(in crate::ingest) fn client(&self, wish: Wish) -> (AsyncClient, EventLoop) {
        let settings = &self.settings;
        let id = format!("{}{}", settings.client_id, wish.suffix);
        let address = &settings.address;
        let mut options = MqttOptions::new(id, address.host.as_str(), address.port);
        options
            .set_clean_session(wish.clean)
            .set_keep_alive(settings.limits.keep_alive)
            .set_manual_acks(wish.manual_acks)
            .set_inflight(wish.window.max(1))
            .set_max_packet_size(PACKET_IN_BYTES_MAX, PACKET_OUT_BYTES_MAX);
        if let Some(login) = &settings.credentials {
            options.set_credentials(login.username.as_str(), login.password.as_str());
        }
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                Arc::clone(tls),
            )));
        }
        let (client, mut events) = AsyncClient::new(options, wish.requests);
        let mut network = events.network_options();
        network.set_connection_timeout(settings.limits.connect.as_secs().max(1));
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        (client, events)
    }
}

/// What is wrong with a connection, without anything that the broker has sent.
pub(in crate::ingest) fn told(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                "the broker refuses our login; see username and password_file".to_owned()
            }
            ConnectReturnCode::BadClientId => {
                "the broker refuses our client id; see client_id".to_owned()
            }
            ConnectReturnCode::RefusedProtocolVersion => {
                "the broker does not speak MQTT 3.1.1".to_owned()
            }
            ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::Success => {
                "the broker is not available just now".to_owned()
            }
        },
        ConnectionError::NotConnAck(_) => "what answers there is no MQTT broker".to_owned(),
        ConnectionError::Tls(error) => format!("no encrypted connection: {error}"),
        ConnectionError::Io(error) => error.to_string(),
        ConnectionError::MqttState(error) => error.to_string(),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            "no answer in time".to_owned()
        }
        ConnectionError::RequestsDone => "the client has stopped".to_owned(),
    }
}
