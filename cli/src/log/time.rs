//! Time stamps in all their forms, and the local time zone. Times are microseconds since the epoch.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

pub const SECOND: i64 = 1_000_000;
pub const DAY: i64 = 86_400 * SECOND;
/// Every zone keeps one offset from UTC for this many seconds, beginning at a multiple of them.
const QUARTER: i64 = 900;

/// This moment.
pub fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// A time in RFC 3339, UTC, to the second. Times that no calendar has are shown as the nearest it has.
pub fn rfc3339_of(time: i64) -> String {
    timestamp(time).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn timestamp(time: i64) -> Timestamp {
    Timestamp::from_microsecond(time).unwrap_or(if time < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The value of `--since` and `--until`, as journalctl(1) takes it: a date, a time, both, RFC 3339, `@SECONDS`, `now`,
/// `today`, `yesterday`, `tomorrow`, `-2h`, `+1h`, `2 hours ago`. What has no zone is local.
pub fn when(text: &str) -> Result<i64, String> {
    let now = Zoned::now();
    let wrong = || format!("'{text}' is neither a date, nor a time, nor a span such as '2h ago'");
    let midnight = |date: Result<Date, jiff::Error>| date.and_then(|date| date.to_zoned(now.time_zone().clone()));
    let local = |at: Result<Zoned, jiff::Error>| at.map(|at| at.timestamp().as_microsecond()).map_err(|_| wrong());
    let text = text.trim();
    match text {
        "now" => return Ok(now.timestamp().as_microsecond()),
        "today" => return local(midnight(Ok(now.date()))),
        "yesterday" => return local(midnight(now.date().yesterday())),
        "tomorrow" => return local(midnight(now.date().tomorrow())),
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix('@') {
        let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
        return match seconds.abs() < 1e11 {
            true => Ok((seconds * 1e6) as i64),
            false => Err(wrong()),
        };
    }
    let span = |text: &str| text.trim().parse::<Span>().map_err(|_| wrong());
    if let Some(before) = text.strip_suffix("ago").or_else(|| text.strip_prefix('-')) {
        return local(now.checked_sub(span(before)?));
    }
    if let Some(after) = text.strip_prefix('+') {
        return local(now.checked_add(span(after)?));
    }
    if let Some(time) = rfc3339(text.as_bytes()) {
        return Ok(time);
    }
    // The whole first: a time of day would take its own part of it.
    let at = text.parse::<DateTime>();
    let at = at.or_else(|_| text.parse::<Time>().map(|time| now.date().to_datetime(time)));
    local(at.and_then(|at| at.to_zoned(now.time_zone().clone())))
}

/// The local time zone. It looks things up once in a quarter of an hour of the log, not for each line.
pub struct Zone {
    zone: TimeZone,
    /// For bare dates without a year: this moment, seconds.
    now: i64,
    /// The quarter of an hour last asked for, in UTC, and the offset in it, seconds.
    utc: (i64, i64),
    /// The same, by local time.
    local: (i64, i64),
}

impl Zone {
    /// That of `TZ` or `/etc/localtime`.
    pub fn system() -> Self {
        Self::of(TimeZone::system())
    }

    pub fn of(zone: TimeZone) -> Self {
        Zone {
            zone,
            now: now() / SECOND,
            utc: (i64::MIN, 0),
            local: (i64::MIN, 0),
        }
    }

    /// Its name, or its offset now.
    pub fn name(&self) -> String {
        match self.zone.iana_name() {
            Some("Etc/UTC") => "UTC".to_owned(),
            Some(name) => name.to_owned(),
            None => timestamp(self.now * SECOND)
                .to_zoned(self.zone.clone())
                .strftime("%Z")
                .to_string(),
        }
    }

    /// How much later it is there than in UTC at `time`, microseconds.
    pub fn offset(&mut self, time: i64) -> i64 {
        let quarter = time.div_euclid(QUARTER * SECOND);
        if self.utc.0 != quarter {
            let offset = self.zone.to_offset(timestamp(time));
            self.utc = (quarter, i64::from(offset.seconds()));
        }
        self.utc.1 * SECOND
    }

    /// `time` as a clock there shows it, by this format of strftime(3).
    pub fn show(&self, time: i64, format: &str) -> String {
        timestamp(time).to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// The time at which a clock there shows what UTC's shows at `seconds`. Where there are two it is the first.
    fn of_local(&mut self, seconds: i64) -> Option<i64> {
        let quarter = seconds.div_euclid(QUARTER);
        if self.local.0 != quarter {
            let shown = Timestamp::from_second(seconds).ok()?;
            let shown = jiff::tz::Offset::UTC.to_datetime(shown);
            let time = self.zone.to_ambiguous_zoned(shown).compatible().ok()?;
            self.local = (quarter, seconds - time.timestamp().as_second());
        }
        Some(seconds - self.local.1)
    }
}

/// RFC 3339, such as `2026-01-31T23:59:59.123456Z`, `2026-01-31 23:59:59+01:00`. Nothing may follow.
pub fn rfc3339(text: &[u8]) -> Option<i64> {
    if let Some(time) = text.try_into().ok().and_then(own) {
        return Some(time);
    }
    let (time, rest) = date_and_time(text, b'-')?;
    let (micros, rest) = fraction(rest);
    Some((time - zone_of(rest)?) * SECOND + micros)
}

/// `2026-01-31T23:59:59.123456Z` alone, as the library writes it: most of what is read.
fn own(text: &[u8; 27]) -> Option<i64> {
    // What is no digit gives ten or more here.
    let mut worst = 0;
    let mut number = |places: std::ops::Range<usize>| {
        let digit = |n: i64, b: &u8| {
            let digit = b.wrapping_sub(b'0');
            worst = worst.max(digit);
            n * 10 + i64::from(digit)
        };
        text[places].iter().fold(0, digit)
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let (hour, minute, second, micros) = (number(11..13), number(14..16), number(17..19), number(20..26));
    let marks = [text[4], text[7], text[10], text[13], text[16], text[19], text[26]];
    if worst > 9 || marks != *b"--T::.Z" || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days(year, month, day)? * 24 + hour) * 3600 + minute * 60 + second) * SECOND + micros)
}

/// `2026-01-31T23:59:59.123Z` as Envoy and containerd write it: UTC alone, up to the blank or bracket.
pub fn utc(text: &[u8]) -> Option<(i64, &[u8])> {
    let (time, rest) = date_and_time(text, b'-')?;
    let (micros, rest) = fraction(rest);
    Some((time * SECOND + micros, rest.strip_prefix(b"Z")?))
}

/// `2026/01/31 23:59:59`: nginx's error log, local. Also what follows.
pub fn nginx<'a>(text: &'a [u8], zone: &mut Zone) -> Option<(i64, &'a [u8])> {
    let (time, rest) = date_and_time(text, b'/')?;
    Some((zone.of_local(time)? * SECOND, rest))
}

/// `31/Jan/2026:23:59:59 +0100` (Apache and nginx) or `31/Jan/2026:23:59:59.123` (HAProxy: local), without brackets.
pub fn common(text: &[u8], zone: &mut Zone) -> Option<i64> {
    let [day, month, year] = [text.get(..2)?, text.get(3..6)?, text.get(7..11)?];
    let marks = [text[2], text[6], *text.get(11)?];
    if marks != *b"//:" {
        return None;
    }
    let days = days(number(year)?, month_of(month)?, number(day)?)?;
    let time = days * 86_400 + clock(text.get(12..20)?)?;
    match &text[20..] {
        [b' ', offset @ ..] => Some((time - zone_of(offset)?) * SECOND),
        rest => {
            let (micros, rest) = fraction(rest);
            let local = zone.of_local(time)?;
            rest.is_empty().then_some(local * SECOND + micros)
        }
    }
}

/// `Sat Jan 31 23:59:59.123456 2026`: Apache's error log, local.
pub fn apache_error(text: &[u8], zone: &mut Zone) -> Option<i64> {
    let (month, rest) = text.get(4..)?.split_at_checked(3)?;
    let (day, rest) = rest.strip_prefix(b" ")?.split_at_checked(2)?;
    let (of_day, rest) = rest.strip_prefix(b" ")?.split_at_checked(8)?;
    let (micros, year) = fraction(rest);
    let days = days(
        number(year.strip_prefix(b" ")?)?,
        month_of(month)?,
        number(day.trim_ascii_start())?,
    )?;
    Some(zone.of_local(days * 86_400 + clock(of_day)?)? * SECOND + micros)
}

/// `Jan 31 23:59:59`: RFC 3164, local, without a year: the last one that is not in the future. Also what follows.
pub fn syslog<'a>(text: &'a [u8], zone: &mut Zone) -> Option<(i64, &'a [u8])> {
    let (stamp, rest) = text.split_at_checked(15)?;
    let month = month_of(&stamp[..3])?;
    let day = number(stamp[4..6].trim_ascii_start())?;
    let of_day = clock(&stamp[7..])?;
    if stamp[3] != b' ' || stamp[6] != b' ' {
        return None;
    }
    let year = 1970 + zone.now / 31_556_952;
    let local = [year + 1, year, year - 1].into_iter().find_map(|year| {
        let local = zone.of_local(days(year, month, day)? * 86_400 + of_day)?;
        (local <= zone.now + 86_400).then_some(local)
    })?;
    Some((local * SECOND, rest))
}

/// `2026-01-31T23:59:59` with this mark between the date's parts, seconds as if it were UTC. Also what follows.
fn date_and_time(text: &[u8], mark: u8) -> Option<(i64, &[u8])> {
    let (stamp, rest) = text.split_at_checked(19)?;
    let between = matches!(stamp[10], b'T' | b't' | b' ');
    if stamp[4] != mark || stamp[7] != mark || !between {
        return None;
    }
    let days = days(number(&stamp[..4])?, number(&stamp[5..7])?, number(&stamp[8..10])?)?;
    Some((days * 86_400 + clock(&stamp[11..])?, rest))
}

/// `23:59:59`, seconds since midnight.
fn clock(text: &[u8]) -> Option<i64> {
    let [hour, minute, second] = [
        number(text.get(..2)?)?,
        number(text.get(3..5)?)?,
        number(text.get(6..8)?)?,
    ];
    let holds = text[2] == b':' && text[5] == b':' && hour < 24 && minute < 60 && second <= 60;
    holds.then_some(hour * 3600 + minute * 60 + second)
}

/// `.123456` at the beginning of `text`, in microseconds, and what follows; finer digits do not count.
fn fraction(text: &[u8]) -> (i64, &[u8]) {
    let Some(digits) = text.strip_prefix(b".").or_else(|| text.strip_prefix(b",")) else {
        return (0, text);
    };
    let length = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let micros = (0..6).fold(0, |n, i| {
        n * 10 + digits[..length].get(i).map_or(0, |b| i64::from(b - b'0'))
    });
    (micros, &digits[length..])
}

/// `Z`, `+01:00`, `+0100`: seconds. Nothing may follow.
fn zone_of(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        b"Z" | b"z" => return Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            (*sign, number(&[*h1, *h2])?, number(&[*m1, *m2])?)
        }
        _ => return None,
    };
    let seconds = hours * 3600 + minutes * 60;
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
}

/// A number of up to nine digits.
fn number(digits: &[u8]) -> Option<i64> {
    let holds = !digits.is_empty() && digits.len() < 10 && digits.iter().all(u8::is_ascii_digit);
    holds.then(|| digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
}

fn month_of(name: &[u8]) -> Option<i64> {
    const NAMES: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let index = NAMES.chunks(3).position(|month| month == name)?;
    i64::try_from(index + 1).ok()
}

/// Days since the epoch in the proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || year > 9999 {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    fn berlin() -> Zone {
        Zone::of(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
    }

    /// What `date -u -d '…' +%s` says.
    const NEW_YEAR: i64 = 1_767_225_600;

    #[test]
    fn forms() {
        let zone = &mut berlin();
        let at = |seconds: i64, micros: i64| Some((NEW_YEAR + seconds) * SECOND + micros);
        assert_eq!(rfc3339(b"2026-01-01T00:00:01.123456Z"), at(1, 123_456));
        assert_eq!(rfc3339(b"2026-01-01 01:00:01.5+01:00"), at(1, 500_000));
        assert_eq!(rfc3339(b"2025-12-31T23:00:00.123456789-0100"), at(0, 123_456));
        assert_eq!(common(b"01/Jan/2026:01:00:00 +0100", zone), at(0, 0));
        assert_eq!(common(b"01/Jan/2026:01:00:00.250", zone), at(0, 250_000));
        assert_eq!(
            nginx(b"2026/01/01 01:00:00 [info]", zone),
            at(0, 0).map(|t| (t, &b" [info]"[..]))
        );
        assert_eq!(apache_error(b"Thu Jan 01 01:00:00.000007 2026", zone), at(0, 7));
        assert_eq!(utc(b"2026-01-01T00:00:00.001Z]"), at(0, 1000).map(|t| (t, &b"]"[..])));
    }

    #[test]
    fn summer_time() {
        let zone = &mut berlin();
        let july = NEW_YEAR + 181 * 86_400;
        assert_eq!(common(b"01/Jul/2026:02:00:00.000", zone), Some(july * SECOND));
        assert_eq!(zone.offset(july * SECOND), 2 * 3600 * SECOND);
        assert_eq!(zone.offset(NEW_YEAR * SECOND), 3600 * SECOND);
        // 02:30 does not exist on that day, and is on the way to 03:30.
        assert!(common(b"29/Mar/2026:02:30:00.000", zone).is_some());
    }

    #[test]
    fn a_year_is_found() {
        let zone = &mut berlin();
        let mut at = |now: i64, text: &'static str| {
            zone.now = now;
            zone.local.0 = i64::MIN;
            syslog(text.as_bytes(), zone).unwrap().0 / SECOND
        };
        assert_eq!(at(NEW_YEAR + 86_400, "Dec 31 23:00:00 h"), NEW_YEAR - 7200);
        assert_eq!(at(NEW_YEAR + 86_400, "Jan  1 01:00:00 h"), NEW_YEAR);
        assert_eq!(at(NEW_YEAR - 3600, "Jan  1 01:00:00 h"), NEW_YEAR);
    }

    #[test]
    fn what_is_no_time() {
        let zone = &mut berlin();
        for text in [
            "",
            "2026",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00ZZ",
            "2026-01-01T00:00:00+1:00",
            "2026-13-01T00:00:00Z",
            "202\u{660}-01-01T00:00:0",
        ] {
            assert_eq!(rfc3339(text.as_bytes()), None, "{text}");
            assert_eq!(common(text.as_bytes(), zone), None, "{text}");
            assert_eq!(syslog(text.as_bytes(), zone), None, "{text}");
        }
    }

    #[test]
    fn what_an_operator_types() {
        let second = |text: &str| when(text).map(|time| time / SECOND);
        assert_eq!(second("2026-01-01T00:00:00Z"), Ok(NEW_YEAR));
        assert_eq!(second("@1767225600"), Ok(NEW_YEAR));
        assert_eq!(
            when("2026-01-01 12:00:01").unwrap() - when("2026-01-01").unwrap(),
            43_201 * SECOND
        );
        assert_eq!(when("12:00").unwrap() - when("today").unwrap(), 43_200 * SECOND);
        let now = now() / SECOND;
        for text in ["2h ago", "-2h", "2 hours ago", "120 min ago"] {
            let found = second(text).unwrap();
            assert!((now - 7201..=now - 7198).contains(&found), "{text}: {found}");
        }
        for text in ["now", "+1s", "-1s"] {
            assert!((now - 2..=now + 3).contains(&second(text).unwrap()), "{text}");
        }
        for text in [
            "today",
            "yesterday",
            "tomorrow",
            "2026-01-31",
            "2026-01-31 12:00",
            "2026-01-31 12:00:01",
            "1week ago",
            "12:00",
        ] {
            assert!(second(text).is_ok(), "{text}");
        }
        for text in ["", "soon", "-", "@x", "@1e300", "2026-02-30", "99 bananas ago", "ago"] {
            assert!(second(text).is_err(), "{text}");
        }
    }

    #[test]
    fn days_against_the_calendar() {
        for day in (-700_000..2_900_000).step_by(13) {
            let date = Date::new(1970, 1, 1).unwrap().checked_add(day.days()).unwrap();
            let [year, month, of_month] = [i64::from(date.year()), i64::from(date.month()), i64::from(date.day())];
            assert_eq!(days(year, month, of_month), Some(day), "{date}");
        }
    }
}
