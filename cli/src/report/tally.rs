//! Everything that is counted, in bounded memory: about 50 MB where a log has a million different peers.

use super::sketch::{Count, Sketch};
use super::timeline::Timeline;
use crate::log::{DAY, Found, Kind, Peer, Record, Source, Visitor, Zone, now};
use crate::output::visible;

/// As many different peers, and networks, are counted exactly.
const PEERS: usize = 100_000;
/// As many different causes, and values of `ended`; whatever comes beyond is "other".
const NAMES: usize = 64;
/// The longest name that is kept, in bytes.
const LONGEST_NAME: usize = 128;

/// IPv4 as v4-mapped.
const V4: u128 = 0xffff_0000_0000;

/// Which lines count.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Microseconds since the epoch; the end is not within.
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// Names of units, with `*` and `?`; none: all lines count.
    pub units: Vec<String>,
}

impl Selection {
    fn has_time(&self, time: Option<i64>) -> bool {
        match (time, self.since, self.until) {
            (_, None, None) => true,
            (None, ..) => false,
            (Some(time), since, until) => {
                since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until)
            }
        }
    }

    fn has_unit(&self, unit: &[u8]) -> bool {
        self.units.iter().any(|pattern| matches(pattern.as_bytes(), unit))
    }
}

/// Whether `name` is what `pattern` describes: `*` any bytes, `?` one.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on after the last star.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// A few names, each with a number, the most frequent first.
#[derive(Default)]
pub struct Names(Vec<(String, Vec<u8>, u64)>);

impl Names {
    #[inline]
    fn add(&mut self, name: &[u8], n: u64) {
        let many = self.0.len() >= NAMES;
        match self.0.iter_mut().find(|(_, bytes, _)| bytes == name) {
            Some((.., count)) => *count += n,
            None if !many => self.0.push((shown(name), name.to_vec(), n)),
            None => self.add_to_rest(n),
        }
    }

    #[cold]
    fn add_to_rest(&mut self, n: u64) {
        match self.0.iter_mut().find(|(.., bytes, _)| bytes.is_empty()) {
            Some((.., count)) => *count += n,
            None => self.0.push(("other".into(), Vec::new(), n)),
        }
    }

    /// The names and their numbers, the highest first.
    pub fn sorted(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, _, n)| (name.as_str(), *n)).collect();
        all.sort_by(|(name_a, a), (name_b, b)| b.cmp(a).then_with(|| name_a.cmp(name_b)));
        all
    }
}

/// A name that anybody may have chosen, bounded and made visible.
fn shown(name: &[u8]) -> String {
    visible(&name[..name.len().min(LONGEST_NAME)])
}

/// What a report is made from.
pub struct Tally {
    selection: Selection,
    pub zone: Zone,
    /// All lines that were read; an entry of the journal is one.
    pub lines: u64,
    /// Torn, too long, or with NUL.
    pub broken: u64,
    /// Of no known form.
    pub unknown: u64,
    /// Lines that each name one connection.
    pub named: u64,
    /// Events without a line of their own.
    pub folded: u64,
    pub suppressed: u64,
    pub dropped: u64,
    /// Accounts at exit, and the events that they account for and that no line here has shown.
    pub summaries: u64,
    pub undelivered: u64,
    /// `None`: no line says.
    pub saved: Option<u64>,
    pub causes: Names,
    pub ended: Names,
    sources: [u64; Source::ALL.len()],
    ips: Sketch<u128>,
    named_peers: Sketch<String>,
    /// Events without a peer.
    pub peerless: u64,
    /// Of the peers that are not among `ips` any more: [`Tally::close`] adds those that are.
    networks: Sketch<u128>,
    pub timeline: Timeline,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Events without a time, and events more than a day ahead of this machine's clock: on no picture.
    pub undated: u64,
    pub ahead: u64,
    /// When "ahead" begins.
    ahead_from: i64,
    /// The line that is being read names a unit that was asked for.
    unit_matches: bool,
    /// Any line did.
    pub unit_seen: bool,
    /// Lines that name no unit, where units were asked for.
    pub unitless: u64,
    names_a_unit: bool,
}

/// A peer or a network, and what is counted for it.
pub struct Row {
    pub name: String,
    pub count: Count,
}

impl Tally {
    pub fn new(selection: Selection, zone: Zone) -> Self {
        Tally {
            selection,
            zone,
            lines: 0,
            broken: 0,
            unknown: 0,
            named: 0,
            folded: 0,
            suppressed: 0,
            dropped: 0,
            summaries: 0,
            undelivered: 0,
            saved: None,
            causes: Names::default(),
            ended: Names::default(),
            sources: [0; Source::ALL.len()],
            ips: Sketch::new(PEERS),
            named_peers: Sketch::new(PEERS),
            peerless: 0,
            networks: Sketch::new(PEERS),
            timeline: Timeline::default(),
            first: None,
            last: None,
            undated: 0,
            ahead: 0,
            ahead_from: now() + DAY,
            unit_matches: false,
            unit_seen: false,
            unitless: 0,
            names_a_unit: false,
        }
    }

    /// All events: those that a line names, and those that a line only counts.
    pub fn events(&self) -> u64 {
        self.named + self.folded + self.suppressed + self.dropped
    }

    /// Lines of a known form that say nothing of a peer that vanished, or were not asked for.
    pub fn others(&self) -> u64 {
        self.lines - self.broken - self.unknown - self.counted()
    }

    fn counted(&self) -> u64 {
        self.sources.iter().sum()
    }

    /// Lines that count, by who wrote them.
    pub fn sources(&self) -> impl Iterator<Item = (Source, u64)> {
        Source::ALL.into_iter().zip(self.sources).filter(|&(_, n)| n > 0)
    }

    /// Whether any line is the library's: only these say how much never arrived.
    pub fn has_own(&self) -> bool {
        let own = [Source::Text, Source::Json, Source::Journal];
        own.iter().any(|&source| self.sources[source as usize] > 0)
    }

    /// As many different peers are counted exactly.
    pub fn room(&self) -> usize {
        self.ips.room()
    }

    /// Who was counted more often than this is surely among the peers. 0: all numbers are exact.
    pub fn floor(&self) -> u64 {
        self.ips
            .floor()
            .max(self.named_peers.floor())
            .max(self.networks.floor())
    }

    /// How many different peers there are; not exact if there is a floor.
    pub fn peers(&self) -> usize {
        self.ips.len() + self.named_peers.len()
    }

    pub fn networks(&self) -> usize {
        self.networks.len()
    }

    /// The `n` peers with most events.
    pub fn top_peers(&self, n: usize) -> Vec<Row> {
        let ips = self.ips.top(n).into_iter().map(|(ip, count)| Row {
            name: address(ip),
            count,
        });
        let named = self.named_peers.top(n).into_iter();
        let mut rows: Vec<Row> = ips.chain(named.map(|(name, count)| Row { name, count })).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.count.events, row.count.undelivered)));
        rows.truncate(n);
        rows
    }

    /// The `n` networks with most events: /24 of IPv4, /48 of IPv6.
    pub fn top_networks(&self, n: usize) -> Vec<Row> {
        let rows = self.networks.top(n).into_iter();
        rows.map(|(ip, count)| Row {
            name: network_name(ip),
            count,
        })
        .collect()
    }

    fn record(&mut self, record: &Record<'_>) {
        self.sources[record.source as usize] += 1;
        let (own, others) = match record.kind {
            // Its numbers are sums of what other lines have shown.
            Kind::Summary => {
                self.summaries += 1;
                return;
            }
            Kind::Notice => (0, record.suppressed + record.dropped),
            // A line that stands for repeats is none of them.
            Kind::Event if record.folded > 0 => (0, record.suppressed + record.dropped),
            Kind::Event => (1, record.suppressed + record.dropped),
        };
        self.named += own;
        self.folded += record.folded;
        self.suppressed += record.suppressed;
        self.dropped += record.dropped;
        self.place(record.time, own + record.folded + others);
        let of_this_peer = own + record.folded;
        if of_this_peer == 0 {
            return;
        }
        self.undelivered += record.undelivered;
        if let Some(saved) = record.saved {
            *self.saved.get_or_insert(0) += saved;
        }
        if !record.cause.is_empty() {
            self.causes.add(&record.cause, of_this_peer);
        }
        if let Some(ended) = record.ended.as_deref().filter(|ended| !ended.is_empty()) {
            self.ended.add(ended, of_this_peer);
        }
        let this = Count {
            events: of_this_peer,
            error: 0,
            undelivered: record.undelivered,
            saved: record.saved.unwrap_or(0),
            last: record.time,
        };
        match &record.peer {
            Peer::Ip(ip) => {
                let networks = &mut self.networks;
                let left = |ip, count: Count| networks.of(&network(ip), |_, _| ()).add(&count);
                self.ips.of(ip, left).add(&this);
            }
            Peer::Name(name) => self.named_peers.of(&shown(name), |_, _| ()).add(&this),
            Peer::Unknown => self.peerless += of_this_peer,
        }
    }

    /// After the last line: a network is the sum of its peers. It is not counted line by line.
    pub fn close(&mut self) {
        for (&ip, count) in self.ips.all() {
            self.networks.of(&network(ip), |_, _| ()).add(count);
        }
    }

    fn place(&mut self, time: Option<i64>, events: u64) {
        match time {
            _ if events == 0 => {}
            None => self.undated += events,
            Some(time) if time > self.ahead_from => self.ahead += events,
            Some(time) => {
                self.first = Some(self.first.map_or(time, |first| first.min(time)));
                self.last = self.last.max(Some(time));
                self.timeline.add(time, events, &mut self.zone);
            }
        }
    }
}

impl Visitor for Tally {
    fn found(&mut self, found: &Found<'_>) {
        self.lines += 1;
        match found {
            Found::Record(record) => {
                if !self.selection.units.is_empty() && !self.names_a_unit {
                    self.unitless += 1;
                }
                if (self.selection.units.is_empty() || self.unit_matches) && self.selection.has_time(record.time) {
                    self.record(record);
                }
            }
            Found::Known => {}
            Found::Unknown => self.unknown += 1,
            Found::Broken => self.broken += 1,
        }
        (self.unit_matches, self.names_a_unit) = (false, false);
    }

    fn unit(&mut self, unit: &[u8]) {
        self.names_a_unit = true;
        if self.selection.has_unit(unit) {
            (self.unit_matches, self.unit_seen) = (true, true);
        }
    }

    fn tick(&mut self) {}
}

fn is_v4(ip: u128) -> bool {
    ip >> 32 == V4 >> 32
}

fn network(ip: u128) -> u128 {
    if is_v4(ip) { ip & !0xff } else { ip & (u128::MAX << 80) }
}

fn address(ip: u128) -> String {
    match is_v4(ip) {
        true => std::net::Ipv4Addr::from(ip as u32).to_string(),
        false => std::net::Ipv6Addr::from(ip).to_string(),
    }
}

fn network_name(ip: u128) -> String {
    format!("{}/{}", address(ip), if is_v4(ip) { 24 } else { 48 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::SECOND;
    use jiff::tz::TimeZone;

    fn tally(selection: Selection, records: &[Record<'static>]) -> Tally {
        let mut tally = Tally::new(selection, Zone::of(TimeZone::UTC));
        for record in records {
            tally.found(&Found::Record(record.clone()));
        }
        tally.close();
        tally
    }

    fn event() -> Record<'static> {
        Record {
            time: Some(1_767_225_600 * SECOND),
            peer: Peer::Ip(V4 | 0x0102_0304),
            undelivered: 10,
            ..Record::event(Source::Text, &b"reset"[..])
        }
    }

    #[test]
    fn every_event_counts_once_as_what_it_is() {
        let notice = Record {
            kind: Kind::Notice,
            cause: b""[..].into(),
            ..event()
        };
        let tally = tally(
            Selection::default(),
            &[
                event(),
                Record {
                    suppressed: 3,
                    dropped: 2,
                    saved: Some(1),
                    ..event()
                },
                Record {
                    folded: 17,
                    undelivered: 0,
                    ..event()
                },
                Record {
                    suppressed: 1,
                    peer: Peer::Unknown,
                    undelivered: 0,
                    ..notice.clone()
                },
                Record {
                    kind: Kind::Summary,
                    suppressed: 99,
                    undelivered: 99,
                    ..notice
                },
            ],
        );
        assert_eq!(
            (tally.named, tally.folded, tally.suppressed, tally.dropped),
            (2, 17, 4, 2)
        );
        assert_eq!(
            (tally.events(), tally.undelivered, tally.saved, tally.summaries),
            (25, 20, Some(1), 1)
        );
        assert_eq!(tally.causes.sorted(), [("reset", 19)]);
        let top = &tally.top_peers(9)[0];
        assert_eq!(
            (top.name.as_str(), top.count.events, top.count.saved),
            ("1.2.3.4", 19, 1)
        );
        assert_eq!(tally.timeline.week.as_flattened().iter().sum::<u64>(), 25);
        assert_eq!(tally.others(), 0);
    }

    #[test]
    fn networks_and_names() {
        let v6 = 0x2001_0db8_0001_0002_0000_0000_0000_0003;
        let tally = tally(
            Selection::default(),
            &[
                event(),
                Record {
                    peer: Peer::Ip(v6),
                    ..event()
                },
                Record {
                    peer: Peer::Name(b"/run/\x1b[31m"[..].into()),
                    ..event()
                },
            ],
        );
        let names = |rows: Vec<Row>| rows.into_iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(names(tally.top_networks(9)), ["1.2.3.0/24", "2001:db8:1::/48"]);
        assert_eq!(
            names(tally.top_peers(9)),
            ["1.2.3.4", "2001:db8:1:2::3", "/run/\\u{1b}[31m"]
        );
    }

    #[test]
    fn what_is_asked_for() {
        let at = |seconds: i64| Some((1_767_225_600 + seconds) * SECOND);
        let selection = Selection {
            since: at(0),
            until: at(1),
            ..Selection::default()
        };
        let events = [at(-1), at(0), at(1), None].map(|time| Record { time, ..event() });
        assert_eq!(tally(selection, &events).events(), 1);
        let selection = Selection {
            units: vec!["game@*.service".into()],
            ..Selection::default()
        };
        let mut tally = tally(selection, &[event()]);
        assert_eq!((tally.events(), tally.unitless, tally.unit_seen), (0, 1, false));
        for unit in ["game@1.service", "other.service"] {
            tally.unit(unit.as_bytes());
            tally.found(&Found::Record(event()));
        }
        assert_eq!((tally.events(), tally.unit_seen, tally.others()), (1, true, 2));
    }

    #[test]
    fn times_that_cannot_be() {
        let tally = tally(
            Selection::default(),
            &[
                event(),
                Record {
                    time: Some(now() + 2 * DAY),
                    ..event()
                },
                Record { time: None, ..event() },
            ],
        );
        assert_eq!((tally.events(), tally.ahead, tally.undated), (3, 1, 1));
        assert_eq!(tally.last, event().time);
    }

    #[test]
    fn patterns() {
        for (pattern, name, holds) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("*a*b", "xaxbab", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("*", "", true),
            ("a**", "abc", true),
            ("*a", "ab", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), holds, "{pattern} {name}");
        }
    }

    #[test]
    fn too_many_causes_are_other() {
        let mut names = Names::default();
        for i in 0..100 {
            names.add(format!("c{i}").as_bytes(), 1);
        }
        assert_eq!((names.0.len(), names.sorted()[0]), (NAMES + 1, ("other", 36)));
    }
}
