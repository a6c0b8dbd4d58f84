//! Events by time, in bounded memory: columns that become wider when there are too many, and a map of hour and weekday.

use std::collections::BTreeMap;

use crate::log::{SECOND, Zone};

const MINUTE: i64 = 60 * SECOND;
/// The widths that a column may have. Each is a multiple of the one before, so columns can be joined.
const WIDTHS: [i64; 9] = [
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    60 * MINUTE,
    6 * 60 * MINUTE,
    24 * 60 * MINUTE,
    7 * 24 * 60 * MINUTE,
    28 * 24 * 60 * MINUTE,
    // A year and a bit: ten thousand years are 8,900 of them.
    13 * 28 * 24 * 60 * MINUTE,
];
/// As many columns that are not empty are kept.
const ROOM: usize = 4096;

/// A column of the timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// When it begins, microseconds since the epoch.
    pub start: i64,
    pub events: u64,
}

/// See the module.
#[derive(Default)]
pub struct Timeline {
    /// Which of [`WIDTHS`].
    width: usize,
    /// How much later it was in the local zone than in UTC at the first event: days begin at local midnight.
    offset: Option<i64>,
    columns: BTreeMap<i64, u64>,
    /// The column of the last event, whose events are not in `columns` yet.
    open: Option<(i64, u64)>,
    /// Events by weekday, Monday first, and hour, by the local clock.
    pub week: [[u64; 24]; 7],
}

impl Timeline {
    /// Counts `events` at `time`.
    #[inline]
    pub fn add(&mut self, time: i64, events: u64, zone: &mut Zone) {
        let offset = zone.offset(time);
        let first = *self.offset.get_or_insert(offset);
        match &mut self.open {
            Some((column, there)) if *column == (time + first).div_euclid(WIDTHS[self.width]) => *there += events,
            _ => {
                self.close();
                self.open = Some(((time + first).div_euclid(WIDTHS[self.width]), events));
            }
        }

        let hours = (time + offset).div_euclid(60 * MINUTE);
        // 1 January 1970 was a Thursday.
        let weekday = (hours.div_euclid(24) + 3).rem_euclid(7);
        self.week[weekday as usize][hours.rem_euclid(24) as usize] += events;
    }

    fn close(&mut self) {
        if let Some((column, events)) = self.open.take() {
            *self.columns.entry(column).or_default() += events;
        }
        while self.columns.len() > ROOM && self.width + 1 < WIDTHS.len() {
            self.widen();
        }
    }

    fn widen(&mut self) {
        let times = WIDTHS[self.width + 1] / WIDTHS[self.width];
        self.width += 1;
        for (column, events) in std::mem::take(&mut self.columns) {
            *self.columns.entry(column.div_euclid(times)).or_default() += events;
        }
    }

    /// The width of a column, microseconds, and the columns from the first event to the last, at most `most` of them;
    /// those without an event too.
    pub fn columns(&mut self, most: usize) -> (i64, Vec<Column>) {
        let offset = self.offset.unwrap_or_default();
        self.close();
        let span = |columns: &BTreeMap<i64, u64>| match (columns.first_key_value(), columns.last_key_value()) {
            (Some((&first, _)), Some((&last, _))) => Some((first, last)),
            _ => None,
        };
        let mut joined = Timeline {
            width: self.width,
            columns: self.columns.clone(),
            ..Timeline::default()
        };
        let most = most.max(1) as i64;
        while span(&joined.columns).is_some_and(|(first, last)| last - first >= most) && joined.width + 1 < WIDTHS.len()
        {
            joined.widen();
        }
        let Some((first, last)) = span(&joined.columns) else {
            return (WIDTHS[joined.width], Vec::new());
        };
        // Beyond the widest: as many as are asked for, from the end.
        let first = first.max(last.saturating_sub(most - 1));
        let width = WIDTHS[joined.width];
        let column = |column: i64| Column {
            start: column.saturating_mul(width).saturating_sub(offset),
            events: joined.columns.get(&column).copied().unwrap_or(0),
        };
        (width, (first..=last).map(column).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    /// Thursday, 2026-01-01T00:00:00Z.
    const NEW_YEAR: i64 = 1_767_225_600 * SECOND;

    #[test]
    fn hours_and_weekdays_are_local() {
        let mut timeline = Timeline::default();
        let zone = &mut Zone::of(TimeZone::fixed(jiff::tz::offset(5)));
        timeline.add(NEW_YEAR, 2, zone);
        timeline.add(NEW_YEAR - 6 * 60 * MINUTE, 1, zone);
        assert_eq!((timeline.week[3][5], timeline.week[2][23]), (2, 1));
    }

    #[test]
    fn days_begin_at_local_midnight() {
        let mut timeline = Timeline::default();
        let zone = &mut Zone::of(TimeZone::fixed(jiff::tz::offset(5)));
        for day in 0..60 {
            timeline.add(NEW_YEAR + day * 24 * 60 * MINUTE, 1, zone);
        }
        let (width, columns) = timeline.columns(60);
        assert_eq!((width, columns.len()), (24 * 60 * MINUTE, 60));
        assert_eq!(columns[0].start, NEW_YEAR - 5 * 60 * MINUTE);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(times in proptest::collection::vec(0..400_000_000_i64, 0..300), most in 1..100_usize) {
            let mut timeline = Timeline::default();
            let zone = &mut Zone::of(TimeZone::UTC);
            for &time in &times {
                timeline.add(time * SECOND, 1, zone);
            }
            for _ in 0..2 {
                let (width, columns) = timeline.columns(most);
                prop_assert!(columns.len() <= most);
                for column in &columns {
                    let inside = |time: &&i64| (column.start..column.start + width).contains(&(**time * SECOND));
                    prop_assert_eq!(times.iter().filter(inside).count() as u64, column.events);
                }
                if most > 13 {
                    prop_assert_eq!(columns.iter().map(|column| column.events).sum::<u64>(), times.len() as u64);
                }
            }
            prop_assert_eq!(timeline.week.as_flattened().iter().sum::<u64>(), times.len() as u64);
        }
    }

    #[test]
    fn many_columns_take_no_more_memory() {
        let mut timeline = Timeline::default();
        let zone = &mut Zone::of(TimeZone::UTC);
        for i in 0..100_000 {
            timeline.add(i * 3600 * SECOND, 1, zone);
        }
        assert!(timeline.columns.len() <= ROOM);
        let (_, columns) = timeline.columns(200);
        assert_eq!(columns.iter().map(|column| column.events).sum::<u64>(), 100_000);
        // As far as a clock can be wrong.
        timeline.add(253_402_300_799 * SECOND, 1, zone);
        timeline.add(-62_135_596_800 * SECOND, 1, zone);
        assert!(timeline.columns(50).1.len() <= 50);
    }
}
