//! Where results and remarks go.
//!
//! Results are written to standard output through one buffer; a reader that goes away (`| head`) ends the command quietly.
//! Deliberately absent: logs of the service (see `telemetry`).

use std::io::{self, BufWriter, Write as _};

/// Standard output, buffered.
#[derive(Debug)]
pub(super) struct Output(BufWriter<io::Stdout>);

impl Output {
    /// Standard output.
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    /// Writes text as it is.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.text(line)?;
        self.text("\n")
    }

    /// Everything is out.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Says something about the work to whoever watches, apart from the results.
pub fn remark(text: &str) {
    // Nobody can be told that nobody can be told.
    writeln!(io::stderr(), "{text}").unwrap_or_default();
}
