//! Gzip, recognised by its first two bytes.
//!
//! Zones and feeds may be packed. Deliberately absent: writing it, and file names.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;

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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn packed_and_plain_give_the_same_and_a_bomb_is_refused() {
        let packed = |bytes: &[u8]| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
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
