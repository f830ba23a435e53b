//! A file that is written piece by piece, gzip where its name says so, or standard output.
//!
//! Deliberately absent: what is written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::name;
use crate::config::reading;

/// Whether a file's name says that it is gzip.
pub(super) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz")
}

type Target = BufWriter<Box<dyn Write>>;

/// Takes bytes.
pub(super) enum Sink {
    Plain(Target),
    Packed(GzEncoder<Target>),
}

impl Sink {
    /// Into a target, packed or not.
    pub(super) fn new(target: Box<dyn Write>, packed: bool) -> Self {
        let target = BufWriter::new(target);
        if packed {
            Self::Packed(GzEncoder::new(target, Compression::default()))
        } else {
            Self::Plain(target)
        }
    }

    /// Begins a file; what was in it is gone. `-` is standard output.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let target: Box<dyn Write> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let file = File::create(path);
            Box::new(file.map_err(|cause| {
                anyhow::anyhow!(
                    "{} can't be written: {}",
                    name(path),
                    reading::sentence(&cause)
                )
            })?)
        };
        Ok(Self::new(target, is_packed(path)))
    }

    /// Everything is out.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut target) => target.flush(),
            Self::Packed(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(target) => target.write(bytes),
            Self::Packed(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(target) => target.flush(),
            Self::Packed(encoder) => encoder.flush(),
        }
    }
}

/// Says which file could not be written. That a reader has gone stays what it is.
pub(super) fn written(path: &Path, result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(error.into()),
        other => other.with_context(|| format!("failed to write {}", name(path))),
    }
}
