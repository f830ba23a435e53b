//! Links with which one can answer a notification: signed, for one notification, until a time.
//!
//! A token names the notification and when it ends, and bears a MAC over both and the notification's key, so that it is
//! good for that officer and that alert only and can't be made by anybody else. Deliberately absent: whether it has been
//! used; the notification's state says so.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::time::Timestamp;

/// Shortest secret that can sign: 128 bits.
pub const SECRET_LENGTH_MIN: usize = 16;

/// Longest token that is looked at.
const TOKEN_LENGTH_MAX: usize = 128;

/// What is signed besides, so that a MAC made for something else is none of ours.
const PURPOSE: &[u8] = b"bailiwick answer link 1";

/// The secret that signs links. Prints as stars.
#[derive(Clone)]
pub struct LinkKey(Hmac<Sha256>);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a token says, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The notification.
    pub id: u64,
    /// First instant at which it is not good any more.
    pub expires_at: Timestamp,
    mac: Vec<u8>,
}

impl LinkKey {
    /// A key from a secret.
    ///
    /// # Errors
    /// When the secret is so short that it could be guessed.
    pub fn new(secret: &[u8]) -> Result<Self, String> {
        if secret.len() < SECRET_LENGTH_MIN {
            let length = secret.len();
            return Err(format!(
                "a link's secret has {length} bytes; expected {SECRET_LENGTH_MIN} or more"
            ));
        }
        Hmac::new_from_slice(secret)
            .map(Self)
            .map_err(|error| format!("a link's secret can't sign: {error}"))
    }

    /// The token of a notification.
    pub fn sign(&self, id: u64, key: &str, expires_at: Timestamp) -> String {
        let seconds = expires_at.as_millis().div_euclid(1000);
        let mac = self.mac(id, key, seconds).finalize().into_bytes();
        format!("{id}.{seconds}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Whether a token was signed by us for the notification with this key. Takes as long whether it was or not.
    pub fn is_ours(&self, claimed: &Claimed, key: &str) -> bool {
        let seconds = claimed.expires_at.as_millis().div_euclid(1000);
        let mac = self.mac(claimed.id, key, seconds);
        mac.verify_slice(&claimed.mac).is_ok()
    }

    fn mac(&self, id: u64, key: &str, seconds: i64) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(PURPOSE);
        mac.update(format!("\n{id}\n{seconds}\n{key}").as_bytes());
        mac
    }
}

/// Reads a token.
pub fn read(token: &str) -> Option<Claimed> {
    if token.len() > TOKEN_LENGTH_MAX {
        return None;
    }
    let (id, rest) = token.split_once('.')?;
    let (seconds, mac) = rest.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    Some(Claimed {
        id: id.parse().ok()?,
        expires_at: Timestamp::from_millis(seconds.checked_mul(1000)?)?,
        mac: URL_SAFE_NO_PAD.decode(mac).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_notification_alone() {
        let key = LinkKey::new(b"0123456789abcdef").unwrap();
        let other = LinkKey::new(b"0123456789abcdeX").unwrap();
        let until = Timestamp::parse("2026-11-21T19:00:00Z").unwrap();
        let token = key.sign(7, "AAA/1/officer/o-1/email", until);
        let claimed = read(&token).unwrap();
        assert_eq!((claimed.id, claimed.expires_at), (7, until));
        assert!(key.is_ours(&claimed, "AAA/1/officer/o-1/email"));
        assert!(!key.is_ours(&claimed, "AAA/1/officer/o-2/email"));
        assert!(!other.is_ours(&claimed, "AAA/1/officer/o-1/email"));
        for forged in [token.replacen('7', "8", 1), token.replace(".17", ".18")] {
            let claimed = read(&forged).unwrap();
            assert!(
                !key.is_ours(&claimed, "AAA/1/officer/o-1/email"),
                "{forged}"
            );
        }
        for broken in ["", "7", "7.1", "7.1.?", "x.1.AA", &"9".repeat(200)] {
            assert_eq!(read(broken), None, "{broken}");
        }
        assert_eq!(format!("{key:?}"), "***");
        LinkKey::new(b"short").unwrap_err();
    }
}
