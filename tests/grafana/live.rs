//! The whole chain: a service, a real Prometheus with our configuration and rules, every expression asked of it.
//!
//! What parses may still not be evaluated, such as two series that can't be joined. Scrapes and rules run every second
//! here, so that the test need not wait. Deliberately absent: numbers; the cases of the rules have them.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::expressions::{dashboards, of_dashboard, substituted};
use crate::scrape::{Service, TOKEN};
use crate::{files, list, none, read, text};

/// Longest wait for anything. Only a failing test gets near it.
const LIMIT: Duration = Duration::from_mins(2);

/// A Prometheus that is killed with its guard.
struct Prometheus {
    child: Child,
    address: String,
    /// One for all questions: a connection for each, asked as fast as it answers, uses up the ports of the machine.
    agent: ureq::Agent,
    folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts it on our sample configuration, with this service as its target.
    fn start(service: &Service) -> Self {
        let folder = tempfile::tempdir().expect("a private folder");
        configure(folder.path(), service);
        // It does not say which port it was given, so it must be told one.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        drop(listener);
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.path().join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Prometheus starts; scripts/test installs it");
        Self {
            child,
            address,
            agent: ureq::Agent::new_with_defaults(),
            folder,
        }
    }

    /// What it answers, or nothing while it does not.
    fn asked(&self, path: &str) -> Option<Value> {
        let asked = self.agent.get(format!("http://{}{path}", self.address));
        let mut answer = asked.call().ok()?;
        answer.body_mut().read_json().ok()
    }

    /// What an expression gives now.
    fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let url = format!("http://{}/api/v1/query", self.address);
        let asked = self
            .agent
            .post(url)
            .config()
            .http_status_as_error(false)
            .build()
            .send_form([("query", expression)]);
        let mut answer = asked.map_err(|error| error.to_string())?;
        let answer: Value = answer.body_mut().read_json().map_err(|e| e.to_string())?;
        if answer["status"] == "success" {
            Ok(list(&answer, "/data/result").to_vec())
        } else {
            Err(answer["error"].to_string())
        }
    }

    /// Waits until something holds.
    #[expect(
        clippy::disallowed_methods,
        reason = "the limit of a wait for another program, not a duration that is shown"
    )]
    fn wait(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) || began.elapsed() > LIMIT {
                self.child.kill().expect("it can be killed");
                let mut said = String::new();
                let errors = self.child.stderr.take();
                drop(errors.map(|mut errors| errors.read_to_string(&mut said)));
                panic!("{what} did not happen: {said}");
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Our configuration and rules, with this service as target and a second in the place of longer times.
fn configure(folder: &Path, service: &Service) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    let token = folder.join("token");
    write("token", TOKEN);
    let sample = read("grafana/prometheus/prometheus.yml");
    let replaced = [
        ("/run/secrets/metrics-token", &*token.to_string_lossy()),
        ("bailiwick:8080", &service.page),
        ("_interval: 15s", "_interval: 1s"),
    ];
    let configuration = replaced.iter().fold(sample, |text, (from, to)| {
        assert!(text.contains(from), "the sample has no {from}");
        text.replace(from, to)
    });
    write("prometheus.yml", &configuration);
    fs::create_dir(folder.join("rules")).expect("a folder");
    for file in files("grafana/prometheus/rules", ".yml") {
        let rules = read(&file);
        let quick = rules.replace("interval: 15s", "interval: 1s");
        let name = Path::new(&file).file_name().expect("a name");
        let path = folder.join("rules").join(name);
        fs::write(path, quick.replace("interval: 1m\n", "interval: 1s\n")).expect("a file");
    }
}

/// Expressions that rightly give nothing in a service of which nothing was asked yet.
fn may_be_empty(expression: &str) -> bool {
    // Shares and ages of what did not happen, changes, and what only a rule over the past hour or day knows.
    ["> 0)", "changes(", "bailiwick:"]
        .iter()
        .any(|part| expression.contains(part))
}

#[test]
fn prometheus_evaluates_all_rules_and_every_expression() {
    let service = Service::start();
    let mut prometheus = Prometheus::start(&service);
    prometheus.wait("an evaluation of all rules", |prometheus| {
        let Some(rules) = prometheus.asked("/api/v1/rules") else {
            return false;
        };
        let groups = list(&rules, "/data/groups").iter();
        let mut rules = groups.flat_map(|group| list(group, "/rules"));
        rules.all(|rule| text(rule, "/health") == "ok")
    });
    // Two scrapes, so that there are rates.
    prometheus.wait("the second scrape", |prometheus| {
        let seen = prometheus.query("count_over_time(up{job=\"bailiwick\"}[5m]) > 2");
        seen.is_ok_and(|seen| !seen.is_empty())
    });
    let firing = "ALERTS{alertname=\"BailiwickWatchdog\", alertstate=\"firing\"}";
    prometheus.wait("the watchdog", |prometheus| {
        prometheus.query(firing).is_ok_and(|found| found.len() == 1)
    });
    let mut found = Vec::new();
    for (file, dashboard) in dashboards() {
        for expression in of_dashboard(&file, &dashboard) {
            let text = substituted(&expression.text);
            match prometheus.query(&text) {
                Err(error) => found.push(format!("{}: {error}", expression.place)),
                Ok(series) if series.is_empty() && !may_be_empty(&text) => {
                    found.push(format!("{}: nothing: {text}", expression.place));
                }
                Ok(_) => {}
            }
        }
    }
    none("expressions that Prometheus does not answer", &found);
    let alarms = "ALERTS{alertname!=\"BailiwickWatchdog\", alertstate=\"firing\"}";
    let alarms = prometheus.query(alarms).expect("an answer");
    assert!(alarms.is_empty(), "a service that is well: {alarms:?}");
    // Kept until here, because Prometheus writes into it.
    assert!(prometheus.folder.path().join("data").exists());
}
