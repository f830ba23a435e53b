//! Secrets: only their digests are held, and nothing prints them.
//!
//! A secret stands in the configuration as its SHA-256, or in a file of its own. Deliberately absent: comparing (each edge
//! compares in constant time).

use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::config::reading;

/// Shortest secret in a file: a digest without salt withstands guessing only when there is nothing to guess.
const SECRET_LENGTH_MIN: usize = 16;

/// Longest secret in a file; a longer file is another file.
const SECRET_LENGTH_MAX: usize = 1024;

/// SHA-256 of a secret that was made by machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretSha256([u8; 32]);

impl SecretSha256 {
    /// The digest of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The digest's bytes, for the edge that compares.
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// Reads a digest as hex.
    pub(super) fn from_hex(text: &str) -> Result<Self, String> {
        let mut digest = [0; 32];
        match hex::decode_to_slice(text, &mut digest) {
            Ok(()) => Ok(Self(digest)),
            // What stands there may be the secret itself: it is not repeated.
            Err(_) => Err(
                "is not a SHA-256; expected 64 hexadecimal digits, as `printf %s SECRET | sha256sum` gives"
                    .to_owned(),
            ),
        }
    }

    /// Takes the digest of what a file holds, without its last line's end.
    pub(super) fn from_file(path: &Path) -> Result<Self, String> {
        let text = reading::text(path).map_err(|error| error.to_string())?;
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        let secret = secret.strip_suffix('\r').unwrap_or(secret);
        if secret.len() < SECRET_LENGTH_MIN || secret.len() > SECRET_LENGTH_MAX {
            return Err(format!(
                "{} holds {} bytes; expected a secret of {SECRET_LENGTH_MIN} to {SECRET_LENGTH_MAX}, as `openssl rand -hex 32` gives",
                path.display(),
                secret.len()
            ));
        }
        Ok(Self::of(secret))
    }
}

impl fmt::Debug for SecretSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
