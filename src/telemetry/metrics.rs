//! Everything that is counted: one catalogue, one function for each occurrence.
//!
//! Each stage of the straight path has a file with its part of the catalogue and a struct of held handles; an edge gets
//! that struct and calls it. [`Metrics::new`] registers the whole catalogue, so that a scrape shows every series from the
//! first second, at zero. `docs/METRICS.md` is written from the catalogue. Deliberately absent: a global recorder (two
//! services in one test process count apart), clocks, and labels with devices, people or places.

mod broker;
pub mod desk;
pub mod health;
mod ingest;
pub mod notify;
pub mod pipeline;
pub mod service;
mod web;

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Level, Metadata, Recorder as _};
use prometheus::{HistogramOpts, HistogramVec, Opts, Registry, TextEncoder};

pub use broker::{
    Broker, BrokerAck, BrokerCheck, BrokerClient, BrokerEnd, BrokerOutgoing, BrokerPromise,
    BrokerSetAside, BrokerSubscription,
};
pub use ingest::{
    Closing, Ingest, LoginRefusal, OutgoingResult, PacketKind, PubackResult, PublishRefusal,
    Refusal, SubscriptionRefusal, Unread,
};
pub use web::{RouteClass, SessionEvent, StatusClass, StreamReset, Web};

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often a value fell below each of these bounds.
    Histogram(&'static [f64]),
}

/// A label and all values that it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: &'static [&'static str],
}

/// One entry of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// `bailiwick_`, the stage, what is counted, the unit, and `total` where it only grows.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What one of it is, such as `seconds`, `bytes` or `connections`.
    pub unit: &'static str,
    /// One sentence for the people who read it.
    pub help: &'static str,
    /// What it is told apart by.
    pub label: Option<Label>,
}

impl Metric {
    /// A number that only ever grows.
    const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            unit,
            help,
            label: None,
        }
    }

    /// A number that goes up and down.
    const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Gauge,
            unit,
            help,
            label: None,
        }
    }

    /// Seconds, counted by bounds.
    const fn seconds(name: &'static str, bounds: &'static [f64], help: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Histogram(bounds),
            unit: "seconds",
            help,
            label: None,
        }
    }

    /// How large something was, counted by bounds.
    const fn sizes(
        name: &'static str,
        unit: &'static str,
        bounds: &'static [f64],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Histogram(bounds),
            unit,
            help,
            label: None,
        }
    }

    /// The same, told apart by a label.
    const fn by(mut self, name: &'static str, values: &'static [&'static str]) -> Self {
        self.label = Some(Label { name, values });
        self
    }
}

/// All metrics, in the order of the straight path.
pub fn catalogue() -> impl Iterator<Item = &'static Metric> {
    let parts = [
        health::METRICS,
        ingest::METRICS,
        broker::METRICS,
        pipeline::METRICS,
        desk::METRICS,
        web::METRICS,
        notify::METRICS,
        service::METRICS,
    ];
    parts.into_iter().flatten().copied()
}

/// The values of one label as a type.
trait LabelValue: Copy + PartialEq + 'static {
    /// All of them.
    const ALL: &'static [Self];

    /// As it stands in a scrape.
    fn text(self) -> &'static str;
}

/// Declares the values of one label: an enum, and the texts that the catalogue lists.
macro_rules! label_values {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// All values as they stand in a scrape.
            pub const TEXTS: &'static [&'static str] = &[$($text),+];
        }

        impl $crate::telemetry::metrics::LabelValue for $name {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }
    };
}
use label_values;

/// A counter for each value of a label.
#[derive(Debug, Clone)]
struct CounterBy<L>(Vec<(L, Counter)>);

impl<L: LabelValue> CounterBy<L> {
    fn increment(&self, value: L) {
        // A handful of entries: a search is cheaper than a hash.
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == value) {
            counter.increment(1);
        }
    }
}

/// A histogram of seconds for each value of a label.
#[derive(Debug, Clone)]
struct HistogramBy<L>(Vec<(L, Histogram)>);

impl<L: LabelValue> HistogramBy<L> {
    fn record(&self, value: L, time: Duration) {
        if let Some((_, histogram)) = self.0.iter().find(|(known, _)| *known == value) {
            histogram.record(time.as_secs_f64());
        }
    }
}

/// A handle for each of a list of words.
#[derive(Debug, Clone)]
struct ByWord<H>(Vec<(&'static str, H)>);

impl<H> ByWord<H> {
    /// The handle of a word of the list; others have none, and a test of whoever counts compares the lists.
    fn of(&self, word: &str) -> Option<&H> {
        let found = self.0.iter().find(|(known, _)| *known == word);
        found.map(|(_, handle)| handle)
    }
}

/// A counter for each of a list of words.
type CounterByWord = ByWord<Counter>;

impl CounterByWord {
    fn increment(&self, word: &str) {
        if let Some(counter) = self.of(word) {
            counter.increment(1);
        }
    }
}

/// A gauge for each of a list of words.
type GaugeByWord = ByWord<Gauge>;

impl GaugeByWord {
    fn set(&self, word: &str, value: f64) {
        if let Some(gauge) = self.of(word) {
            gauge.set(value);
        }
    }
}

/// A histogram of seconds for each of a list of words.
type HistogramByWord = ByWord<Histogram>;

impl HistogramByWord {
    fn record(&self, word: &str, seconds: f64) {
        if let Some(histogram) = self.of(word) {
            histogram.record(seconds);
        }
    }
}

/// The numbers of one running service. Cheap to clone; every clone counts into the same registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    health: Arc<health::Health>,
    ingest: Arc<Ingest>,
    broker: Arc<Broker>,
    pipeline: Arc<pipeline::Pipeline>,
    desk: Arc<desk::Desk>,
    notify: Arc<notify::Notify>,
    service: Arc<service::Service>,
    web: Arc<Web>,
}

impl Metrics {
    /// Registers the catalogue in a registry of its own.
    pub fn new() -> Self {
        let registry = Registry::new();
        let recorder = metrics_prometheus::Recorder::builder()
            .with_registry(&registry)
            .build();
        let handles = Handles(recorder);
        for metric in catalogue() {
            handles.declare(metric);
        }
        Self {
            health: Arc::new(health::Health::new(&handles)),
            ingest: Arc::new(Ingest::new(&handles)),
            broker: Arc::new(Broker::new(&handles)),
            pipeline: Arc::new(pipeline::Pipeline::new(&handles)),
            desk: Arc::new(desk::Desk::new(&handles)),
            notify: Arc::new(notify::Notify::new(&handles)),
            service: Arc::new(service::Service::new(&handles)),
            web: Arc::new(Web::new(&handles)),
            registry,
        }
    }

    /// The handles of the service's own health.
    pub fn health(&self) -> Arc<health::Health> {
        Arc::clone(&self.health)
    }

    /// The handles of what people do about alerts.
    pub fn desk(&self) -> Arc<desk::Desk> {
        Arc::clone(&self.desk)
    }

    /// The handles of the ingest stage.
    pub fn ingest(&self) -> Arc<Ingest> {
        Arc::clone(&self.ingest)
    }

    /// The handles of the broker source.
    pub fn broker(&self) -> Arc<Broker> {
        Arc::clone(&self.broker)
    }

    /// The handles of the web.
    pub fn web(&self) -> Arc<Web> {
        Arc::clone(&self.web)
    }

    /// The handles of the pipeline.
    pub fn pipeline(&self) -> Arc<pipeline::Pipeline> {
        Arc::clone(&self.pipeline)
    }

    /// Of the service as a whole.
    pub fn service(&self) -> Arc<service::Service> {
        Arc::clone(&self.service)
    }

    /// The handles of notification.
    pub fn notify(&self) -> Arc<notify::Notify> {
        Arc::clone(&self.notify)
    }

    /// All numbers in the text format of Prometheus.
    #[expect(
        clippy::missing_panics_doc,
        reason = "can't happen: the registry checked every family when it was registered"
    )]
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("families that the registry has checked can be written to a string")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Hands out handles of one registry through the `metrics` facade.
#[derive(Debug)]
struct Handles(metrics_prometheus::Recorder);

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

impl Handles {
    /// Registers one entry with its help, bounds and all label values.
    fn declare(&self, metric: &Metric) {
        let name = KeyName::from_const_str(metric.name);
        match metric.kind {
            Kind::Counter => self.0.describe_counter(name, None, metric.help.into()),
            Kind::Gauge => self.0.describe_gauge(name, None, metric.help.into()),
            Kind::Histogram(bounds) => {
                // The facade has no bounds; the bridge takes them with the metric.
                let opts: HistogramOpts = Opts::new(metric.name, metric.help).into();
                let label: Vec<&str> = metric.label.iter().map(|label| label.name).collect();
                let histogram = HistogramVec::new(opts.buckets(bounds.to_vec()), &label)
                    .expect("the catalogue's bounds grow; a test registers all of it");
                self.0.register_metric(histogram);
            }
        }
        for key in keys(metric) {
            match metric.kind {
                Kind::Counter => drop(self.0.register_counter(&key, &METADATA)),
                Kind::Gauge => drop(self.0.register_gauge(&key, &METADATA)),
                Kind::Histogram(_) => drop(self.0.register_histogram(&key, &METADATA)),
            }
        }
    }

    fn counter(&self, metric: &Metric) -> Counter {
        self.0
            .register_counter(&Key::from_static_name(metric.name), &METADATA)
    }

    fn counter_by<L: LabelValue>(&self, metric: &Metric) -> CounterBy<L> {
        let counters = L::ALL.iter().map(|value| {
            let counter = self.0.register_counter(&key(metric, *value), &METADATA);
            (*value, counter)
        });
        CounterBy(counters.collect())
    }

    fn histogram_by<L: LabelValue>(&self, metric: &Metric) -> HistogramBy<L> {
        let histograms = L::ALL.iter().map(|value| {
            let histogram = self.0.register_histogram(&key(metric, *value), &METADATA);
            (*value, histogram)
        });
        HistogramBy(histograms.collect())
    }

    fn counter_by_word(&self, metric: &Metric) -> CounterByWord {
        by_word(metric, |key| self.0.register_counter(key, &METADATA))
    }

    fn gauge_by_word(&self, metric: &Metric) -> GaugeByWord {
        by_word(metric, |key| self.0.register_gauge(key, &METADATA))
    }

    fn histogram_by_word(&self, metric: &Metric) -> HistogramByWord {
        by_word(metric, |key| self.0.register_histogram(key, &METADATA))
    }

    fn gauge(&self, metric: &Metric) -> Gauge {
        self.0
            .register_gauge(&Key::from_static_name(metric.name), &METADATA)
    }

    fn histogram(&self, metric: &Metric) -> Histogram {
        self.0
            .register_histogram(&Key::from_static_name(metric.name), &METADATA)
    }
}

/// A handle for each value of a metric's label.
fn by_word<H>(metric: &Metric, handle: impl Fn(&Key) -> H) -> ByWord<H> {
    let words = metric.label.iter().flat_map(|label| label.values);
    let handles = words
        .zip(keys(metric))
        .map(|(word, key)| (*word, handle(&key)));
    ByWord(handles.collect())
}

/// The key of one value's series.
fn key<L: LabelValue>(metric: &Metric, value: L) -> Key {
    let name = metric.label.map_or("", |label| label.name);
    let label = metrics::Label::from_static_parts(name, value.text());
    Key::from_parts(metric.name, vec![label])
}

/// One key for each series of a metric.
fn keys(metric: &Metric) -> Vec<Key> {
    match metric.label {
        None => vec![Key::from_static_name(metric.name)],
        Some(label) => label
            .values
            .iter()
            .map(|value| {
                let label = metrics::Label::from_static_parts(label.name, value);
                Key::from_parts(metric.name, vec![label])
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    /// The catalogue as the page `docs/METRICS.md`.
    fn page() -> String {
        let mut page = String::from(
            "# Metrics\n\nEverything that `/metrics` shows, written from the catalogue in `src/telemetry/metrics.rs`; a test compares the two. \
             Every series stands in a scrape from the start, at zero.\n\n| name | kind | unit | labels | meaning |\n|---|---|---|---|---|\n",
        );
        for metric in catalogue() {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let label = metric.label.map_or_else(String::new, |label| {
                format!("`{}`: {}", label.name, label.values.join(", "))
            });
            writeln!(
                page,
                "| `{}` | {kind} | {} | {label} | {} |",
                metric.name, metric.unit, metric.help
            )
            .expect("writing to a string does not fail");
        }
        page
    }

    #[test]
    fn a_scrape_shows_the_whole_catalogue_before_anything_happened() {
        let scrape = Metrics::new().render();
        for metric in catalogue() {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let name = metric.name;
            assert!(
                scrape.contains(&format!("# HELP {name} {}\n", metric.help)),
                "no help of {name} in\n{scrape}"
            );
            assert!(
                scrape.contains(&format!("# TYPE {name} {kind}\n")),
                "{name}"
            );
            let suffix = if kind == "histogram" { "_count" } else { "" };
            let series = match metric.label {
                None => vec![format!("{name}{suffix} 0\n")],
                Some(label) => label
                    .values
                    .iter()
                    .map(|value| format!("{name}{suffix}{{{}=\"{value}\"}} 0\n", label.name))
                    .collect(),
            };
            for line in series {
                assert!(scrape.contains(&line), "no {line:?} in\n{scrape}");
            }
        }
    }

    #[test]
    fn a_scrape_shows_nothing_but_the_catalogue() {
        let known: BTreeSet<&str> = catalogue().map(|metric| metric.name).collect();
        let scrape = Metrics::new().render();
        let shown: BTreeSet<&str> = scrape
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(shown, known);
    }

    #[test]
    fn names_say_stage_thing_and_unit() {
        for metric in catalogue() {
            let name = metric.name;
            assert!(name.starts_with("bailiwick_"), "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert_eq!(
                name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{name}: counters, and only they, end in total"
            );
            for unit in ["seconds", "bytes"] {
                let named = name.trim_end_matches("_total").ends_with(unit);
                assert_eq!(
                    named,
                    metric.unit == unit,
                    "{name}: its unit is {}",
                    metric.unit
                );
            }
            assert!(
                !metric.help.ends_with('.') && !metric.help.contains('|'),
                "{name}"
            );
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted() && !bounds.is_empty(), "{name}");
            }
            for label in metric.label.iter().map(|label| label.name) {
                for private in [
                    "device", "wearer", "officer", "agency", "address", "client", "topic",
                ] {
                    assert_ne!(
                        label, private,
                        "{name} must not tell people or places apart"
                    );
                }
            }
        }
    }

    #[test]
    fn two_services_in_one_process_count_apart() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.ingest().takeover();
        let line = "bailiwick_ingest_takeovers_total";
        assert!(one.render().contains(&format!("{line} 1\n")));
        assert!(other.render().contains(&format!("{line} 0\n")));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "BLESS=1 rewrites golden files; it is a switch of tests, not of the product"
    )]
    fn the_page_is_what_the_catalogue_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md");
        if std::env::var("BLESS").is_ok_and(|bless| bless == "1") {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "docs/METRICS.md differs from the catalogue; run this test with BLESS=1 and review the difference"
        );
    }
}
