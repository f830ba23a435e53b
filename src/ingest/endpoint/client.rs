//! One client from its first byte to its last: CONNECT, the two halves of the connection, and the farewell.
//!
//! The stream may be anything that reads and writes, so that encryption is a matter of the accept loop alone. The halves
//! run side by side in one task, and the first of them that ends, or somebody else, ends the connection. Deliberately
//! absent: sessions that outlive a connection. Wills are taken and not sent: that a device is gone is for the contact
//! rules to say.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep, timeout};

use super::House;
use super::addresses::Admission;
use super::answer::{self, No, Welcome};
use super::frame::Unframed;
use super::hub::{Presence, Stopping, Who};
use super::line::{End, Line, LineLimits};
use super::packet::{self, Connect, Unconnected, Version};
use super::reader::{Reader, first_packet, linger};
use super::rules::Identity;
use super::writer::Writer;
use crate::telemetry::metrics::{LoginRefusal, Refusal};

/// Longest client id in bytes: MQTT asks for 23, and libraries add random parts.
const CLIENT_ID_BYTES_MAX: usize = 256;

/// How long a client may take to read our last word.
const FAREWELL: Duration = Duration::from_secs(1);

/// One connected client, as its reader and its writer need it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) house: Arc<House>,
    pub(super) line: Arc<Line>,
    pub(super) identity: Identity,
    pub(super) version: Version,
    /// Longest packet that it takes.
    pub(super) packet_bytes: usize,
}

/// Why somebody is not let in, and what he is told.
#[derive(Debug)]
struct Refused {
    reason: Refusal,
    answer: BytesMut,
}

impl Refused {
    fn silently(reason: Refusal) -> Self {
        Self {
            reason,
            answer: BytesMut::new(),
        }
    }

    fn with(reason: Refusal, version: Version, no: No) -> Self {
        let mut refused = Self::silently(reason);
        answer::no(version, no, &mut refused.answer);
        refused
    }
}

/// Who is at the other end, as far as the accept loop knows.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) address: IpAddr,
    /// Given back when the connection has ended.
    pub(super) admission: Admission,
    /// The common name of the certificate that was shown and verified.
    pub(super) subject: Option<String>,
}

/// Serves one accepted connection until it ends.
pub(super) async fn serve<S>(stream: S, house: Arc<House>, mut arrival: Arrival)
where
    S: AsyncRead + AsyncWrite,
{
    let (mut reading, mut writing) = tokio::io::split(stream);
    let mut buffer = BytesMut::new();
    let greeting = greet(&mut reading, &mut buffer, &house, &arrival).await;
    let entered = greeting.and_then(|(connect, identity)| {
        arrival.admission.known();
        enter(&connect, identity, &house)
    });
    match entered {
        Ok(entered) => talk((reading, writing), buffer, entered).await,
        Err(refused) => {
            house.metrics.refused(refused.reason);
            if !refused.answer.is_empty() {
                let farewell = async {
                    // Whether he hears it or not, he is not let in.
                    writing.write_all(&refused.answer).await.unwrap_or_default();
                    writing.shutdown().await.unwrap_or_default();
                    linger(&mut reading).await;
                };
                timeout(FAREWELL, farewell).await.unwrap_or_default();
            }
        }
    }
    drop(arrival);
}

/// Reads CONNECT and finds out who it is.
async fn greet<S: AsyncRead>(
    reading: &mut ReadHalf<S>,
    buffer: &mut BytesMut,
    house: &Arc<House>,
    arrival: &Arrival,
) -> Result<(Connect, Identity), Refused> {
    let first = first_packet(reading, buffer, house.limits.connect_bytes);
    let connect = match timeout(house.limits.handshake, first).await {
        Ok(Ok(Some(frame))) => packet::connect(frame),
        Ok(Ok(None)) => return Err(Refused::silently(Refusal::Gone)),
        Ok(Err(Unframed::Malformed | Unframed::TooLarge)) => Err(Unconnected::Malformed),
        Err(_too_late) => return Err(Refused::silently(Refusal::Slow)),
    };
    let connect = connect.map_err(|unconnected| match unconnected {
        Unconnected::Malformed => Refused::silently(Refusal::Malformed),
        Unconnected::Version(version) => Refused::with(Refusal::Version, version, No::Version),
    })?;
    let nameless = connect.client_id.is_empty();
    // A session to come back to needs a name [MQTT-3.1.3-8].
    if connect.client_id.len() > CLIENT_ID_BYTES_MAX
        || (nameless && !connect.clean && connect.version == Version::V311)
    {
        return Err(Refused::with(
            Refusal::ClientId,
            connect.version,
            No::ClientId,
        ));
    }
    match house.rules().identify(&connect, arrival.subject.as_deref()) {
        Ok(identity) => Ok((connect, identity)),
        Err(reason) => Err(wrong_login(&connect, reason, house, arrival.address).await),
    }
}

/// Lets somebody with a wrong login wait for his answer; nobody else waits.
async fn wrong_login(
    connect: &Connect,
    reason: LoginRefusal,
    house: &Arc<House>,
    address: IpAddr,
) -> Refused {
    let Some(wait) = house.addresses.wrong_login(address, Instant::now()) else {
        house.metrics.login_refused(LoginRefusal::BackOff);
        return Refused::silently(Refusal::Login);
    };
    house.metrics.login_refused(reason);
    sleep(wait.delay).await;
    let no = match reason {
        LoginRefusal::Wrong | LoginRefusal::BackOff => No::Login,
        LoginRefusal::Missing if connect.method => No::Method,
        LoginRefusal::Missing => No::Nameless,
    };
    Refused::with(Refusal::Login, connect.version, no)
}

/// A client that is let in: what it is, that it is there, and how long it may be silent.
struct Entered {
    client: Client,
    presence: Presence,
    silence: Duration,
}

/// Lets a client in and has it told so.
fn enter(connect: &Connect, identity: Identity, house: &Arc<House>) -> Result<Entered, Refused> {
    let limits = &house.limits;
    let line = Arc::new(Line::new(
        house.hub.number(),
        LineLimits {
            unacknowledged: limits.unacknowledged,
            unacknowledged_bytes: limits.unacknowledged_bytes,
            outgoing_queue: limits.outgoing_queue,
            outgoing_window: limits.outgoing_window.min(connect.window),
        },
    ));
    let nameless = connect.client_id.is_empty();
    let login = identity.login.as_ref();
    // A name that we made up is nobody's to take over.
    let who = (!nameless).then(|| Who {
        name: login.map(|login| Arc::from(login.username.as_str())),
        client_id: connect.client_id.clone(),
    });
    let presence = house
        .hub
        .enter(&line, login, who)
        .map_err(|Stopping| Refused::with(Refusal::Stopping, connect.version, No::Unavailable))?;
    // It may have been taken out while it was on its way in.
    if !house.rules().still_knows(login) {
        return Err(Refused::with(Refusal::Login, connect.version, No::Login));
    }
    let (silence, keep_alive) = patience(connect.keep_alive, limits.idle);
    let welcome = Welcome {
        window: u16::try_from(limits.unacknowledged).unwrap_or(u16::MAX),
        packet_bytes: u32::try_from(limits.packet_bytes).unwrap_or(u32::MAX),
        client_id: nameless.then(|| format!("em-{}", line.number)),
        keep_alive,
    };
    line.answer(|out| answer::welcome(connect.version, &welcome, out));
    let client = Client {
        line,
        identity,
        version: connect.version,
        packet_bytes: connect.packet_bytes,
        house: Arc::clone(house),
    };
    Ok(Entered {
        client,
        presence,
        silence,
    })
}

/// Serves a client that is let in.
async fn talk<S: AsyncRead + AsyncWrite>(
    (mut reading, mut writing): (ReadHalf<S>, WriteHalf<S>),
    buffer: BytesMut,
    entered: Entered,
) {
    let Entered {
        client,
        mut presence,
        silence,
    } = entered;
    let mut reader = Reader::new(&client, silence, buffer);
    let mut writer = Writer::new(&client);
    let end = tokio::select! {
        biased;
        end = client.line.ended() => end,
        end = writer.run(&mut writing) => end,
        end = reader.run(&mut reading) => end,
    };
    if end == End::Stopping {
        // What is not stored in time is sent again by the devices; what the socket does not take is lost with it.
        let settling = writer.settle(&mut writing);
        let settled = timeout(client.house.limits.stop, settling).await;
        drop(settled);
    }
    // Nobody sends anything to it any more while it is told why.
    presence.closing = end.closing();
    drop(presence);
    if end.is_heard() {
        let farewell = async {
            writer.goodbye(&mut writing, end).await;
            linger(&mut reading).await;
        };
        timeout(FAREWELL, farewell).await.unwrap_or_default();
    }
}

/// How long a client may be silent, and the keep-alive in seconds that it must be told where it asked for another.
///
/// One and a half times what it asked for [MQTT-3.1.2-24], and never longer than `idle`.
fn patience(keep_alive: u16, idle: Duration) -> (Duration, Option<u16>) {
    let asked = Duration::from_secs(u64::from(keep_alive)) * 3 / 2;
    if keep_alive == 0 || asked > idle {
        let told = u16::try_from((idle * 2 / 3).as_secs()).unwrap_or(u16::MAX);
        (idle, Some(told))
    } else {
        (asked, None)
    }
}

#[cfg(test)]
mod tests;
