//! Calendar days, for `expires`. The caller says which day it is: nothing here reads a clock.

use std::fmt;

/// A day of the Gregorian calendar; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: i64,
    month: u8,
    day: u8,
}

impl Date {
    /// Takes a day as it is.
    #[must_use]
    pub const fn new(year: i64, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// Returns the UTC day of a Unix time in seconds (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// `civil_from_days`).
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        // 0000-03-01 is day 0 of the count: leap days then end a year.
        let days = (seconds / 86_400) as i64 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u8;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        } as u8;
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        Self { year, month, day }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_times_give_their_day() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_798_675_199, "2026-12-30"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Date::from_unix(seconds).to_string(), day, "{seconds}");
        }
    }

    #[test]
    fn days_are_ordered() {
        assert!(Date::new(2025, 12, 31) < Date::new(2026, 1, 1));
        assert!(Date::new(2026, 2, 1) > Date::new(2026, 1, 31));
    }

    proptest::proptest! {
        #[test]
        fn any_time_has_a_day(seconds: u64) {
            let _ = Date::from_unix(seconds).to_string();
        }
    }
}
