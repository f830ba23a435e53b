//! A folder to run the command in, and what came of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The command that is tested, without anything of our own environment that would count.
pub(crate) fn bailiwick() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
    for name in ["DATABASE_URL", "ENDPOINT_LISTEN", "WEB_LISTEN", "LOG"] {
        command.env_remove(format!("BAILIWICK_{name}"));
    }
    command.stdin(Stdio::null());
    command
}

/// A folder of one test.
pub(crate) struct Desk(TempDir);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs the command in this folder.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(bailiwick().args(words).current_dir(self.0.path()))
    }

    /// Runs it, and it must end well; what stands on standard output.
    #[track_caller]
    pub(crate) fn good(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:#?}");
        ran.out
    }

    /// Runs it, and it must fail with one sentence on standard error; the sentence.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, 1, "{words:?}: {ran:#?}");
        let last = ran.err.lines().last().unwrap_or_default();
        let sentence = last.strip_prefix("bailiwick: ");
        let sentence = sentence.unwrap_or_else(|| panic!("{words:?}: {ran:#?}"));
        assert!(!ran.err.contains("panicked"), "{ran:#?}");
        sentence.to_owned()
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Lines that are each one JSON value.
pub(crate) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text.lines().map(parse).collect()
}
