//! The bytes of a connection, under TLS or not.
//!
//! A handshake is made by whoever reads first, so that accepting waits for nobody; one that fails is an end of the
//! connection like any other. Deliberately absent: time limits (see [`super::line`]).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::tls::Renewable;

/// A connection.
pub(super) enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// TLS is being agreed on.
    Greeting(Box<Accept<TcpStream>>),
    /// With TLS.
    Secured(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// A connection as it was accepted.
    pub(super) fn new(stream: TcpStream, tls: Option<&Renewable>) -> Self {
        match tls {
            None => Self::Plain(stream),
            Some(tls) => {
                let acceptor = TlsAcceptor::from(tls.current());
                Self::Greeting(Box::new(acceptor.accept(stream)))
            }
        }
    }

    /// Goes on with the handshake, if there is one; pending until it is made.
    fn greet(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Greeting(greeting) = self {
            let stream = ready!(Pin::new(greeting.as_mut()).poll(context))?;
            *self = Self::Secured(Box::new(stream));
        }
        Poll::Ready(Ok(()))
    }
}

/// Hands a call on to the bytes below, once the handshake is made.
macro_rules! below {
    ($self:ident, $context:ident, $stream:ident => $call:expr) => {{
        ready!($self.greet($context))?;
        match &mut *$self {
            Self::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Self::Secured(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
            Self::Greeting(_) => Poll::Pending,
        }
    }};
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        below!(self, context, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        below!(self, context, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        below!(self, context, stream => stream.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        // Both kinds take several parts at once.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        below!(self, context, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        below!(self, context, stream => stream.poll_shutdown(context))
    }
}
