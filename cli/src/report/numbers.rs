//! Numbers as people read them.

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1234567` as `1.23 MB`, in powers of 1000; below 1000 without a fraction.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut value, mut unit) = (n as f64, 0);
    // What would be rounded up to 1000 is one of the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let digits = match value {
        _ if unit == 0 => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `part` of `whole` in percent, for people: `<1%` is not nothing.
pub fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) | (_, 0) => "0%".into(),
        _ => match (part as f64 / whole as f64 * 100.0).round() {
            0.0 => "<1%".into(),
            100.0 if part < whole => ">99%".into(),
            percent => format!("{percent}%"),
        },
    }
}

/// One of many and several: `1 event`, `2 events`.
pub fn plural(n: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// How wide a column of time is: `15 minutes`.
pub fn width(micros: i64) -> String {
    let minutes = u64::try_from(micros / 60_000_000).unwrap_or(0);
    match minutes {
        0..60 => plural(minutes, "minute"),
        60..1440 => plural(minutes / 60, "hour"),
        _ => plural(minutes / 1440, "day"),
    }
}

/// Names of the days, Monday first.
pub const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(n), text);
        }
        for (n, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_999, "10.0 kB"),
            (99_999, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        for (part, whole, text) in [
            (0, 0, "0%"),
            (0, 5, "0%"),
            (1, 1000, "<1%"),
            (999, 1000, ">99%"),
            (5, 5, "100%"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
        assert_eq!(
            (plural(1, "event"), plural(1000, "event")),
            ("1 event".into(), "1,000 events".into())
        );
        assert_eq!(
            (width(900_000_000), width(3_600_000_000), width(604_800_000_000)),
            ("15 minutes".into(), "1 hour".into(), "7 days".into())
        );
    }
}
