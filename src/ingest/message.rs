//! What every source does with a message that was read: counting, and the numbers that a receipt will name.
//!
//! Whose message it is and what it says comes from `wire::routes`. Deliberately absent: who may publish it, and
//! acknowledgements.

use crate::model::id::{AgencyId, BootId, DeviceId};
use crate::pipeline::delivery::Content;
use crate::telemetry::metrics::Ingest;

/// The numbers of reports in one message, for the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) agency: AgencyId,
    pub(super) device: DeviceId,
    pub(super) numbers: Vec<(BootId, u64)>,
}

/// Counts what a message brings.
pub(super) fn count(content: &Content, metrics: &Ingest) {
    let (reports, unreadable) = (content.reports.len(), content.unreadable.len());
    metrics.message(reports, unreadable, content.other.min(unreadable));
}

/// The numbers for the receipt of a device's message; none where its reports have none.
pub(super) fn numbered(
    agency: &AgencyId,
    device: DeviceId,
    content: &Content,
) -> Option<Box<Numbered>> {
    let reports = content.reports.iter().map(|received| &received.report);
    let numbers: Vec<_> = reports
        .filter_map(|report| Some((report.boot.clone()?, report.seq?)))
        .collect();
    (!numbers.is_empty()).then(|| {
        Box::new(Numbered {
            agency: agency.clone(),
            device,
            numbers,
        })
    })
}
