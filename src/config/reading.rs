//! Files that people name, read whole, or one sentence that says why not.
//!
//! Deliberately absent: what stands in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be read: {}", path.display(), sentence(cause))]
pub struct Unreadable {
    path: PathBuf,
    cause: io::Error,
}

impl Unreadable {
    /// That a file can't be read, and what the operating system says about it.
    pub(crate) fn new(path: &Path, cause: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            cause,
        }
    }

    /// Which file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is no such file.
    pub(crate) fn is_missing(&self) -> bool {
        self.cause.kind() == io::ErrorKind::NotFound
    }

    /// Why, without the file's name.
    pub(crate) fn reason(&self) -> String {
        sentence(&self.cause)
    }
}

/// What goes wrong with files every day, and how to say it.
const SENTENCES: [(io::ErrorKind, &str); 6] = [
    (io::ErrorKind::NotFound, "there is no such file or folder"),
    (
        io::ErrorKind::IsADirectory,
        "it is a folder; expected a file",
    ),
    (
        io::ErrorKind::NotADirectory,
        "a part of its path is a file, not a folder",
    ),
    (
        io::ErrorKind::PermissionDenied,
        "this user is not allowed to",
    ),
    (io::ErrorKind::UnexpectedEof, "it is empty"),
    (io::ErrorKind::InvalidData, "it is not text in UTF-8"),
];

/// What the operating system means.
pub(crate) fn sentence(cause: &io::Error) -> String {
    let known = SENTENCES.iter().find(|(kind, _)| *kind == cause.kind());
    known.map_or_else(|| cause.to_string(), |(_, sentence)| (*sentence).to_owned())
}

fn bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    fs::read(path).map_err(|cause| Unreadable::new(path, cause))
}

/// The bytes of a file that must hold something.
pub(crate) fn some_bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let bytes = bytes(path)?;
    if bytes.is_empty() {
        return Err(Unreadable::new(path, io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// The text of a file that must hold something.
pub(crate) fn some_text(path: &Path) -> Result<String, Unreadable> {
    let invalid = |_error| Unreadable::new(path, io::ErrorKind::InvalidData.into());
    String::from_utf8(some_bytes(path)?).map_err(invalid)
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, Unreadable> {
    fs::read_to_string(path).map_err(|cause| Unreadable::new(path, cause))
}

/// A file to be read piece by piece; a folder is none.
pub(crate) fn open(path: &Path) -> Result<fs::File, Unreadable> {
    let opened = fs::File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(file)
    });
    opened.map_err(|cause| Unreadable::new(path, cause))
}
