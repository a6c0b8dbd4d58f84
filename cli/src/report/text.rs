//! The report for a terminal, or a mail: tables, bars, a timeline and a map of the week.

use std::fmt::Write;

use super::numbers::{DAYS, bytes, grouped, percent, plural, width};
use super::tally::{Names, Row, Tally};

/// What the terminal is like.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns.
    pub width: usize,
    pub colour: bool,
    /// It shows more than ASCII.
    pub unicode: bool,
}

/// The narrowest that is drawn for: less is as if it were this.
const NARROWEST: usize = 40;
/// Wider bars say no more.
const WIDEST: usize = 160;
/// How high the timeline is, in lines.
const HEIGHT: usize = 5;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const BAR: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";
/// The colours of the map, from few to many: 256-colour cyan to white, legible on dark and light ground.
const HEAT: [u8; 5] = [24, 31, 38, 45, 51];

/// The report, with `top` peers and networks.
pub fn screen(tally: &mut Tally, top: usize, look: Look) -> String {
    let mut page = Page {
        text: String::new(),
        look: Look {
            width: look.width.clamp(NARROWEST, WIDEST),
            ..look
        },
    };
    page.totals(tally);
    if tally.events() == 0 {
        return page.text;
    }
    page.names("Causes", &tally.causes, tally.events());
    page.names("Ended", &tally.ended, tally.events());
    let rows = tally.top_peers(top);
    page.rows(
        &format!("Peers, {} different", about(tally.peers(), tally)),
        &rows,
        tally,
    );
    let rows = tally.top_networks(top);
    page.rows(
        &format!("Networks, {} different", about(tally.networks(), tally)),
        &rows,
        tally,
    );
    if tally.first.is_some() {
        page.timeline(tally);
        page.week(tally);
    }
    page.text
}

fn about(n: usize, tally: &Tally) -> String {
    match tally.floor() {
        0 => grouped(n as u64),
        _ => format!("more than {}", grouped(tally.room() as u64)),
    }
}

/// What must be said about how the numbers came about, a sentence each.
pub fn remarks(tally: &Tally) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |n: u64, text: String| {
        if n > 0 {
            said.push(text);
        }
    };
    say(
        u64::from(!tally.has_own() && tally.events() > 0),
        "How much never arrived is in the library's own lines alone.".into(),
    );
    let without_a_line = tally.suppressed + tally.dropped;
    say(
        without_a_line,
        format!(
            "{} without a line ({} suppressed by NOPIPE_RATE, {} dropped by the log): they count above and in the pictures, not for a cause or a peer.",
            plural(without_a_line, "event"),
            grouped(tally.suppressed),
            grouped(tally.dropped)
        ),
    );
    say(
        tally.folded,
        format!(
            "{} folded into lines for repeats from one address.",
            plural(tally.folded, "event")
        ),
    );
    let floor = tally.floor();
    say(
        floor,
        format!(
            "More than {} peers or networks: numbers with ~ may be too low by up to {}. None with more than that is missing.",
            grouped(tally.room() as u64),
            grouped(floor)
        ),
    );
    say(
        tally.broken,
        format!(
            "{} broken: torn, longer than 1 MiB, or with NUL.",
            plural(tally.broken, "line")
        ),
    );
    say(
        tally.ahead,
        format!(
            "{} more than a day ahead of this machine's clock: in no picture.",
            plural(tally.ahead, "event")
        ),
    );
    say(
        tally.undated,
        format!("{} without a time: in no picture.", plural(tally.undated, "event")),
    );
    let sources: Vec<&str> = tally.sources().map(|(source, _)| source.name()).collect();
    let both = |a: &str, b: &str| u64::from(sources.contains(&a) && sources.contains(&b));
    for (a, b) in [("nginx-access", "nginx-error"), ("apache-access", "apache-error")] {
        say(
            both(a, b),
            format!("{a} and {b} may show the same client: it counts twice."),
        );
    }
    said
}

struct Page {
    text: String,
    look: Look,
}

impl Page {
    fn painted(&self, colour: &str, text: &str) -> String {
        match self.look.colour && !text.trim().is_empty() {
            true => format!("{colour}{text}{PLAIN}"),
            false => text.to_owned(),
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn title(&mut self, title: &str) {
        let title = self.painted(BOLD, title);
        self.line(&format!("\n{title}"));
    }

    /// A sentence, in as many lines as it takes.
    fn sentence(&mut self, text: &str) {
        let mut line = String::from(" ");
        for word in text.split(' ') {
            if line.chars().count() + 1 + word.chars().count() > self.look.width && line.len() > 1 {
                let full = self.painted(DIM, &line);
                self.line(&full);
                line = String::from("  ");
            }
            line.push(' ');
            line.push_str(word);
        }
        let rest = self.painted(DIM, &line);
        self.line(&rest);
    }

    fn totals(&mut self, tally: &mut Tally) {
        let events = plural(tally.events(), "event");
        let events = self.painted(BOLD, &events);
        let when = match (tally.first, tally.last) {
            (Some(first), Some(last)) => {
                let zone = tally.zone.name();
                let show = |time| tally.zone.show(time, "%Y-%m-%d %H:%M");
                format!(", {} to {} {zone}", show(first), show(last))
            }
            _ => String::new(),
        };
        let lines = format!("  in {}", plural(tally.lines, "line"));
        match lines.len() + when.len() + 16 > self.look.width {
            true => {
                self.line(&format!("{events}{lines}"));
                self.line(when.trim_start_matches(", "));
            }
            false => self.line(&format!("{events}{lines}{when}")),
        }
        if tally.has_own() {
            let undelivered = bytes(tally.undelivered);
            let exact = match tally.undelivered {
                0..1000 => String::new(),
                n => format!(" ({})", grouped(n)),
            };
            self.line(&format!("  {undelivered:>10}  never arrived{exact}"));
        }
        if let Some(saved) = tally.saved {
            self.line(&format!("  {:>10}  times SIGPIPE would have ended it", grouped(saved)));
        }
        let sources: Vec<String> = tally
            .sources()
            .map(|(source, n)| format!("{} {}", source.name(), grouped(n)))
            .collect();
        if sources.len() > 1 {
            self.sentence(&format!("Lines: {}.", sources.join(", ")));
        }
        for remark in remarks(tally) {
            self.sentence(&remark);
        }
    }

    /// A bar for `n` where `most` takes all of `room`; it is never empty for what is not nothing.
    fn bar(&self, n: u64, most: u64, room: usize) -> String {
        let eighths = match (n, most) {
            (0, _) | (_, 0) => 0,
            _ => ((n as f64 / most as f64 * room as f64 * 8.0) as usize).max(1),
        };
        let bar = match self.look.unicode {
            true => {
                let part = ['\0', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
                let mut bar = "█".repeat(eighths / 8);
                bar.extend((part != '\0').then_some(part));
                bar
            }
            false => "#".repeat(eighths.div_ceil(8)),
        };
        self.painted(BAR, &bar)
    }

    fn names(&mut self, title: &str, names: &Names, whole: u64) {
        let names = names.sorted();
        let Some(&(_, most)) = names.first() else { return };
        self.title(title);
        let longest = names
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0)
            .clamp(8, self.look.width / 2);
        let number = grouped(most).len().max(6);
        let room = self.look.width.saturating_sub(2 + longest + 2 + number + 2 + 4 + 2);
        for (name, n) in names {
            let bar = if room < 4 {
                String::new()
            } else {
                self.bar(n, most, room)
            };
            let name = fit(name, longest, self.look.unicode);
            self.line(&format!(
                "  {name}  {:>number$}  {:>4}  {bar}",
                grouped(n),
                percent(n, whole)
            ));
        }
    }

    fn rows(&mut self, title: &str, rows: &[Row], tally: &Tally) {
        let Some(most) = rows.first().map(|row| row.count.events) else {
            return;
        };
        self.title(title);
        let number = grouped(most).len().max(6) + 1;
        let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let with_time = self.look.width >= 72;
        let rest = 2 + 1 + number + 2 + 9 + if with_time { 2 + 16 } else { 0 };
        let name = longest.clamp(8, self.look.width.saturating_sub(rest).max(8));
        let room = self.look.width.saturating_sub(rest + name + 2);
        let head = format!(
            "  {:name$} {:>number$}  {:>9}{}",
            "",
            "events",
            "lost",
            if with_time { "  last" } else { "" }
        );
        let head = self.painted(DIM, &head);
        self.line(&head);
        for row in rows {
            let events = format!(
                "{}{}",
                if row.count.error > 0 { "~" } else { "" },
                grouped(row.count.events)
            );
            let last = match row.count.last.filter(|_| with_time) {
                Some(last) => format!("  {}", tally.zone.show(last, "%Y-%m-%d %H:%M")),
                None => String::new(),
            };
            let bar = if room < 6 {
                String::new()
            } else {
                self.bar(row.count.events, most, room.min(40))
            };
            let shown = fit(&row.name, name, self.look.unicode);
            self.line(&format!(
                "  {shown} {events:>number$}  {:>9}{last}  {bar}",
                bytes(row.count.undelivered)
            ));
        }
    }

    fn timeline(&mut self, tally: &mut Tally) {
        let (wide, columns) = tally.timeline.columns(self.look.width - 10);
        let most = columns.iter().map(|column| column.events).max().unwrap_or(0);
        let axis = grouped(most).len().max(1);
        let (wide, columns) = match axis > 7 {
            true => tally.timeline.columns(self.look.width - axis - 3),
            false => (wide, columns),
        };
        let most = columns.iter().map(|column| column.events).max().unwrap_or(0);
        let axis = grouped(most).len().max(axis);
        self.title(&format!("When: a column is {}", width(wide)));
        // As few events as there are get columns as wide as there is room for.
        let times = ((self.look.width - axis - 3) / columns.len().max(1)).clamp(1, 4);
        let steps: &[&str] = if self.look.unicode {
            &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        } else {
            &[" ", ".", ":", "#"]
        };
        let full = steps.len() - 1;
        for level in (0..HEIGHT).rev() {
            let mut row = String::new();
            for column in &columns {
                let height = match column.events {
                    0 => 0,
                    n => ((n as f64 / most as f64 * (HEIGHT * full) as f64).round() as usize).max(1),
                };
                row.push_str(&steps[height.saturating_sub(level * full).min(full)].repeat(times));
            }
            let mark = match level {
                _ if level == HEIGHT - 1 => grouped(most),
                0 => "0".into(),
                _ => String::new(),
            };
            let row = self.painted(BAR, row.trim_end());
            self.line(&format!("  {mark:>axis$} {row}"));
        }
        if let (Some(first), Some(last)) = (columns.first(), columns.last()) {
            let format = if wide < 86_400_000_000 {
                "%m-%d %H:%M"
            } else {
                "%Y-%m-%d"
            };
            let (from, to) = (
                tally.zone.show(first.start, format),
                tally.zone.show(last.start, format),
            );
            let room = (columns.len() * times).max(from.len());
            let dates = match room > from.len() + to.len() + 1 {
                true => format!("{from}{to:>width$}", width = room - from.len()),
                false if columns.len() > 1 => format!("{from} to {to}"),
                false => from,
            };
            let line = format!("  {:axis$} {dates}", "");
            let line = self.painted(DIM, &line);
            self.line(&line);
        }
    }

    fn week(&mut self, tally: &Tally) {
        let most = tally.timeline.week.as_flattened().iter().copied().max().unwrap_or(0);
        // Each hour one, two or three columns wide.
        let each = ((self.look.width - 6) / 24).clamp(1, 3);
        self.title(
            &format!("Hour and weekday: darkest is {}", plural(most, "event"))
                .replace("darkest", if self.look.colour { "brightest" } else { "fullest" }),
        );
        let mut head = String::from("      ");
        for hour in (0..24).step_by(3) {
            let _ = write!(head, "{hour:<width$}", width = each * 3);
        }
        let head = self.painted(DIM, &head);
        self.line(&head);
        let shades = if self.look.unicode {
            ["·", "░", "▒", "▓", "█"]
        } else {
            [".", "-", "+", "*", "#"]
        };
        for (day, hours) in DAYS.iter().zip(&tally.timeline.week) {
            let mut row = String::new();
            for &n in hours {
                if n == 0 {
                    row.push_str(&" ".repeat(each));
                    continue;
                }
                let level = ((n as f64 / most as f64 * 5.0).ceil() as usize).clamp(1, 5) - 1;
                match self.look.colour {
                    true => {
                        let cell = if self.look.unicode { "█" } else { shades[level] };
                        let _ = write!(row, "\x1b[38;5;{}m{}{PLAIN}", HEAT[level], cell.repeat(each));
                    }
                    false => row.push_str(&shades[level].repeat(each)),
                }
            }
            self.line(&format!("  {day} {row}"));
        }
    }
}

/// A name in exactly `width` columns, its end cut off where it does not fit.
fn fit(name: &str, width: usize, unicode: bool) -> String {
    match name.chars().count() > width {
        true => {
            let mark = if unicode { "…" } else { "~" };
            name.chars().take(width - 1).collect::<String>() + mark
        }
        false => format!("{name:<width$}"),
    }
}
