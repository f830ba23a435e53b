//! The port through which messages reach the pipeline, and the receipt by which it says that they are durable.
//!
//! A source (the embedded endpoint, a broker client, a player of feeds) sends a [`Delivery`] and keeps the other end of
//! its [`Receipt`]. Only the pipeline can resolve the receipt, and it does so after the commit: an acknowledgement can't
//! be sent early by construction. Deliberately absent: topics, sockets and payload formats.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::model::event::Event;
use crate::model::id::{AgencyId, DeviceId};
use crate::model::report::Report;
use crate::model::time::Timestamp;

/// Deliveries that may wait for the pipeline. A source that finds the queue full waits, and stops reading its sockets.
pub const QUEUE_LENGTH: usize = 16 * 1024;

/// KiB of deliveries that may be on their way to their commit, of all sources together: a fleet's backlogs after an outage of
/// ours must not fill the memory. Each counts for one KiB at least.
pub const WAITING_KIB_MAX: u32 = 256 * 1024;

/// Bytes that a report takes beside its own once it is read, about.
const READ_BYTES: usize = 512;

/// Bytes kept of a message that can't be read.
pub const UNREADABLE_BYTES_MAX: usize = 4 * 1024;

/// One report and the bytes that said so.
#[derive(Debug, Clone)]
pub struct Received {
    /// What it says.
    pub report: Report,
    /// The JSON object as it was received; it goes to the journal unchanged.
    pub raw: Bytes,
}

/// A message that can't be read: kept for people to look at, counted, acknowledged, and not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose, as far as the topic or the connection tells.
    pub agency: AgencyId,
    /// Which device's, likewise.
    pub device: Option<DeviceId>,
    /// Where it was published, cut to 256 bytes.
    pub topic: String,
    /// Its first [`UNREADABLE_BYTES_MAX`] bytes.
    pub bytes: Bytes,
    /// Its whole length.
    pub length: usize,
    /// What was wrong and what was expected, without the content.
    pub problem: String,
}

/// What one message brings.
#[derive(Debug, Default)]
pub struct Content {
    /// Reports, in the order of the message.
    pub reports: Vec<Received>,
    /// Parts of it that can't be read.
    pub unreadable: Vec<Unreadable>,
    /// How many of these nothing is wrong with, except that they are no reports: what foreign devices say beside them.
    pub other: usize,
}

impl Content {
    /// How much of the memory it holds, about, in whole KiB.
    fn kib(&self) -> u32 {
        let reports = self
            .reports
            .iter()
            .map(|received| received.raw.len() + READ_BYTES);
        let unreadable = self
            .unreadable
            .iter()
            .map(|part| part.bytes.len() + READ_BYTES);
        let bytes: usize = reports.chain(unreadable).sum();
        u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX)
    }
}

/// One message of a device.
#[derive(Debug)]
pub struct Delivery {
    /// Whose.
    pub agency: AgencyId,
    /// What it brings.
    pub content: Content,
    /// When it was received, where the source knows better than our clock: a player of feeds. None from live sources.
    pub received_at: Option<Timestamp>,
    /// To be resolved once all of it is durable.
    pub receipt: Receipt,
}

/// Says to the source that a delivery is durable. Dropped unresolved, it says that it is not: no acknowledgement may be
/// sent, and the source must make the device send again, by closing the connection.
#[derive(Debug)]
pub struct Receipt {
    sender: oneshot::Sender<()>,
    /// Its share of what may be on its way; given back when it is durable, or never will be.
    room: Option<OwnedSemaphorePermit>,
}

/// The source's end of a [`Receipt`].
#[derive(Debug)]
pub struct Awaited(oneshot::Receiver<()>);

/// The delivery was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery was not stored")]
pub struct NotStored;

impl Receipt {
    /// A receipt and the end on which to await it.
    pub fn new() -> (Self, Awaited) {
        let (sender, receiver) = oneshot::channel();
        let receipt = Self { sender, room: None };
        (receipt, Awaited(receiver))
    }

    /// For a source that needs no answer.
    pub fn unwanted() -> Self {
        Self::new().0
    }

    /// Says that the delivery is durable.
    pub fn resolve(self) {
        // A source that went away no longer needs to know.
        self.sender.send(()).unwrap_or_default();
    }
}

impl Awaited {
    /// Waits until the delivery is durable.
    ///
    /// # Errors
    /// When it will not be.
    pub async fn durable(self) -> Result<(), NotStored> {
        self.await
    }
}

/// A source with many deliveries under way polls the oldest in place, and needs no allocation for each.
impl Future for Awaited {
    type Output = Result<(), NotStored>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map_err(|_gone| NotStored)
    }
}

/// Something that people change, to enter the journal like a report: zones, roster, parameters, check-ins.
#[derive(Debug)]
pub struct Change {
    /// The change.
    pub event: Event,
    /// Resolved once it is durable and in force.
    pub receipt: Receipt,
}

/// The sending ends of the pipeline's queues.
#[derive(Debug, Clone)]
pub struct Inlet {
    deliveries: mpsc::Sender<Delivery>,
    changes: mpsc::Sender<Change>,
    room: Arc<Semaphore>,
    room_kib: u32,
}

/// The receiving ends, for the pipeline.
#[derive(Debug)]
pub struct Outlet {
    /// Messages of devices.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// Changes by people.
    pub changes: mpsc::Receiver<Change>,
}

/// Changes by people that may wait; each is a whole roster or zone file at most.
const CHANGES_LENGTH: usize = 64;

/// The pipeline has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pipeline has stopped")]
pub struct Stopped;

impl Inlet {
    /// Both ends of the queues.
    pub fn new() -> (Self, Outlet) {
        Self::with_limits(QUEUE_LENGTH, WAITING_KIB_MAX)
    }

    /// The same with another number of deliveries that may wait.
    pub fn with_length(length: usize) -> (Self, Outlet) {
        Self::with_limits(length, WAITING_KIB_MAX)
    }

    /// The same with other limits of deliveries that may wait: how many, and how many KiB.
    pub fn with_limits(length: usize, room_kib: u32) -> (Self, Outlet) {
        let (deliveries, deliveries_out) = mpsc::channel(length);
        let (changes, changes_out) = mpsc::channel(CHANGES_LENGTH);
        (
            Self {
                deliveries,
                changes,
                room: Arc::new(Semaphore::new(
                    usize::try_from(room_kib).unwrap_or(usize::MAX),
                )),
                room_kib,
            },
            Outlet {
                deliveries: deliveries_out,
                changes: changes_out,
            },
        )
    }

    /// Hands a message over; waits while the queue is full, or too much is on its way to be stored.
    ///
    /// # Errors
    /// When the pipeline has stopped.
    pub async fn deliver(&self, mut delivery: Delivery) -> Result<(), Stopped> {
        let kib = delivery.content.kib().min(self.room_kib);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await;
        delivery.receipt.room = Some(room.map_err(|_closed| Stopped)?);
        self.deliveries
            .send(delivery)
            .await
            .map_err(|_gone| Stopped)
    }

    /// Hands a change over and waits until it is durable and in force.
    ///
    /// # Errors
    /// When the pipeline has stopped before it was.
    pub async fn change(&self, event: Event) -> Result<(), Stopped> {
        let (receipt, awaited) = Receipt::new();
        self.changes
            .send(Change { event, receipt })
            .await
            .map_err(|_gone| Stopped)?;
        awaited.durable().await.map_err(|NotStored| Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(bytes: usize) -> (Delivery, Awaited) {
        let (receipt, awaited) = Receipt::new();
        let unreadable = Unreadable {
            agency: AgencyId::parse("demo").unwrap(),
            device: None,
            topic: String::new(),
            bytes: Bytes::from(vec![0; bytes]),
            length: bytes,
            problem: String::new(),
        };
        let content = Content {
            reports: Vec::new(),
            unreadable: vec![unreadable],
            other: 0,
        };
        let delivery = Delivery {
            agency: AgencyId::parse("demo").unwrap(),
            content,
            received_at: None,
            receipt,
        };
        (delivery, awaited)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_on_its_way_to_be_stored_is_bounded_in_bytes() {
        let (inlet, mut outlet) = Inlet::with_limits(16, 4);
        let (first, _awaited) = delivery(2 * 1024 + 512);
        inlet.deliver(first).await.unwrap();
        let waiting = inlet.deliver(delivery(1).0);
        tokio::pin!(waiting);
        let soon = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        let first = outlet.deliveries.recv().await.unwrap();
        let taken = tokio::time::timeout(soon, &mut waiting).await;
        assert!(taken.is_err(), "taken from the queue is not stored yet");
        first.receipt.resolve();
        waiting.await.unwrap();
        let second = outlet.deliveries.recv().await.unwrap();
        drop(second.receipt);
        // One that is larger than all the room there is passes when it has all of it.
        inlet.deliver(delivery(1024 * 1024).0).await.unwrap();
    }
}
