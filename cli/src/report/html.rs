//! The report as one page that needs nothing else: no script, no font, no picture from elsewhere.

use std::fmt::Write;

use super::numbers::{DAYS, bytes, grouped, percent, plural, width};
use super::tally::{Names, Row, Tally};
use super::text::remarks;
use crate::log::now;

/// As many columns of the timeline at most.
const COLUMNS: usize = 120;

/// The style: light or dark as the reader's system is; light on paper.
const STYLE: &str = include_str!("report.css");

/// The page, with `top` peers and networks.
pub fn page(tally: &mut Tally, top: usize) -> String {
    let mut page = Page(String::new());
    let zone = tally.zone.name();
    let made = tally.zone.show(now(), "%Y-%m-%d %H:%M");
    page.push(&format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Peers that vanished</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Peers that vanished</h1>\n"
    ));
    let when = match (tally.first, tally.last) {
        (Some(first), Some(last)) => {
            let show = |time| tally.zone.show(time, "%Y-%m-%d %H:%M");
            format!("{} to {}", show(first), show(last))
        }
        _ => "no event with a time".into(),
    };
    page.push(&format!(
        "<p class=\"when\">{} <span>{}</span></p>\n",
        escaped(&when),
        escaped(&zone)
    ));
    page.tiles(tally);
    if tally.events() > 0 {
        if tally.first.is_some() {
            page.timeline(tally);
            page.week(tally);
        }
        page.push("<div class=\"pair\">\n");
        page.names("Causes", &tally.causes, tally.events());
        page.names("Who ended it, and when", &tally.ended, tally.events());
        page.push("</div>\n");
        let rows = tally.top_peers(top);
        page.rows("Peers", &rows, tally);
        let rows = tally.top_networks(top);
        page.rows("Networks", &rows, tally);
    }
    page.push("<footer>\n");
    let sources: Vec<String> = tally
        .sources()
        .map(|(source, n)| format!("{} {}", source.name(), grouped(n)))
        .collect();
    if !sources.is_empty() {
        page.push(&format!(
            "<p>From {} of {}: {}.</p>\n",
            plural(tally.sources().map(|(_, n)| n).sum(), "line"),
            grouped(tally.lines),
            sources.join(", ")
        ));
    }
    for remark in remarks(tally) {
        page.push(&format!("<p>{}</p>\n", escaped(&remark)));
    }
    page.push(&format!(
        "<p>Made by nopipe {} on {made} {}.</p>\n</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        escaped(&zone)
    ));
    page.0
}

/// Text in HTML, in an attribute as well.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

struct Page(String);

impl Page {
    fn push(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn tiles(&mut self, tally: &Tally) {
        let mut all: Vec<(String, &str)> = vec![(grouped(tally.events()), "events")];
        if tally.has_own() {
            all.push((bytes(tally.undelivered), "never arrived"));
        }
        if let Some(saved) = tally.saved {
            all.push((grouped(saved), "times it would have died"));
        }
        let more = if tally.floor() > 0 { "&gt; " } else { "" };
        let peers = if tally.floor() > 0 { tally.room() } else { tally.peers() };
        all.push((format!("{more}{}", grouped(peers as u64)), "different peers"));
        if tally.broken > 0 {
            all.push((
                grouped(tally.broken),
                if tally.broken == 1 {
                    "broken line"
                } else {
                    "broken lines"
                },
            ));
        }
        self.push("<dl class=\"tiles\">\n");
        for (number, label) in all {
            let _ = writeln!(self.0, "<div><dd>{number}</dd><dt>{label}</dt></div>");
        }
        self.push("</dl>\n");
    }

    fn timeline(&mut self, tally: &mut Tally) {
        const WIDE: f64 = 960.0;
        const HIGH: f64 = 200.0;
        const LEFT: f64 = 56.0;
        const BELOW: f64 = 24.0;
        let (step, columns) = tally.timeline.columns(COLUMNS);
        let most = columns.iter().map(|column| column.events).max().unwrap_or(0);
        let top = round_up(most);
        let each = (WIDE - LEFT) / columns.len().max(1) as f64;
        let y = |n: u64| 8.0 + HIGH * (1.0 - n as f64 / top as f64);
        self.push(&format!(
            "<figure>\n<figcaption>When <small>a column is {}</small></figcaption>\n\
             <svg viewBox=\"0 0 {WIDE} {}\" role=\"img\" aria-label=\"Events by time, at most {} in {}\">\n",
            width(step),
            HIGH + BELOW + 8.0,
            grouped(most),
            width(step)
        ));
        for n in [0, top / 2, top] {
            if n == top / 2 && !top.is_multiple_of(2) {
                continue;
            }
            let y = y(n);
            let _ = writeln!(
                self.0,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDE}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                grouped(n)
            );
        }
        let format = if step < 86_400_000_000 {
            "%Y-%m-%d %H:%M"
        } else {
            "%Y-%m-%d"
        };
        // No wider than a thumb, where there are few.
        let bar = (each * 0.86).min(48.0);
        for (i, column) in columns.iter().enumerate().filter(|(_, column)| column.events > 0) {
            let x = LEFT + i as f64 * each + (each - bar) / 2.0;
            // What is not nothing is seen.
            let top = y(column.events).min(8.0 + HIGH - 1.5);
            let _ = writeln!(
                self.0,
                "<rect class=\"bar\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{bar:.1}\" height=\"{:.1}\"><title>{}: {}</title></rect>",
                8.0 + HIGH - top,
                tally.zone.show(column.start, format),
                plural(column.events, "event")
            );
        }
        let labels = columns.len().min(6);
        for label in 0..labels {
            let i = if labels > 1 {
                label * (columns.len() - 1) / (labels - 1)
            } else {
                0
            };
            let middle = LEFT + (i as f64 + 0.5) * each;
            let (x, class) = match label {
                0 if labels > 1 => (LEFT, "start"),
                _ if label + 1 == labels && labels > 1 => (WIDE, "end"),
                _ => (middle, "middle"),
            };
            let short = if step < 86_400_000_000 {
                "%b %-d %H:%M"
            } else {
                "%Y-%m-%d"
            };
            let _ = writeln!(
                self.0,
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                HIGH + BELOW + 2.0,
                tally.zone.show(columns[i].start, short)
            );
        }
        self.push("</svg>\n</figure>\n");
    }

    fn week(&mut self, tally: &Tally) {
        const LEFT: usize = 56;
        const EACH: usize = 37;
        const HIGH: usize = 24;
        let week = &tally.timeline.week;
        let most = week.as_flattened().iter().copied().max().unwrap_or(0).max(1);
        self.push(&format!(
            "<figure>\n<figcaption>Hour and weekday <small>the strongest is {}</small></figcaption>\n\
             <svg viewBox=\"0 0 960 {}\" role=\"img\" aria-label=\"Events by hour and weekday\">\n",
            plural(most, "event"),
            7 * HIGH + 28
        ));
        for (row, (day, hours)) in DAYS.iter().zip(week).enumerate() {
            let y = row * HIGH;
            let _ = writeln!(
                self.0,
                "<text class=\"end\" x=\"{}\" y=\"{}\">{day}</text>",
                LEFT - 8,
                y + 16
            );
            for (hour, &n) in hours.iter().enumerate() {
                let level = (n as f64 / most as f64 * 5.0).ceil() as usize;
                let _ = writeln!(
                    self.0,
                    "<rect class=\"h{level}\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"3\"><title>{day} {hour}:00: {}</title></rect>",
                    LEFT + hour * EACH,
                    EACH - 3,
                    HIGH - 3,
                    plural(n, "event")
                );
            }
        }
        for hour in (0..24).step_by(3) {
            let _ = writeln!(
                self.0,
                "<text class=\"start\" x=\"{}\" y=\"{}\">{hour}:00</text>",
                LEFT + hour * EACH,
                7 * HIGH + 18
            );
        }
        self.push("</svg>\n</figure>\n");
    }

    fn names(&mut self, title: &str, names: &Names, whole: u64) {
        let names = names.sorted();
        let Some(&(_, most)) = names.first() else { return };
        self.push(&format!("<section>\n<h2>{title}</h2>\n<table>\n"));
        for (name, n) in names {
            self.push(&format!(
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"b\">{}</td></tr>\n",
                escaped(name),
                grouped(n),
                escaped(&percent(n, whole)),
                bar(n, most)
            ));
        }
        self.push("</table>\n</section>\n");
    }

    fn rows(&mut self, title: &str, rows: &[Row], tally: &Tally) {
        let Some(most) = rows.first().map(|row| row.count.events) else {
            return;
        };
        self.push(&format!(
            "<section>\n<h2>{title} <small>{} with most events</small></h2>\n<table>\n<thead><tr><th></th><th class=\"n\">events</th><th></th>\
             <th class=\"n\">never arrived</th><th class=\"n\">last</th></tr></thead>\n<tbody>\n",
            rows.len()
        ));
        for Row { name, count } in rows {
            let about = if count.error > 0 { "~" } else { "" };
            let last = count
                .last
                .map(|last| tally.zone.show(last, "%Y-%m-%d %H:%M"))
                .unwrap_or_default();
            self.push(&format!(
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{about}{}</td><td class=\"b\">{}</td><td class=\"n\">{}</td><td class=\"n\">{last}</td></tr>\n",
                escaped(name),
                grouped(count.events),
                bar(count.events, most),
                bytes(count.undelivered)
            ));
        }
        self.push("</tbody>\n</table>\n</section>\n");
    }
}

fn bar(n: u64, most: u64) -> String {
    let percent = (n as f64 / most.max(1) as f64 * 100.0).max(0.5);
    format!(
        "<svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"bar\" width=\"{percent:.1}\" height=\"8\"/></svg>"
    )
}

/// A small number times a power of ten, at least `n`: where an axis ends.
fn round_up(n: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 3, 4, 6, 8] {
            match power.checked_mul(factor) {
                Some(end) if end >= n.max(1) => return end,
                Some(_) => {}
                None => return n,
            }
        }
        power = match power.checked_mul(10) {
            Some(next) => next,
            None => return n,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_axes() {
        for (n, end) in [
            (0, 1),
            (1, 1),
            (5, 6),
            (11, 20),
            (2000, 2000),
            (5001, 6000),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(round_up(n), end);
        }
    }

    #[test]
    fn what_a_peer_chooses_is_text() {
        assert_eq!(escaped("<b a='x\"'>&amp;"), "&lt;b a=&#39;x&quot;&#39;&gt;&amp;amp;");
    }
}
