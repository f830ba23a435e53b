//! The value of everything that a scenario leaves out: an ordinary caseload, honest devices, nothing that goes wrong.
//!
//! Deliberately absent: numbers anywhere else. Where a number has a source it stands beside it.

use super::{
    Caseload, CurfewVariant, DayName, DeviceModel, Faults, GpsErrors, Habits, Range, RiskShares,
    Shift, ShiftShares, WindowText,
};

impl Default for Caseload {
    fn default() -> Self {
        Self {
            officers: 6,
            risk: RiskShares {
                low: 0.35,
                medium: 0.4,
                high: 0.2,
                very_high: 0.05,
            },
            shifts: ShiftShares {
                day: 0.5,
                late: 0.1,
                night: 0.1,
                none: 0.3,
            },
            curfew: 0.8,
            schools: 0.2,
            personal_zone: 0.12,
            night_spots: 0.12,
            check_in: 0.4,
            beacon: 0.25,
            school_run: 0.15,
            // Wide enough that an honest device at home seldom seems to be out.
            home_radius_m: Range::new(90.0, 150.0),
            personal_radius_m: Range::new(150.0, 300.0),
            school_grown_m: 25.0,
            school_buffer_m: 40.0,
            personal_buffer_m: 100.0,
            keep_clear_m: 30.0,
        }
    }
}

/// Night curfews, and one by day for those who work at night.
pub(super) fn curfews() -> Vec<CurfewVariant> {
    use DayName::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let variant =
        |id: &str, shifts: &[Shift], weight, windows: &[(&[DayName], &str, &str)]| CurfewVariant {
            id: id.to_owned(),
            shifts: shifts.to_vec(),
            weight,
            windows: windows
                .iter()
                .map(|(days, from, to)| WindowText {
                    days: days.to_vec(),
                    from: (*from).to_owned(),
                    to: (*to).to_owned(),
                })
                .collect(),
        };
    let all: &[DayName] = &[Mon, Tue, Wed, Thu, Fri, Sat, Sun];
    let free: &[Shift] = &[Shift::Day, Shift::None];
    vec![
        // Seven in the evening to seven in the morning is the usual order in England and Wales.
        variant(
            "night-19-07",
            &[Shift::None],
            3.0,
            &[(all, "19:00", "07:00")],
        ),
        variant("night-20-06", free, 3.0, &[(all, "20:00", "06:00")]),
        variant("night-21-05", free, 2.0, &[(all, "21:00", "05:00")]),
        variant(
            "night-weekend",
            free,
            1.0,
            &[
                (&[Sun, Mon, Tue, Wed, Thu], "20:30", "06:00"),
                (&[Fri, Sat], "19:00", "08:00"),
            ],
        ),
        variant(
            "late-23-09",
            &[Shift::Late],
            1.0,
            &[(all, "23:15", "09:00")],
        ),
        variant(
            "day-08-16",
            &[Shift::Night],
            1.0,
            &[(all, "08:00", "16:00")],
        ),
    ]
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            errand: 0.45,
            visit: 0.25,
            leisure: 0.4,
            appointment: 0.1,
        }
    }
}

impl Default for DeviceModel {
    fn default() -> Self {
        Self {
            // One a minute: what most programmes and North Carolina's statute ask.
            report_every_s: 60,
            on_device_zones_every_s: None,
            // Procurement asks for 24 h at least; devices in the field are charged two hours a day.
            battery_life_h: Range::new(36.0, 46.0),
            backlog_reports: 60,
        }
    }
}

impl Default for GpsErrors {
    /// The middle of the ranges that stationary loggers and phone stays show (median error 8 m, 95 % within 50 m).
    fn default() -> Self {
        Self {
            body_sigma_m: Range::new(4.0, 8.0),
            body_tau_s: Range::new(60.0, 300.0),
            white_scale_m: Range::new(2.0, 4.0),
            outliers_per_day: 0.5,
            outlier_more_fixes: 3.0,
            outlier_median_m: 130.0,
            outlier_log_sd: 0.8,
            outlier_optimistic: 0.35,
            indoor_lost: 0.25,
            indoor_lost_run: 4.0,
            indoor_sigma_m: 10.0,
            indoor_tau_s: 1200.0,
            canyon: 0.1,
            canyon_bias_m: 15.0,
            claim_log_sd: 0.3,
            claim_device_log_sd: 0.15,
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_ms: 800.0,
            loss: 0.0,
            repeat: 0.0,
            delay: 0.0,
            delay_s: Range::new(30.0, 600.0),
            reorder: 0.0,
            skew_s: 0.0,
            outages_per_day: 0.0,
            outage_min: Range::new(2.0, 30.0),
        }
    }
}

/// A planted lapse lasts five minutes.
pub(super) const fn planted_lasts_s() -> u32 {
    300
}
