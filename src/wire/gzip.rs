//! Gzip, recognised by its first two bytes.
//!
//! Zones and feeds may be packed, and what the store keeps is where that pays. Deliberately absent: file names and times
//! in what is written, so that the same bytes are packed the same.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How gzip begins (RFC 1952).
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why bytes can't be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum GzipError {
    /// Cut short or damaged.
    #[error("not readable as gzip: {0}")]
    Damaged(std::io::Error),
    /// Grows beyond the limit: a mistake, or meant to fill the memory.
    #[error("more than {0} bytes when unpacked")]
    TooLong(usize),
}

/// The bytes, unpacked where they are gzip, and at most `limit` of them.
pub(super) fn unpack(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, GzipError> {
    if !bytes.starts_with(&MAGIC) {
        return if bytes.len() > limit {
            Err(GzipError::TooLong(limit))
        } else {
            Ok(Cow::Borrowed(bytes))
        };
    }
    let mut unpacked = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes)
        .take(one_more)
        .read_to_end(&mut unpacked)
        .map_err(GzipError::Damaged)?;
    if unpacked.len() > limit {
        return Err(GzipError::TooLong(limit));
    }
    Ok(Cow::Owned(unpacked))
}

/// Below this, packing saves less than it adds.
const PACK_FROM: usize = 256;

/// The bytes, packed where that pays; `unpack` gives them back.
pub(super) fn pack(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() < PACK_FROM && !bytes.starts_with(&MAGIC) {
        bytes
    } else {
        packed(&bytes)
    }
}

/// The bytes as gzip; what is gzip already stays as it is.
pub(crate) fn zipped(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with(&MAGIC) {
        bytes
    } else {
        packed(&bytes)
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory can't fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bytes_stay_as_they_are() {
        let short = b"{}".to_vec();
        assert_eq!(pack(short.clone()), short);
        let long = vec![b'a'; PACK_FROM];
        assert!(pack(long.clone()).len() < 40);
        for bytes in [short, long, MAGIC.to_vec()] {
            assert_eq!(unpack(&pack(bytes.clone()), 1000).unwrap(), bytes);
        }
    }

    #[test]
    fn packed_and_plain_give_the_same_and_a_bomb_is_refused() {
        let bytes = b"abc".repeat(10);
        assert_eq!(unpack(&bytes, 30).unwrap(), bytes);
        assert_eq!(unpack(&packed(&bytes), 30).unwrap(), bytes);
        assert!(matches!(unpack(&bytes, 29), Err(GzipError::TooLong(29))));
        assert!(matches!(
            unpack(&packed(&vec![0; 1_000_000]), 1000),
            Err(GzipError::TooLong(1000))
        ));
        let mut cut = packed(&bytes);
        cut.truncate(20);
        assert!(matches!(unpack(&cut, 30), Err(GzipError::Damaged(_))));
    }
}
