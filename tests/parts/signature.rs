//! Whether a webhook is signed as the Standard Webhooks specification says: computed here from SHA-256 alone.
//!
//! Deliberately absent: anything of the product, whose word is what is checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// HMAC-SHA256 as RFC 2104 has it.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let with = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new()
        .chain_update(with(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new().chain_update(with(0x5c)).chain_update(inner);
    outer.finalize().to_vec()
}

/// Whether one of the signatures is by this secret (`whsec_…`).
pub(crate) fn is_signed(
    secret: &str,
    (id, timestamp, signatures): (&str, &str, &str),
    body: &str,
) -> bool {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let expected = STANDARD.encode(hmac(&key, format!("{id}.{timestamp}.{body}").as_bytes()));
    let mut signatures = signatures.split(' ');
    signatures.any(|signature| signature.strip_prefix("v1,") == Some(expected.as_str()))
}
