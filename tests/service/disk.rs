//! A disk of a test's own: a file system in memory, of a given size, that can be filled and that refuses what goes beyond.
//!
//! It is mounted where only the process that holds it sees it, and whoever is started beside that one. No right is needed
//! that an ordinary user doesn't have, and it is gone with its holder, however the test ends.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::process::within;

/// What stands in the way of others until it is taken away.
const FILLING: &str = "filling";

/// A disk.
pub(crate) struct Disk {
    /// Ends when its standard input does.
    holder: Child,
    /// Where it was mounted; elsewhere an empty folder.
    _point: tempfile::TempDir,
    folder: PathBuf,
}

impl Disk {
    /// A disk of so many KiB.
    pub(crate) async fn new(kib: u32) -> Self {
        let point = tempfile::tempdir().expect("a private folder");
        let mount =
            format!("mount -t tmpfs -o size={kib}k tmpfs \"$1\" && echo mounted && exec cat");
        let mut holder = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                &mount,
                "sh",
            ])
            .arg(point.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare of util-linux runs");
        let stdout = holder.stdout.take().expect("its standard output is ours");
        let mut lines = BufReader::new(stdout).lines();
        let said = within("the mount", lines.next_line()).await;
        assert_eq!(said.expect("it says so").as_deref(), Some("mounted"));
        let id = holder.id().expect("it runs");
        let inside = point.path().strip_prefix("/").expect("an absolute path");
        let folder = Path::new("/proc")
            .join(id.to_string())
            .join("root")
            .join(inside);
        Self {
            holder,
            _point: point,
            folder,
        }
    }

    /// Where programs find it that are started beside its holder; for others the files can be read and written here.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command that will run beside the holder.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let id = self.holder.id().expect("it runs");
        command.args(["--user", "--mount", "--preserve-credentials"]);
        command.arg(format!("--target={id}")).arg(program);
        command
    }

    /// Copies a database to where everybody sees it.
    pub(crate) fn copy_out(&self, folder: &Path) {
        for name in ["service.db", "service.db-wal"] {
            let from = self.folder.join(name);
            if from.exists() {
                fs::copy(from, folder.join(name)).expect("a copy");
            }
        }
    }

    /// Leaves no byte to anybody.
    pub(crate) fn fill(&self) {
        let mut filling = File::create(self.folder.join(FILLING)).expect("a file");
        let block = [0; 4096];
        loop {
            match filling.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives back what was taken by filling.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.folder.join(FILLING)).expect("it was filled");
    }
}
