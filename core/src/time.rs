//! UTC time as RFC 3339, computed without the time zone database (which is not async-signal-safe to read).

use crate::line::{Line, Writer};

/// `2026-01-31T23:59:59.123456Z` for seconds and nanoseconds since the epoch, as `clock_gettime(2)` gives them.
/// Times before the epoch count as the epoch.
pub fn rfc3339(seconds: i64, nanoseconds: i64) -> Line<32> {
    let mut out = Line::new();
    push_rfc3339(out.writer(), seconds, nanoseconds);
    out
}

/// Appends what [`rfc3339`] returns.
#[inline(never)]
pub fn push_rfc3339(mut out: Writer<'_>, seconds: i64, nanoseconds: i64) {
    let seconds = seconds.max(0) as u64;
    let (days, in_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    out.push_padded(year, 4);
    out.push('-');
    out.push_padded(month, 2);
    out.push('-');
    out.push_padded(day, 2);
    out.push('T');
    out.push_padded(in_day / 3600, 2);
    out.push(':');
    out.push_padded(in_day / 60 % 60, 2);
    out.push(':');
    out.push_padded(in_day % 60, 2);
    out.push('.');
    out.push_padded(nanoseconds.clamp(0, 999_999_999) as u64 / 1000, 6);
    out.push('Z');
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01.
/// It counts in eras of 400 years that begin on 1 March, so that the leap day is the last day of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn known_times() {
        // The seconds come from `date -u -d '…' +%s`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(seconds, 0).as_str(), expected);
        }
        assert_eq!(rfc3339(1, 1_999_999).as_str(), "1970-01-01T00:00:01.001999Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = rfc3339(0, 0).as_str().to_owned();
        for day in 1..200_000 {
            let next = rfc3339(day * 86_400, 0).as_str().to_owned();
            assert!(next > last, "{last} then {next}");
            last = next;
        }
    }
}
