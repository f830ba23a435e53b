//! A block: a wearer's reports of an hour as the log has them, compressed.
//!
//! A block is a row of segments, each the reports that were packed at one time, so that a block grows by appending and
//! is never rewritten. A segment is its length (four bytes, big end first), then a deflated run of records. Numbers in
//! a record are LEB128, times and positions as the difference from the record before. Deliberately absent: what a
//! report says; its bytes are kept as they came.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::model::effect::Outcome;
use crate::model::id::DeviceId;
use crate::model::time::Timestamp;
use crate::wire::text::Misread;

/// How segments are written.
const FORMAT: u8 = 1;

/// Most that one segment may take when inflated: the store packs no more than 32 MiB at a time.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One report of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Journal position.
    pub position: u64,
    /// The time of its step.
    pub received_at: Timestamp,
    /// The device.
    pub device: DeviceId,
    /// What became of it.
    pub outcome: Outcome,
    /// The device's bytes.
    pub raw: Bytes,
}

/// Writes a segment. The records stand in the order of their positions.
pub fn encode_segment(records: &[Record]) -> Vec<u8> {
    let mut plain = vec![FORMAT];
    let (mut position, mut received_at) = (0, 0);
    for record in records {
        number(&mut plain, record.position.wrapping_sub(position));
        let later = record.received_at.as_millis().wrapping_sub(received_at);
        // Zigzag: small differences of either sign are short.
        number(&mut plain, ((later << 1) ^ (later >> 63)).cast_unsigned());
        text(&mut plain, record.device.as_str().as_bytes());
        text(&mut plain, record.outcome.name().as_bytes());
        text(&mut plain, &record.raw);
        (position, received_at) = (record.position, record.received_at.as_millis());
    }
    framed(&plain)
}

/// Length and deflated bytes.
fn framed(plain: &[u8]) -> Vec<u8> {
    let mut deflated = DeflateEncoder::new(vec![0; 4], Compression::default());
    let written = deflated.write_all(plain).and_then(|()| deflated.finish());
    let mut segment = written.expect("writing to memory can't fail");
    let length = u32::try_from(segment.len() - 4).expect("the store packs far less than 4 GiB");
    for (to, from) in segment.iter_mut().zip(length.to_be_bytes()) {
        *to = from;
    }
    segment
}

fn number(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(0x80 | u8::try_from(value & 0x7f).unwrap_or_default());
        value >>= 7;
    }
    to.push(u8::try_from(value).unwrap_or_default());
}

fn text(to: &mut Vec<u8>, bytes: &[u8]) {
    number(to, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    to.extend_from_slice(bytes);
}

/// Reads all segments of a block, in their order.
///
/// # Errors
/// When the block is cut short, damaged, or of a format that is not known.
pub fn decode(mut block: &[u8]) -> Result<Vec<Record>, Misread> {
    let mut records = Vec::new();
    while !block.is_empty() {
        let (length, rest) = block
            .split_first_chunk::<4>()
            .ok_or_else(|| misread("it ends within a segment's length"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (segment, rest) = rest
            .split_at_checked(length)
            .ok_or_else(|| misread("it ends within a segment"))?;
        let mut plain = Vec::new();
        DeflateDecoder::new(segment)
            .take(SEGMENT_BYTES_MAX)
            .read_to_end(&mut plain)
            .map_err(|error| misread(error.to_string()))?;
        decode_segment(&Bytes::from(plain), &mut records)?;
        block = rest;
    }
    Ok(records)
}

fn decode_segment(plain: &Bytes, records: &mut Vec<Record>) -> Result<(), Misread> {
    let mut cursor = Cursor { plain, at: 0 };
    let format = cursor.byte()?;
    if format != FORMAT {
        return Err(misread(format!(
            "a segment has format {format}, this release reads format {FORMAT}"
        )));
    }
    let (mut position, mut received_at) = (0_u64, 0_i64);
    while cursor.at < plain.len() {
        position = position.wrapping_add(cursor.number()?);
        let zigzag = cursor.number()?;
        let later = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        received_at = received_at.wrapping_add(later);
        let device = cursor.word()?;
        let outcome = cursor.word()?;
        records.push(Record {
            position,
            received_at: Timestamp::from_millis(received_at)
                .ok_or_else(|| misread("a time is out of range"))?,
            device: DeviceId::parse(&device).map_err(|_id| misread("a device id is none"))?,
            outcome: Outcome::parse(&outcome).ok_or_else(|| misread("an outcome is none"))?,
            raw: cursor.bytes()?,
        });
    }
    Ok(())
}

struct Cursor<'a> {
    plain: &'a Bytes,
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, Misread> {
        let byte = self.plain.get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(|| misread("a segment ends within a record"))
    }

    fn number(&mut self) -> Result<u64, Misread> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(misread("a number has no end"))
    }

    fn bytes(&mut self) -> Result<Bytes, Misread> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let end = self.at.saturating_add(length);
        if end > self.plain.len() {
            return Err(misread("a segment ends within a record"));
        }
        let bytes = self.plain.slice(self.at..end);
        self.at = end;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<String, Misread> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_utf8| misread("a word is no text"))
    }
}

fn misread(problem: impl Into<String>) -> Misread {
    Misread {
        what: "a block of reports",
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = Record> {
        (
            any::<u64>(),
            -1_000_000_000_000..=253_402_300_799_999_i64,
            "[a-z0-9]{1,12}",
            proptest::sample::select(Outcome::ALL),
            proptest::collection::vec(any::<u8>(), 0..300),
        )
            .prop_map(|(position, millis, device, outcome, raw)| Record {
                position,
                received_at: Timestamp::from_millis(millis).unwrap(),
                device: DeviceId::parse(&device).unwrap(),
                outcome,
                raw: Bytes::from(raw),
            })
    }

    proptest! {
        #[test]
        fn segments_read_back(segments in proptest::collection::vec(
            proptest::collection::vec(record(), 0..20), 0..4)
        ) {
            let block: Vec<u8> = segments.iter().flat_map(|records| encode_segment(records)).collect();
            prop_assert_eq!(decode(&block).unwrap(), segments.concat());
        }

        #[test]
        fn a_damaged_block_is_an_error_or_other_records_never_a_panic(
            records in proptest::collection::vec(record(), 1..5), at in any::<proptest::sample::Index>(), byte in any::<u8>()
        ) {
            let mut block = encode_segment(&records);
            let at = at.index(block.len());
            block[at] = byte;
            drop(decode(&block));
            drop(decode(&block[..at]));
        }
    }

    #[test]
    fn an_unknown_format_is_refused_by_name() {
        assert_eq!(
            decode(&framed(&[9])).unwrap_err().to_string(),
            "a block of reports can't be read: a segment has format 9, this release reads format 1"
        );
    }
}
