//! Connections: how many there may be, and how long one may stand still.
//!
//! One rule covers idle browsers, stuck readers and slow senders: a connection on which nothing is read and nothing
//! written for a while ends. A live stream writes a heartbeat, so only one that takes nothing any more ends. Deliberately
//! absent: requests.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use super::secured::Stream;
use super::{Entrance, Phase};
use crate::telemetry::metrics::Web as Counts;

/// Accepts as many connections as are allowed.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) entrance: Arc<Entrance>,
    pub(super) places: Arc<Semaphore>,
    pub(super) idle: Duration,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) counts: Arc<Counts>,
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small events must not wait for more; where that can't be set, they wait.
        stream.set_nodelay(true).unwrap_or_default();
        let mut phase = self.phase.clone();
        let cut = async move {
            // The sender gone means the same.
            drop(phase.wait_for(|phase| *phase == Phase::Cutting).await);
        };
        self.counts.connected();
        let line = Line {
            stream: Stream::new(stream, self.entrance.tls.as_ref()),
            idle: self.idle,
            deadline: Box::pin(sleep_until(Instant::now() + self.idle)),
            cut: Box::pin(cut),
            counts: Arc::clone(&self.counts),
            _place: place,
        };
        (line, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing moves on it.
pub(super) struct Line {
    stream: Stream,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    counts: Arc<Counts>,
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.counts.disconnected();
    }
}

impl Line {
    /// Something moved.
    fn moved(&mut self) {
        let next = Instant::now() + self.idle;
        self.deadline.as_mut().reset(next);
    }

    /// Ends what has stood still for too long, or is to be cut.
    fn standing(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(io::ErrorKind::TimedOut.into());
        }
        Poll::Pending
    }

    /// The result of reading or writing, once it is known that it does not take for ever.
    fn watched<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(done) => {
                self.moved();
                Poll::Ready(done)
            }
            Poll::Pending => self.standing(context).map(Err),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watched(context, result)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watched(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            // There is nothing to flush in a socket: no movement.
            Poll::Ready(done) => Poll::Ready(done),
            // What TLS holds back is not taken.
            Poll::Pending => self.standing(context).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watched(context, result)
    }
}
