//! What a server must be and how it must be set, looked at once at the start.
//!
//! What can't work is refused; what works and may lose something is said aloud. Deliberately absent: settings that a
//! session can make for itself, which it does (see `open`).

use sqlx::postgres::PgConnection;
use tracing::warn;

use super::refusal::refused;
use crate::store::StoreError;
use crate::store::sql::answered;

/// The oldest server that is looked after by its makers and that the suite runs on.
const OLDEST: i32 = 140_000;

/// What we ask of a server.
const ASK: &str = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
    current_setting('server_encoding'), pg_is_in_recovery(), current_setting('synchronous_commit'), \
    current_setting('fsync'), current_setting('full_page_writes')";

/// What it answers.
type Answer = (i32, String, String, bool, String, String, String);

/// Looks at a server.
pub(super) async fn check(url: &str, connection: &mut PgConnection) -> Result<(), StoreError> {
    let asked = sqlx::query_as(ASK).fetch_one(connection);
    let (number, version, encoding, replica, commit, fsync, pages): Answer =
        answered(asked).await?;
    if number < OLDEST {
        let problem = format!("the server is PostgreSQL {version}; expected 14 or newer");
        return Err(refused(url, problem, None));
    }
    if encoding != "UTF8" {
        let problem = format!(
            "the database is encoded as {encoding}; create one with UTF8 (createdb --encoding UTF8 --template template0)"
        );
        return Err(refused(url, problem, None));
    }
    if replica {
        let problem = "the server is a replica, which can't be written to; name the primary";
        return Err(refused(url, problem, None));
    }
    for risk in risks(&commit, &fsync, &pages) {
        warn!("{risk}");
    }
    Ok(())
}

/// What may be lost as the server is set.
fn risks(commit: &str, fsync: &str, pages: &str) -> Vec<&'static str> {
    let mut risks = Vec::new();
    if commit == "off" {
        risks.push(
            "the server's synchronous_commit is off; this service commits synchronously all the same, other programs don't",
        );
    }
    if commit == "local" {
        risks.push(
            "the server's synchronous_commit is local; what is acknowledged is lost when its standby has to take over",
        );
    }
    if fsync == "off" {
        risks.push(
            "the server's fsync is off: a power cut may lose what was acknowledged, or everything",
        );
    }
    if pages == "off" {
        risks.push("the server's full_page_writes is off: a power cut may damage the database");
    }
    risks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_lose_something_is_said() {
        for (settings, expected) in [
            (["on", "on", "on"], 0),
            (["remote_apply", "on", "on"], 0),
            (["off", "on", "on"], 1),
            (["local", "off", "off"], 3),
        ] {
            let [commit, fsync, pages] = settings;
            assert_eq!(risks(commit, fsync, pages).len(), expected, "{settings:?}");
        }
    }
}
