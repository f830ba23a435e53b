//! Whether a scenario's values can stand: every number within its range, every reference to something.
//!
//! All problems at once, each with its key. Deliberately absent: what a value means.

use super::{InvalidScenario, Range, Scenario, WindowText};

/// Most people in one world: the streams of all their devices are held at once, about 20 kB each.
const WEARERS_MAX: u32 = 200_000;

/// Longest lapse and latest start that can be planted, in seconds: plans are laid out a few days round the epoch.
const PLANTED_S_MAX: u32 = 4 * 3600;

/// A day in seconds, the longest pause between two reports.
const DAY_S: f64 = 86_400.0;

impl Scenario {
    /// Whether all values can stand; [`Scenario::parse`] asks this too.
    ///
    /// # Errors
    /// Lists every value that is out of its range.
    pub fn check(&self) -> Result<(), InvalidScenario> {
        let mut found = Problems::default();
        self.check_head(&mut found);
        self.check_caseload(&mut found);
        self.check_curfews(&mut found);
        self.check_rates(&mut found);
        self.check_device(&mut found);
        self.check_gps(&mut found);
        self.check_opening(&mut found);
        if found.0.is_empty() {
            Ok(())
        } else {
            Err(InvalidScenario { problems: found.0 })
        }
    }

    fn check_head(&self, found: &mut Problems) {
        let is_id = |text: &str| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
                && !["officer", "desk"].contains(&text)
        };
        if !is_id(&self.agency) {
            found.add(
                "agency",
                &format!("{:?}", self.agency),
                "1 to 64 of A-Z a-z 0-9 _ -, and neither `officer` nor `desk`",
            );
        }
        found.number(
            "wearers",
            f64::from(self.wearers),
            1.0,
            f64::from(WEARERS_MAX),
        );
        let clashes = self.curfews.iter().filter(|curfew| !is_id(&curfew.id));
        for curfew in clashes {
            found.add(
                "curfew.id",
                &format!("{:?}", curfew.id),
                "1 to 64 of A-Z a-z 0-9 _ -",
            );
        }
    }

    fn check_caseload(&self, found: &mut Problems) {
        let mix = &self.caseload;
        found.number("caseload.officers", f64::from(mix.officers), 1.0, 10_000.0);
        for (key, share) in [
            ("caseload.curfew", mix.curfew),
            ("caseload.schools", mix.schools),
            ("caseload.personal_zone", mix.personal_zone),
            ("caseload.night_spots", mix.night_spots),
            ("caseload.check_in", mix.check_in),
            ("caseload.beacon", mix.beacon),
            ("caseload.school_run", mix.school_run),
            ("caseload.risk.low", mix.risk.low),
            ("caseload.risk.medium", mix.risk.medium),
            ("caseload.risk.high", mix.risk.high),
            ("caseload.risk.very_high", mix.risk.very_high),
            ("caseload.shifts.day", mix.shifts.day),
            ("caseload.shifts.late", mix.shifts.late),
            ("caseload.shifts.night", mix.shifts.night),
            ("caseload.shifts.none", mix.shifts.none),
        ] {
            found.number(key, share, 0.0, 1.0);
        }
        found.range("caseload.home_radius_m", mix.home_radius_m, 30.0, 1000.0);
        found.range(
            "caseload.personal_radius_m",
            mix.personal_radius_m,
            30.0,
            2000.0,
        );
        found.number("caseload.school_grown_m", mix.school_grown_m, 5.0, 200.0);
        found.number("caseload.school_buffer_m", mix.school_buffer_m, 0.0, 500.0);
        found.number(
            "caseload.personal_buffer_m",
            mix.personal_buffer_m,
            0.0,
            1000.0,
        );
        found.number("caseload.keep_clear_m", mix.keep_clear_m, 5.0, 500.0);
    }

    fn check_curfews(&self, found: &mut Problems) {
        let mut seen: Vec<&str> = Vec::new();
        for curfew in &self.curfews {
            found.number("curfew.weight", curfew.weight, 0.0, 1e6);
            let taken = curfew.id == "evenings" || curfew.id.starts_with("curfew-");
            if taken || seen.contains(&curfew.id.as_str()) {
                found.add(
                    "curfew.id",
                    &format!("{:?}", curfew.id),
                    "an id of its own, neither `evenings` nor beginning with `curfew-`",
                );
            }
            seen.push(&curfew.id);
            if curfew.windows.is_empty() {
                found.add("curfew.windows", "[]", "at least one window");
            }
            for window in &curfew.windows {
                if window.minutes().is_none() {
                    let text = format!("{:?} to {:?}", window.from, window.to);
                    found.add(
                        "curfew.windows",
                        &text,
                        "two times such as \"19:00\" and \"07:00\"",
                    );
                }
                if window.days.is_empty() {
                    found.add("curfew.windows.days", "[]", "at least one day");
                }
            }
        }
    }

    fn check_rates(&self, found: &mut Problems) {
        let (habits, lapses, faults) = (&self.habits, &self.lapses, &self.faults);
        for (key, rate) in [
            ("habits.errand", habits.errand),
            ("habits.visit", habits.visit),
            ("habits.leisure", habits.leisure),
            ("habits.appointment", habits.appointment),
            ("lapses.late_return", lapses.late_return),
            ("lapses.night_exit", lapses.night_exit),
            ("lapses.zone_entry", lapses.zone_entry),
            ("lapses.forgot_charge", lapses.forgot_charge),
            ("lapses.strap_open", lapses.strap_open),
            ("lapses.strap_cut", lapses.strap_cut),
            ("lapses.case_open", lapses.case_open),
            ("lapses.panic", lapses.panic),
            ("lapses.switched_off", lapses.switched_off),
            ("lapses.foil", lapses.foil),
            ("lapses.missed_check_in", lapses.missed_check_in),
            ("lapses.late_check_in", lapses.late_check_in),
            ("faults.loss", faults.loss),
            ("faults.repeat", faults.repeat),
            ("faults.delay", faults.delay),
            ("faults.reorder", faults.reorder),
        ] {
            found.number(key, rate, 0.0, 1.0);
        }
        found.number("faults.latency_ms", faults.latency_ms, 1.0, 60_000.0);
        found.range("faults.delay_s", faults.delay_s, 1.0, DAY_S);
        found.number("faults.skew_s", faults.skew_s, 0.0, DAY_S);
        found.number("faults.outages_per_day", faults.outages_per_day, 0.0, 24.0);
        found.range("faults.outage_min", faults.outage_min, 0.1, 1440.0);
    }

    fn check_device(&self, found: &mut Problems) {
        let device = &self.device;
        let every_s = f64::from(device.report_every_s);
        found.number("device.report_every_s", every_s, 1.0, DAY_S);
        if let Some(quick_s) = device.on_device_zones_every_s {
            found.number(
                "device.on_device_zones_every_s",
                f64::from(quick_s),
                1.0,
                every_s,
            );
            if device.report_every_s.checked_rem(quick_s) != Some(0) {
                found.add(
                    "device.on_device_zones_every_s",
                    &quick_s.to_string(),
                    "a number of seconds that divides device.report_every_s",
                );
            }
        }
        // Below 32 h the battery would run low between two ordinary chargings; days are not all alike.
        found.range("device.battery_life_h", device.battery_life_h, 36.0, 60.0);
        found.number(
            "device.backlog_reports",
            f64::from(device.backlog_reports),
            1.0,
            1000.0,
        );
    }

    fn check_gps(&self, found: &mut Problems) {
        let gps = &self.gps;
        found.range("gps.body_sigma_m", gps.body_sigma_m, 0.0, 200.0);
        found.range("gps.body_tau_s", gps.body_tau_s, 1.0, 7200.0);
        found.range("gps.white_scale_m", gps.white_scale_m, 0.0, 100.0);
        for (key, value, low, high) in [
            ("gps.outliers_per_day", gps.outliers_per_day, 0.0, 1440.0),
            ("gps.outlier_more_fixes", gps.outlier_more_fixes, 0.0, 100.0),
            ("gps.outlier_median_m", gps.outlier_median_m, 1.0, 100_000.0),
            ("gps.outlier_log_sd", gps.outlier_log_sd, 0.0, 3.0),
            ("gps.outlier_optimistic", gps.outlier_optimistic, 0.0, 1.0),
            ("gps.indoor_lost", gps.indoor_lost, 0.0, 0.95),
            ("gps.indoor_lost_run", gps.indoor_lost_run, 1.0, 1000.0),
            ("gps.indoor_sigma_m", gps.indoor_sigma_m, 0.0, 200.0),
            ("gps.indoor_tau_s", gps.indoor_tau_s, 1.0, 7200.0),
            ("gps.canyon", gps.canyon, 0.0, 0.95),
            ("gps.canyon_bias_m", gps.canyon_bias_m, 0.0, 500.0),
            ("gps.claim_log_sd", gps.claim_log_sd, 0.0, 3.0),
            ("gps.claim_device_log_sd", gps.claim_device_log_sd, 0.0, 3.0),
        ] {
            found.number(key, value, low, high);
        }
    }

    fn check_opening(&self, found: &mut Problems) {
        let lapses = &self.opening.lapses;
        let wearers = usize::try_from(self.wearers).unwrap_or(usize::MAX);
        if lapses.len() > wearers {
            found.add(
                "opening.lapses",
                &format!("{} lapses", lapses.len()),
                "at most one for each wearer",
            );
        }
        for lapse in lapses {
            let high = f64::from(PLANTED_S_MAX);
            found.number("opening.lapses.at_s", f64::from(lapse.at_s), 0.0, high);
            found.number(
                "opening.lapses.lasts_s",
                f64::from(lapse.lasts_s),
                1.0,
                high,
            );
        }
    }
}

impl WindowText {
    /// First minute and first minute after, counted from midnight of the day it starts on; none where it is not a window.
    pub(crate) fn minutes(&self) -> Option<(i64, i64)> {
        let (from, to) = (minute(&self.from)?, minute(&self.to)?);
        if from == 24 * 60 {
            return None;
        }
        Some((from, if to <= from { to + 24 * 60 } else { to }))
    }
}

/// Minutes after midnight of `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    ((0..60).contains(&minutes) && (0..=24 * 60).contains(&total)).then_some(total)
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, key: &str, given: &str, expected: &str) {
        self.0
            .push(format!("{key}: {given} can't be used; expected {expected}"));
    }

    fn number(&mut self, key: &str, value: f64, low: f64, high: f64) {
        if !(low..=high).contains(&value) {
            self.add(
                key,
                &value.to_string(),
                &format!("a number from {low} to {high}"),
            );
        }
    }

    fn range(&mut self, key: &str, value: Range, low: f64, high: f64) {
        let good = low <= value.low && value.low <= value.high && value.high <= high;
        if !good {
            self.add(
                key,
                &format!("[{}, {}]", value.low, value.high),
                &format!("[low, high], ascending, from {low} to {high}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"x\"\nsummary = \"y\"\nagency = \"a\"\nwearers = 3\n";

    #[track_caller]
    fn check(rest: &str, expected: &str) {
        let text = format!("{HEAD}{rest}");
        let error = Scenario::parse(&text).unwrap_err().to_string();
        assert_eq!(error, format!("scenario: {expected}"));
    }

    #[test]
    fn a_head_alone_is_a_scenario() {
        let scenario = Scenario::parse(HEAD).unwrap();
        assert_eq!(scenario.device.report_every_s, 60);
        assert_eq!(scenario.curfews.len(), 6);
    }

    #[test]
    fn every_problem_names_its_key_and_what_was_expected() {
        check(
            "[faults]\nloss = 1.5\ndelay_s = [9, 3]",
            "faults.loss: 1.5 can't be used; expected a number from 0 to 1; \
             faults.delay_s: [9, 3] can't be used; expected [low, high], ascending, from 1 to 86400",
        );
        check(
            "[[curfew]]\nid = \"n\"\nfor = [\"day\"]\nweight = 1\n\
             windows = [{days = [\"mon\"], from = \"7:00\", to = \"25:00\"}]",
            "curfew.windows: \"7:00\" to \"25:00\" can't be used; expected two times such as \"19:00\" and \"07:00\"",
        );
        check(
            "[[curfew]]\nid = \"evenings\"\nfor = [\"day\"]\nweight = 1\n\
             windows = [{days = [\"mon\"], from = \"19:00\", to = \"07:00\"}]",
            "curfew.id: \"evenings\" can't be used; \
             expected an id of its own, neither `evenings` nor beginning with `curfew-`",
        );
        check(
            "[device]\nreport_every_s = 60\non_device_zones_every_s = 25",
            "device.on_device_zones_every_s: 25 can't be used; \
             expected a number of seconds that divides device.report_every_s",
        );
        check(
            "[opening]\nlapses = [{kind = \"panic\", at_s = 1}, {kind = \"panic\", at_s = 1}, \
             {kind = \"panic\", at_s = 1}, {kind = \"panic\", at_s = 1}]",
            "opening.lapses: 4 lapses can't be used; expected at most one for each wearer",
        );
    }

    #[test]
    fn unknown_keys_and_words_are_refused_with_their_line() {
        let unknown = Scenario::parse(&format!("{HEAD}[faults]\nlooss = 0.1\n")).unwrap_err();
        let text = unknown.to_string();
        assert!(
            text.contains("line 6") && text.contains("looss") && text.contains("loss"),
            "{text}"
        );
        let word = Scenario::parse(&format!("{HEAD}city = \"atlantis\"\n")).unwrap_err();
        let text = word.to_string();
        assert!(
            text.contains("line 5") && text.contains("liechtenstein"),
            "{text}"
        );
    }

    #[test]
    fn windows_may_cross_midnight() {
        let window = |from: &str, to: &str| {
            WindowText {
                days: vec![],
                from: from.to_owned(),
                to: to.to_owned(),
            }
            .minutes()
        };
        assert_eq!(window("19:00", "07:00"), Some((1140, 1860)));
        assert_eq!(window("00:00", "24:00"), Some((0, 1440)));
        assert_eq!(window("09:00", "09:00"), Some((540, 1980)));
        assert_eq!(window("24:00", "07:00"), None);
        assert_eq!(window("-1:00", "07:00"), None);
    }
}
