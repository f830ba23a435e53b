//! The file that a recording is written into, line by line, or standard output.
//!
//! Written beside its place and moved there at the end, so that half a recording is never taken for a whole one.
//! Deliberately absent: what a line says.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cli::name;
use crate::cli::sink::{Sink, is_packed, written};
use crate::config::reading;

/// A recording under way.
pub(super) struct Recording {
    sink: Sink,
    place: Option<Place>,
}

/// Where it stands while it is written, and where it comes to stand.
struct Place {
    partial: PathBuf,
    path: PathBuf,
    file: File,
}

impl Recording {
    /// Begins one: a file, packed where its name ends in .gz, or standard output where there is none or it is `-`.
    pub(super) fn create(out: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = out.filter(|path| *path != Path::new("-")) else {
            let sink = Sink::new(Box::new(io::stdout()), false);
            return Ok(Self { sink, place: None });
        };
        let mut partial = path.as_os_str().to_owned();
        partial.push(".part");
        let partial = PathBuf::from(partial);
        let opened = File::create(&partial).and_then(|file| Ok((file.try_clone()?, file)));
        let (target, file) = opened.map_err(|cause| {
            let reason = reading::sentence(&cause);
            anyhow::anyhow!("{} can't be written: {reason}", name(&partial))
        })?;
        let place = Place {
            partial,
            path: path.to_owned(),
            file,
        };
        Ok(Self {
            sink: Sink::new(Box::new(target), is_packed(path)),
            place: Some(place),
        })
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: &str) -> anyhow::Result<()> {
        let result = writeln!(self.sink, "{line}");
        written(self.path(), result)
    }

    /// What was written so far can be read by others.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let result = self.sink.flush();
        written(self.path(), result)
    }

    /// All is written: it is brought to its place.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let path = self.path().to_owned();
        written(&path, self.sink.finish())?;
        let Some(place) = self.place else {
            return Ok(());
        };
        let placed = place
            .file
            .sync_all()
            .and_then(|()| std::fs::rename(&place.partial, &place.path));
        placed.with_context(|| format!("failed to write {}", name(&place.path)))
    }

    /// It failed, and can be made again: nothing is left of it.
    pub(super) fn discard(self) {
        if let Some(place) = self.place {
            // Why it failed is worth more than that half of it could not be removed.
            std::fs::remove_file(place.partial).unwrap_or_default();
        }
    }

    /// It failed, and nobody can make it again: what there is stays beside its place, which is given back.
    pub(super) fn leave(self) -> Option<PathBuf> {
        let place = self.place?;
        // The end may be what failed; what was flushed before it can be read all the same.
        self.sink.finish().unwrap_or_default();
        Some(place.partial)
    }

    fn path(&self) -> &Path {
        let place = self.place.as_ref();
        place.map_or(Path::new("-"), |place| &place.path)
    }
}
