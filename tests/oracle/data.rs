//! Where the data lies, and how it is read: by the readers that the command line uses.
//!
//! Deliberately absent: comparisons.

use std::fs;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiwick::model::event::Event;
use bailiwick::model::id::AgencyId;
use bailiwick::model::zone::{Zone, ZoneKind};
use bailiwick::replay::{Item, intake};
use bailiwick::wire::feed::FeedReader;
use bailiwick::wire::routes::Routes;
use bailiwick::wire::topic::DEFAULT_ROOT;
use bailiwick::wire::zone_file::{self, Options};
use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;

/// The folder of our own oracle.
pub(crate) fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle")
}

/// The folder of data that is not in the repository; its absence is printed.
#[expect(
    clippy::disallowed_methods,
    reason = "says where data lies that is not in the repository"
)]
pub(crate) fn fetched(what: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/fetched");
    let folder = std::env::var_os("BAILIWICK_FETCHED").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "{what}: NOT RUN, there is no {} (BAILIWICK_FETCHED names another folder)",
        folder.display()
    );
    None
}

/// A file's text, unpacked.
pub(crate) fn text(path: &Path) -> String {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text
}

/// A file of JSON lines.
pub(crate) fn lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    text(path)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// A zone file, every feature taken as neutral.
pub(crate) fn zones(path: &Path) -> Vec<Arc<Zone>> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let options = Options {
        as_kind: Some(ZoneKind::Neutral),
    };
    let file = zone_file::read(&path.display().to_string(), &bytes, options);
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    file.zones.into_iter().map(Arc::new).collect()
}

/// A track.
pub(crate) fn track(path: &Path) -> Vec<Item> {
    let agency = AgencyId::parse("demo").expect("an id");
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut items = Vec::new();
    for line in FeedReader::new(&path.display().to_string(), BufReader::new(file)) {
        let line = line.unwrap_or_else(|problem| panic!("{problem}"));
        let taken = intake::take(line, &Routes::new(DEFAULT_ROOT), &agency);
        assert!(taken.problems.is_empty(), "{:?}", taken.problems);
        items.extend(taken.items);
    }
    items
}

/// The reports of a track: device, number, latitude and longitude.
pub(crate) fn fixes(items: &[Item]) -> impl Iterator<Item = (String, u64, f64, f64)> {
    items.iter().filter_map(|item| {
        let Event::Report { report, .. } = &item.event else {
            return None;
        };
        let fix = report.fix.as_ref()?;
        Some((report.device.to_string(), report.seq?, fix.lat, fix.lon))
    })
}
