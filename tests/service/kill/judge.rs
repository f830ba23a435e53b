//! What must hold after all kills: the stored log and what followed from it, against ledgers and the simple evaluator; and
//! what the receiver was told, against what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bailiwick::model::alert::{RevisionKind, Rule, Status};
use bailiwick::model::event::Event;
use bailiwick::model::id::{AlertId, ContentHash};
use bailiwick::model::report::Report;
use bailiwick::model::time::Timestamp;
use bailiwick::store::{self, AlertFilter, ONLY_PARTITION, Store};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::device::Ledger;
use super::{agency, owed};
use crate::sink::{Request, Sink};

/// Limit of the wait for the last notice: one that failed twice comes after five minutes. Only a failing test waits longer.
const LAST_NOTICE: Duration = Duration::from_mins(7);

/// Notices that are on their way to one receiver at once. A kill may double those whose answer was not yet written down.
const AT_ONCE: u64 = 16;

/// One episode of an alert: whose, which rule, since when, until when.
pub(crate) type Told = (String, Rule, Timestamp, Option<Timestamp>);

/// A revision of an alert.
pub(super) type Revision = (String, u64);

/// What is told to somebody and how often.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// By key: what it said, and how often it came.
    by_key: BTreeMap<String, (Said, u64)>,
    /// Keys under which different things were said.
    mixed: Vec<String>,
}

/// Kind, alert and revision.
type Said = (String, String, u64);

impl Notices {
    /// Takes what comes until all these revisions have come.
    pub(super) async fn until(sink: &Sink, wanted: &BTreeSet<Revision>) -> Self {
        let mut notices = Self::default();
        let mut missing = wanted.clone();
        let mut seen = 0;
        let all = async {
            while !missing.is_empty() {
                let new = sink.after(seen).await;
                seen += new.len();
                for request in &new {
                    missing.remove(&notices.take(request));
                }
            }
        };
        let came = timeout(LAST_NOTICE, all).await;
        assert!(
            came.is_ok(),
            "{} of {} revisions were not told to the receiver: {missing:?}",
            missing.len(),
            wanted.len()
        );
        notices
    }

    fn take(&mut self, request: &Request) -> Revision {
        let body: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let revision = body["data"]["revision"].as_u64().expect("a revision");
        let said = (text(&body["type"]), text(&body["data"]["id"]), revision);
        let key = request.headers.get("webhook-id").expect("a key").clone();
        let told = (said.1.clone(), revision);
        let entry = self.by_key.entry(key.clone());
        let (before, count) = entry.or_insert_with(|| (said.clone(), 0));
        *count += 1;
        if *before != said {
            self.mixed.push(key);
        }
        told
    }

    /// How many came again, under the key that they had.
    fn repeated(&self) -> u64 {
        self.by_key.values().map(|(_, count)| count - 1).sum()
    }

    /// What was said under more than one key.
    fn doubled(&self) -> usize {
        let said: BTreeSet<&Said> = self.by_key.values().map(|(said, _)| said).collect();
        self.by_key.len() - said.len()
    }
}

/// All revisions that somebody is to be told of.
pub(super) async fn revisions(url: &str) -> BTreeSet<Revision> {
    let store = store::connect_to_read(url).await.expect("it can be read");
    let mut wanted = BTreeSet::new();
    for (id, _) in told(&*store).await {
        let found = store.alert(&agency(), id).await.expect("an alert");
        let revisions = found.expect("it is there").revisions;
        // That the same was reported again is shown, and nobody is notified of it.
        let told = revisions.iter();
        let told = told.filter(|alert| alert.revision_kind != RevisionKind::Repeated);
        wanted.extend(told.map(|alert| (id.to_string(), u64::from(alert.revision))));
    }
    assert!(!wanted.is_empty(), "no alert at all: nothing was tested");
    wanted
}

/// Waits until a broker has taken all that is for desks and officers: behind one, nothing waits for a subscriber.
pub(super) async fn all_are_sent(url: &str) {
    let store = store::connect_to_read(url).await.expect("it can be read");
    let sent = async {
        loop {
            let backlog = store.outbox_backlog().await.expect("the outbox");
            if !backlog.iter().any(|lane| lane.channel == store::MQTT) {
                return;
            }
        }
    };
    let sent = timeout(LAST_NOTICE, sent).await;
    assert!(sent.is_ok(), "notifications to the broker are left");
}

/// What is to be judged.
pub(super) struct Case<'a> {
    pub(super) name: String,
    pub(super) url: &'a str,
    pub(super) ledgers: &'a [Ledger],
    pub(super) notices: &'a Notices,
    pub(super) kills: u64,
    /// Whether an acknowledgement means that a report is stored.
    pub(super) acknowledged_is_stored: bool,
}

/// Says what came of it in one line, and fails where anything is wrong.
pub(super) async fn judge(case: Case<'_>) {
    let (store, writer) = store::connect(case.url).await.expect("the database opens");
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run());
    let reports = accepted(&*store).await;
    let missing = not_stored(&case, &reports);
    let owed: BTreeSet<Told> = reports
        .values()
        .flat_map(|reports| owed::episodes(reports))
        .collect();
    let told: Vec<Told> = told(&*store)
        .await
        .into_iter()
        .map(|(_, told)| told)
        .collect();
    let missed: Vec<&Told> = owed.iter().filter(|owed| !told.contains(owed)).collect();
    let unowed: Vec<&Told> = told.iter().filter(|told| !owed.contains(told)).collect();
    let doubled = told.len() - told.iter().collect::<BTreeSet<_>>().len();
    let count: usize = reports.values().map(Vec::len).sum();
    let notices = case.notices;
    let (repeated, most) = (notices.repeated(), case.kills * AT_ONCE);
    println!(
        "{}: {count} reports, {} alerts owed: missed {}, doubled {doubled}, not owed {}, receipted and not stored {missing}; {} \
         notices, missing 0, doubled {}, again under the same key {repeated} (at most {most})",
        case.name,
        owed.len(),
        missed.len(),
        unowed.len(),
        notices.by_key.len(),
        notices.doubled(),
    );
    assert!(missed.is_empty(), "missed: {missed:?}");
    assert!(unowed.is_empty(), "not owed: {unowed:?}");
    assert_eq!((doubled, missing), (0, 0));
    assert_eq!(notices.doubled(), 0, "said under two keys");
    assert!(notices.mixed.is_empty(), "one key: {:?}", notices.mixed);
    assert!(repeated <= most, "{repeated} notices came again");
    nothing_waits(&*store).await;
}

/// Reports that somebody was told are stored, and are not.
fn not_stored(case: &Case<'_>, reports: &BTreeMap<String, Vec<Report>>) -> usize {
    let mut missing = 0;
    for ledger in case.ledgers {
        let stored = reports.get(&ledger.device).expect("a device's reports");
        let by_seq: BTreeMap<u64, ContentHash> = stored
            .iter()
            .map(|report| (report.seq.expect("a number"), report.content))
            .collect();
        let acknowledged = ledger.acknowledged.iter();
        let acknowledged = acknowledged.filter(|_| case.acknowledged_is_stored);
        for seq in ledger.receipted.iter().chain(acknowledged) {
            let sent = ledger.sent.get(seq);
            let sent = sent.expect("only what was sent is receipted");
            missing += usize::from(by_seq.get(seq) != Some(sent));
        }
        assert_eq!(
            ledger.receipted.len(),
            ledger.sent.len(),
            "all is receipted at the end"
        );
    }
    missing
}

/// No notification to the desk is left. Whatever was leased by those who were killed has run out by then.
async fn nothing_waits(store: &dyn Store) {
    let everything = store::Lease {
        channel: store::MQTT.to_owned(),
        owner: "test".to_owned(),
        now: Timestamp::MAX,
        due_by: Timestamp::MAX,
        until: Timestamp::MAX,
        limit: 10,
        share: store::Share::Fair {
            agency: 10,
            receiver: 10,
        },
    };
    let waiting = store.outbox_lease(&everything).await.expect("the outbox");
    let of_desk = |row: &&store::OutboxRow| row.notification.target == store::OutboxTarget::Desk;
    assert_eq!(
        waiting.iter().filter(of_desk).count(),
        0,
        "a notification is left"
    );
}

/// The reports of each device in the order of the log, each once.
async fn accepted(store: &dyn Store) -> BTreeMap<String, Vec<Report>> {
    let mut reports: BTreeMap<String, Vec<Report>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut after = 0;
    loop {
        let rows = store
            .journal(ONLY_PARTITION, after, 5_000)
            .await
            .expect("the journal can be read");
        let Some(last) = rows.last() else {
            return reports;
        };
        after = last.stamped.position;
        for row in rows {
            if let Event::Report { report, .. } = row.stamped.event {
                let device = report.device.to_string();
                if seen.insert((device.clone(), report.seq)) {
                    reports.entry(device).or_default().push(*report);
                }
            }
        }
    }
}

/// All alerts as they stand in the database. A doubled one would stand under another id.
async fn told(store: &dyn Store) -> Vec<(AlertId, Told)> {
    let mut told = Vec::new();
    let mut after: Option<(Timestamp, AlertId)> = None;
    loop {
        let filter = AlertFilter {
            after,
            limit: 500,
            ..AlertFilter::default()
        };
        let page = store.alerts(&agency(), &filter).await.expect("a list");
        let Some(last) = page.last() else {
            return told;
        };
        after = Some((last.opened_at, last.alert.id));
        for item in page {
            let alert = item.alert;
            let end = alert.end.filter(|_| alert.status == Status::Ended);
            let episode = (alert.wearer.to_string(), alert.rule, alert.start, end);
            told.push((alert.id, episode));
        }
    }
}
