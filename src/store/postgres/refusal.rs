//! Why a database of PostgreSQL can't be opened, in one sentence that says what would be right.
//!
//! Deliberately absent: passwords; of a URL only scheme, host and database are told.

use std::fmt::Display;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use crate::store::sql::postgres_code;
use crate::store::{StoreError, without_password};

/// A sentence about a URL.
pub(super) fn refused(url: &str, problem: impl Display, source: Option<sqlx::Error>) -> StoreError {
    StoreError::Open {
        url: without_password(url),
        problem: problem.to_string(),
        source: source.map(Arc::new),
    }
}

/// What a server's, or the network's, refusal at the door means.
pub(super) fn not_connected(
    url: &str,
    options: &PgConnectOptions,
    error: sqlx::Error,
) -> StoreError {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    let place = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let problem = match (postgres_code(&error), &error) {
        (Some("28P01" | "28000"), _) => format!(
            "the server does not let user {user} in; correct user or password, or allow it in pg_hba.conf"
        ),
        (Some("3D000"), _) => {
            format!("there is no database {database}; create it first (createdb {database})")
        }
        (Some("42501"), _) => {
            format!("user {user} may not use database {database}; grant it or name another user")
        }
        (Some("53300"), _) => "the server has no connection left; raise max_connections".to_owned(),
        (Some("57P03"), _) => "the server is starting or stopping; try again".to_owned(),
        (Some(_), _) => "the server refuses it".to_owned(),
        (None, sqlx::Error::Tls(_)) => {
            format!("no TLS with {place}; correct sslmode, or the certificates")
        }
        (None, sqlx::Error::Io(_)) => {
            format!("no server answers at {place}; start it or correct the address")
        }
        (None, _) => format!("{place} does not answer as PostgreSQL does"),
    };
    refused(url, problem, Some(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_password_is_said() {
        for (url, said) in [
            ("postgres://u:secret@host/db", "postgres://host/db"),
            (
                "postgres://u:se?cr@et@host/db?sslmode=require",
                "postgres://host/db",
            ),
            ("postgres://host/db?password=secret", "postgres://host/db"),
            ("sqlite:a.db", "sqlite:a.db"),
        ] {
            assert_eq!(without_password(url), said);
        }
    }
}
