//! Where a packet begins and ends: the fixed header, looked at before anything is buffered for its sake.
//!
//! Bytes in, the length of the first packet out, or why there can't be one. The length that a client announces is checked
//! against the limit when the header is there, so a promise of 256 MB costs five bytes. Deliberately absent: what is in
//! the packet (see [`super::packet`]).

/// Bytes of the longest fixed header: type and flags, and four bytes of length.
const HEADER_BYTES_MAX: usize = 5;

/// What stands at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// A whole packet of this many bytes, header included.
    Whole(usize),
    /// The beginning of one; so many bytes are missing at least.
    Part(usize),
}

/// Why what comes can't be a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unframed {
    /// Longer than allowed.
    TooLarge,
    /// A type or flags that MQTT does not know, or a length in more than four bytes.
    Malformed,
}

/// Looks at the front of a buffer. `longest` is the limit of a whole packet in bytes.
pub(super) fn front(bytes: &[u8], longest: usize) -> Result<Front, Unframed> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(Front::Part(2));
    };
    check_flags(*first)?;
    let mut remaining = 0_usize;
    for (byte, place) in rest.iter().zip(0_u32..).take(HEADER_BYTES_MAX - 1) {
        remaining |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let header = 2 + usize::try_from(place).unwrap_or_default();
            let length = header + remaining;
            return if length > longest {
                Err(Unframed::TooLarge)
            } else if length > bytes.len() {
                Ok(Front::Part(length - bytes.len()))
            } else {
                Ok(Front::Whole(length))
            };
        }
    }
    if rest.len() >= HEADER_BYTES_MAX - 1 {
        return Err(Unframed::Malformed);
    }
    Ok(Front::Part(1))
}

/// Types and flags as table 2.2 of MQTT 3.1.1 and 2-2 of MQTT 5 have them.
fn check_flags(first: u8) -> Result<(), Unframed> {
    let (kind, flags) = (first >> 4, first & 0x0f);
    let good = match kind {
        0 => false,
        // PUBLISH: quality of service 3 does not exist.
        3 => flags & 0b0110 != 0b0110,
        // PUBREL, SUBSCRIBE, UNSUBSCRIBE.
        6 | 8 | 10 => flags == 0b0010,
        _ => flags == 0,
    };
    if good {
        Ok(())
    } else {
        Err(Unframed::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONGEST: usize = 1_000;

    #[test]
    fn the_front_is_judged_from_the_header_alone() {
        for (bytes, expected) in [
            (&[][..], Ok(Front::Part(2))),
            (&[0xc0], Ok(Front::Part(1))),
            (&[0xc0, 0], Ok(Front::Whole(2))),
            (&[0xc0, 0, 0xc0], Ok(Front::Whole(2))),
            (&[0x30, 5, 0, 1], Ok(Front::Part(3))),
            (&[0x30, 0x80], Ok(Front::Part(1))),
            (&[0x30, 0xe5, 0x07], Ok(Front::Part(997))),
            // 998 and 3 bytes of header are one too many.
            (&[0x30, 0xe6, 0x07], Err(Unframed::TooLarge)),
            // Ten megabytes, and the longest that MQTT can say.
            (&[0x30, 0x80, 0xad, 0xe2, 0x04], Err(Unframed::TooLarge)),
            (&[0x30, 0xff, 0xff, 0xff, 0x7f], Err(Unframed::TooLarge)),
            (&[0x30, 0xff, 0xff, 0xff], Ok(Front::Part(1))),
            (&[0x30, 0xff, 0xff, 0xff, 0xff], Err(Unframed::Malformed)),
            // Type 0, quality of service 3, SUBSCRIBE and PINGREQ with wrong flags.
            (&[0x00, 0], Err(Unframed::Malformed)),
            (&[0x36, 0], Err(Unframed::Malformed)),
            (&[0x80, 0], Err(Unframed::Malformed)),
            (&[0xc1, 0], Err(Unframed::Malformed)),
            // "GET / HTTP" is not MQTT.
            (b"GET /", Err(Unframed::Malformed)),
        ] {
            assert_eq!(front(bytes, LONGEST), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            match front(&bytes, LONGEST) {
                Ok(Front::Whole(length)) => prop_assert!((2..=bytes.len().min(LONGEST)).contains(&length)),
                Ok(Front::Part(missing)) => prop_assert!(missing > 0 && bytes.len() + missing <= LONGEST),
                Err(_) => {}
            }
        }

        #[test]
        fn more_bytes_behind_it_change_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Front::Whole(length)) = front(&bytes, LONGEST) {
                prop_assert_eq!(front(&bytes[..length], LONGEST), Ok(Front::Whole(length)));
            }
        }
    }
}
