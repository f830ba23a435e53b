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

type Target = BufWriter<Box<dyn Write>>;

/// Takes bytes.
pub(super) enum Sink {
    Plain(Target),
    Packed(GzEncoder<Target>),
}

impl Sink {
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
        let target = BufWriter::new(target);
        let is_packed = path.extension().is_some_and(|ending| ending == "gz");
        Ok(if is_packed {
            Self::Packed(GzEncoder::new(target, Compression::default()))
        } else {
            Self::Plain(target)
        })
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
