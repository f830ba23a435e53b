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

    /// Why, without the file's name.
    pub(crate) fn reason(&self) -> String {
        sentence(&self.cause)
    }
}

/// What the operating system means.
pub(crate) fn sentence(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder; expected a file".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is a file, not a folder".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        io::ErrorKind::InvalidData => "it is not text in UTF-8".to_owned(),
        _ => cause.to_string(),
    }
}

/// The bytes of a file.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    fs::read(path).map_err(|cause| Unreadable::new(path, cause))
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
