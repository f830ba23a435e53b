//! How the service tells operators what it does: log output here, numbers in [`metrics`].
//!
//! A log line is a sentence that reads alone, with fields to search by. Level and format come in as [`LogSettings`];
//! lines go to standard error, because standard output belongs to what a command prints. A line that can't be written,
//! or that nobody reads, is lost and stops nothing. Deliberately absent: reading the environment (see `config`), product logic, and every
//! person, device, place and payload.

pub mod metrics;

use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for whoever reads the log: a few MB. Beyond, new ones are lost and counted.
const LINES_WAITING_MAX: usize = 10_000;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: time, level, sentence, fields.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line is written.
    pub format: LogFormat,
    /// A level such as `info`, or directives such as `info,bailiwick::ingest=debug`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is no level and no list of directives.
    #[error(
        "{level:?} is not a log level; expected error, warn, info, debug, trace, or directives such as info,bailiwick::ingest=debug"
    )]
    Level {
        /// As given.
        level: String,
        /// Where it went wrong.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something in this process writes the log already.
    #[error("logging is set up already; it can be set up once in a process")]
    Installed,
}

/// The log of this process. What waits when it is dropped is written, for a second at most.
#[derive(Debug)]
#[must_use = "nothing is written any more when it is dropped"]
pub struct Log {
    _worker: WorkerGuard,
    lost: ErrorCounter,
}

impl Log {
    /// Lines that were lost so far, because nobody read the log.
    pub fn lost(&self) -> usize {
        self.lost.dropped_lines()
    }
}

/// Sets up logging for the whole process: a thread writes the lines, and nobody else waits for whoever reads them. Only `main`
/// does this; tests use [`subscriber`] with a scope of their own.
///
/// # Errors
/// When the level can't be read, or logging is set up already.
pub fn install(settings: &LogSettings) -> Result<Log, TelemetryError> {
    let (writer, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(io::stderr());
    let lost = writer.error_counter();
    let subscriber = subscriber(settings, writer, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|_other| TelemetryError::Installed)?;
    Ok(Log {
        _worker: worker,
        lost,
    })
}

/// What writes the log lines, to any writer, and with colours where asked for.
///
/// # Errors
/// When the level can't be read.
pub fn subscriber<W>(
    settings: &LogSettings,
    writer: W,
    colours: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&settings.level)
        .map_err(|source| TelemetryError::Level {
            level: settings.level.clone(),
            source,
        })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Otherwise a line that can't be written is reported on standard error, and panics where that is gone too.
        .log_internal_errors(false)
        .with_writer(writer);
    Ok(match settings.format {
        LogFormat::Text => Box::new(builder.with_ansi(colours).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let settings = LogSettings {
            format,
            level: level.to_owned(),
        };
        let subscriber = subscriber(&settings, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(wait_ms = 12, "the store is slow");
            tracing::debug!("not for everyone");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_is_for_people() {
        let text = logged(LogFormat::Text, "info");
        assert!(text.contains("INFO"), "{text}");
        assert!(text.contains("the store is slow wait_ms=12"), "{text}");
        assert_eq!(text.lines().count(), 1, "debug is below info: {text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(LogFormat::Json, "debug");
        assert_eq!(text.lines().count(), 2, "{text}");
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first["level"], "INFO");
        assert_eq!(first["message"], "the store is slow");
        assert_eq!(first["wait_ms"], 12);
    }

    #[test]
    fn a_level_that_is_none_is_refused_with_what_would_be_right() {
        let settings = LogSettings {
            level: "info,=,loud=very".to_owned(),
            ..LogSettings::default()
        };
        let error = subscriber(&settings, io::sink, false)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("expected error, warn, info"), "{error}");
    }
}
