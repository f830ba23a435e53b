//! A private PostgreSQL: a cluster in a folder of its own, reached by a socket in that folder, gone with this process.
//!
//! A shell starts the server and waits for the end of its input, which comes with the end of this process, however that
//! ends; then it stops the server and removes the folder. PostgreSQL refuses to run as root: root's tests let it run as
//! `postgres`. Deliberately absent: a port (nobody else can come in), and a server that was there before.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// Starts, says so, and waits for the end of its input.
const SERVER: &str = r#"
cd "$1" && PATH=$2:$PATH && LC_ALL=C && export LC_ALL
initdb --pgdata data --username bailiwick --auth trust --encoding UTF8 --no-sync >setup.log 2>&1 || exit 1
cat >>data/postgresql.conf <<END
listen_addresses = ''
unix_socket_directories = '$1'
fsync = $3
max_connections = 300
END
printf '%s\n' 'local all stranger scram-sha-256' 'local all all trust' >data/pg_hba.conf
# What is left of a killed server may be in the way for a moment.
start() {
    for _ in 1 2 3 4 5 6 7 8 9; do
        pg_ctl --pgdata data --log server.log --wait start >>setup.log 2>&1 && return
    done
    return 1
}
# A test may kill the server and have it started again by a line.
while start && echo ready && read -r _; do :; done
pg_ctl --pgdata data --mode immediate --wait stop >>setup.log 2>&1
cd / && rm -rf "$1"
"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
    databases: AtomicU32,
    shell: Mutex<Shell>,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
}

/// The server that all tests of this process share, each with databases of its own.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

/// Where the newest server's programs are: on the path, or where Debian keeps them.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let path = version.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, path.join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map_or_else(PathBuf::new, |(_, path)| path)
}

/// As whom a server can run: nobody else where we are not root.
fn ordinary_user() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let root = fs::metadata("/proc/self").is_ok_and(|ours| ours.uid() == 0);
    root.then_some("postgres")
}

impl Cluster {
    /// A server of its own, which ends when this is dropped. It survives a kill, though not a power cut.
    pub(crate) fn start() -> Self {
        Self::with("off")
    }

    /// The same, which waits for the disk.
    pub(crate) fn durable() -> Self {
        Self::with("on")
    }

    fn with(fsync: &str) -> Self {
        // Not below the private folder of root's tests, which no other user may enter.
        let parent = match ordinary_user() {
            Some(_) => PathBuf::from("/tmp"),
            None => std::env::temp_dir(),
        };
        let folder = tempfile::Builder::new()
            .prefix("bailiwick-pg.")
            .tempdir_in(parent)
            .expect("a folder can be made")
            .keep();
        let binaries = binaries();
        let mut command = match ordinary_user() {
            Some(user) => {
                let owned = Command::new("chown").arg(user).arg(&folder).status();
                assert!(owned.is_ok_and(|status| status.success()), "chown {user}");
                let mut command = Command::new("setpriv");
                let who = [format!("--reuid={user}"), format!("--regid={user}")];
                command.args(who).args(["--clear-groups", "sh"]);
                command
            }
            None => Command::new("sh"),
        };
        let mut child = command
            .args(["-c", SERVER, "postgres"])
            .args([&folder, &binaries])
            .arg(fsync)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let output = BufReader::new(child.stdout.take().expect("its output is ours"));
        let mut shell = Shell {
            input: child.stdin.take(),
            child,
            output,
        };
        shell.wait_ready(&folder);
        Self {
            folder,
            binaries,
            databases: AtomicU32::new(0),
            shell: Mutex::new(shell),
        }
    }

    /// A new, empty database; answers its URL.
    pub(crate) fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.run("createdb", &[&name]);
        self.url(&name)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, name: &str) -> String {
        let folder = self.folder.display();
        format!("postgres:///{name}?host={folder}&user=bailiwick")
    }

    /// Where clients connect.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Kills the server, as a power cut would.
    pub(crate) fn kill(&self) {
        let lines = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let id = lines.lines().next().expect("its first line is its id");
        // Its children notice and end.
        let killed = Command::new("kill").args(["-KILL", id]).status();
        assert!(killed.is_ok_and(|status| status.success()), "kill {id}");
        while Path::new("/proc").join(id).exists() {
            std::thread::yield_now();
        }
    }

    /// Starts a server again that was killed.
    pub(crate) fn restart(&self) {
        let mut shell = self.shell.lock().expect("nobody has panicked with it");
        let input = shell.input.as_mut().expect("it is open as long as this");
        input.write_all(b"again\n").expect("the shell listens");
        shell.wait_ready(&self.folder);
    }

    /// Runs one of the server's programs.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(self.binaries.join(program))
            .arg("--host")
            .arg(&self.folder)
            .args(["--username", "bailiwick"])
            .args(arguments)
            .output()
            .expect("the program is there");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {said}");
    }
}

impl Shell {
    fn wait_ready(&mut self, folder: &Path) {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        if read.is_err() || line != "ready\n" {
            let logs = ["setup.log", "server.log"].map(|log| fs::read_to_string(folder.join(log)));
            panic!("PostgreSQL does not start (Debian's package is postgresql): {logs:?}");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().expect("nobody has panicked with it");
        drop(shell.input.take());
        drop(shell.child.wait());
    }
}
