//! A report over which judging breaks: a mistake of ours that must not become everybody's.
//!
//! What was judged before it is stored and the engine is brought back from the journal, as at a start. Deadlines that are due
//! have their turn alone, and the report is tried once more: so it is known that it is the cause. Then it is kept with the
//! messages that can't be read, counted and acknowledged, and never comes again; everybody else goes on. Deliberately absent:
//! deadlines and changes over which judging breaks. They end the service, because nothing could be taken away to go on.

use tokio::task::JoinSet;
use tracing::error;

use super::delivery::{Delivery, Received, UNREADABLE_BYTES_MAX, Unreadable};
use super::health::Trouble;
use super::{Pipeline, PipelineError, outcome, recovery};
use crate::model::event::Event;
use crate::model::id::AgencyId;
use crate::store::ONLY_PARTITION;

/// Deliveries that wait because judging broke over the first report of the first of them.
#[derive(Debug)]
pub(super) struct Suspended(pub(super) Vec<Delivery>);

impl Suspended {
    /// Takes the report out over which judging broke.
    fn suspect(&mut self) -> Option<(AgencyId, Received)> {
        let first = self.0.first_mut()?;
        let reports = &mut first.content.reports;
        (!reports.is_empty()).then(|| (first.agency.clone(), reports.remove(0)))
    }
}

impl Pipeline {
    /// Finds out whether the report is the cause, keeps it apart if so, and takes in the rest.
    pub(super) async fn isolate(&mut self, mut suspended: Suspended) -> Result<(), PipelineError> {
        loop {
            self.bring_back().await?;
            self.judge_event(Event::Tick);
            if let Some((agency, suspect)) = suspended.suspect() {
                let now = self.around.clock.now();
                let received_at = suspended.0.first().and_then(|first| first.received_at);
                let now = received_at.unwrap_or(now);
                let Received { report, raw } = suspect;
                match self.judge.report(now, &agency, report, raw) {
                    Ok(Some(entry)) => self.draft.add(entry),
                    Ok(None) => {}
                    Err(suspect) => {
                        self.keep_apart(agency, *suspect);
                        self.bring_back().await?;
                    }
                }
            }
            match self.take_in(&mut suspended.0) {
                Ok(()) => return Ok(()),
                Err(again) => suspended = again,
            }
        }
    }

    fn keep_apart(&mut self, agency: AgencyId, suspect: Received) {
        self.around.metrics.kept_apart();
        error!(
            position = self.cursor,
            "judging a report panicked, twice; it is kept with the unreadable messages, and all others go on"
        );
        let Received { report, raw } = suspect;
        let message = Unreadable {
            agency,
            device: Some(report.device),
            topic: "(a report that could be read)".to_owned(),
            length: raw.len(),
            bytes: raw.slice(..raw.len().min(UNREADABLE_BYTES_MAX)),
            problem: "judging it failed by a mistake of ours, so that it is not judged; nothing is wrong with the device"
                .to_owned(),
        };
        self.draft.keep(message, self.around.clock.now());
    }

    /// Stores what was judged before judging broke, and makes the engine anew from what is stored.
    async fn bring_back(&mut self) -> Result<(), PipelineError> {
        self.is_broken = true;
        while self.flight.is_some() || !self.draft.is_empty() {
            self.take_off();
            if let Some(landed) = self.commits.join_next().await {
                self.land(outcome(landed)?);
            }
        }
        // What was asked of the broken one is asked again.
        self.histories = JoinSet::new();
        let recovered = recovery::recover(&self.around, ONLY_PARTITION, &self.settings).await?;
        self.around.health.clear(Trouble::Starting);
        self.judge = recovered.judge;
        self.epoch = recovered.epoch;
        self.cursor = recovered.cursor;
        self.recalls = recovered.recalls.into();
        self.is_broken = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::sync::oneshot;
    use tokio::task::JoinSet;

    use super::*;
    use crate::clock::SystemClock;
    use crate::model::id::DeviceId;
    use crate::pipeline::announcements::Announcements;
    use crate::pipeline::delivery::{Content, Inlet, Receipt};
    use crate::pipeline::health::Health;
    use crate::pipeline::{CheckpointLimits, LEASE, Parts, Settings};
    use crate::store::{self, Store};
    use crate::telemetry::metrics::Metrics;
    use crate::wire::report;

    fn agency() -> AgencyId {
        AgencyId::parse("demo").unwrap()
    }

    /// One message of these devices, each with one report of that number.
    fn content(devices: &[&str], seq: u64) -> Content {
        let mut all = Content::default();
        for device in devices {
            let raw = format!(r#"{{"boot":"b1","seq":{seq},"at":"2026-11-21T19:00:00Z"}}"#);
            let device = DeviceId::parse(device).unwrap();
            let read = report::decode(&agency(), &device, "", Bytes::from(raw));
            all.reports.extend(read.reports);
        }
        all
    }

    async fn stored(store: &dyn Store) -> Vec<String> {
        let rows = store.journal(ONLY_PARTITION, 0, 100).await.unwrap();
        let device = |event: &Event| {
            let Event::Report { report, .. } = event else {
                return None;
            };
            Some(format!("{}/{}", report.device, report.seq.unwrap()))
        };
        let devices = rows.iter().filter_map(|row| device(&row.stamped.event));
        devices.collect()
    }

    /// Fault F015: judging breaks over one device's report in the middle of a message and of a batch.
    #[tokio::test]
    async fn a_report_over_which_judging_breaks_is_kept_apart_and_others_go_on() {
        let (store, writer) = store::connect("sqlite::memory:").await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run());
        let (inlet, outlet) = Inlet::new();
        let (metrics, health) = (Metrics::new(), Health::new());
        let settings = Settings {
            owner: "test".to_owned(),
            lease: LEASE,
            checkpoints: CheckpointLimits::default(),
            uncounted: None,
        };
        let parts = Parts {
            store: Arc::clone(&store),
            clock: Arc::new(SystemClock),
            outlet,
            announcements: Announcements::new(),
            health: health.clone(),
            metrics: metrics.pipeline(),
        };
        let mut receipts = Vec::new();
        // All wait before the pipeline begins, so that they are one batch.
        for (devices, seq) in [
            (&["tag-1"][..], 1),
            (&["tag-1", "poison", "tag-2"], 2),
            (&["poison"], 3),
            (&["tag-3"], 4),
        ] {
            let (receipt, durable) = Receipt::new();
            let delivery = Delivery {
                agency: agency(),
                content: content(devices, seq),
                received_at: None,
                receipt,
            };
            inlet.deliver(delivery).await.unwrap();
            receipts.push(durable);
        }
        let pipeline = Pipeline::start(&settings, parts).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = JoinSet::new();
        running.spawn(pipeline.run(async { stopped.await.unwrap_or_default() }));
        for durable in receipts {
            let durable = tokio::time::timeout(Duration::from_mins(1), durable.durable());
            durable.await.expect("in time").expect("it is stored");
        }
        stop.send(()).unwrap();
        running.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(
            stored(&*store).await,
            ["tag-1/1", "tag-1/2", "tag-2/2", "tag-3/4"]
        );
        let kept = store.unreadable(&agency()).await.unwrap();
        let (count, newest) = kept.first().unwrap();
        assert_eq!((*count, kept.len()), (2, 1), "{kept:?}");
        assert!(newest.problem.contains("mistake of ours"), "{newest:?}");
        let counted = metrics.render();
        assert!(
            counted.contains("bailiwick_pipeline_kept_apart_total 2"),
            "the fault has happened"
        );
        assert!(health.state().troubles.is_empty(), "{:?}", health.state());
    }
}
