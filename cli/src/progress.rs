//! How far the reading is, on standard error if that is a terminal.
//!
//! indicatif would do this, but its terminal crate turns on the feature `std` of `libc`, which the no_std library of this
//! workspace cannot be linked with (scripts/check-features).

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is shown before this: most logs are read in less.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often it is drawn.
const PERIOD: Duration = Duration::from_millis(100);
/// The bar's width.
const WIDTH: usize = 30;

/// A bar, or a number of bytes where nobody knows how many there will be.
pub struct Progress {
    /// `None`: standard error is no terminal.
    next: Option<Instant>,
    begin: Instant,
    total: Option<u64>,
    /// Bytes of the inputs that are done.
    done: u64,
    drawn: bool,
}

impl Progress {
    pub fn new(total: Option<u64>) -> Self {
        let begin = Instant::now();
        Progress {
            next: io::stderr().is_terminal().then(|| begin + PATIENCE),
            begin,
            total,
            done: 0,
            drawn: false,
        }
    }

    /// So many bytes of the present input have been read.
    pub fn at(&mut self, bytes: u64) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now < next {
            return;
        }
        self.next = Some(now + PERIOD);
        self.drawn = true;
        let line = line(self.done + bytes, self.total, now - self.begin);
        // A terminal that is gone is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[K{line}");
    }

    /// The present input has been read; it had this many bytes.
    pub fn finished(&mut self, bytes: u64) {
        self.done += bytes;
    }

    /// Takes the bar away.
    pub fn end(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        self.next = None;
    }
}

fn line(done: u64, total: Option<u64>, time: Duration) -> String {
    let mega = |bytes: u64| bytes / 1_000_000;
    let rate = mega((done as f64 / time.as_secs_f64().max(0.001)) as u64);
    match total.filter(|&total| total > 0) {
        Some(total) => {
            let part = (done as f64 / total as f64).min(1.0);
            let full = (part * WIDTH as f64) as usize;
            format!(
                "[{}{}] {:3.0}%  {} of {} MB, {rate} MB/s",
                "=".repeat(full),
                " ".repeat(WIDTH - full),
                part * 100.0,
                mega(done),
                mega(total)
            )
        }
        None => format!("{} MB read, {rate} MB/s", mega(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let second = Duration::from_secs(1);
        let half = line(500_000_000, Some(1_000_000_000), second);
        assert_eq!(
            half,
            format!("[{}{}]  50%  500 of 1000 MB, 500 MB/s", "=".repeat(15), " ".repeat(15))
        );
        // A file may grow while it is read.
        assert!(line(20_000_000, Some(10_000_000), second).contains("100%"));
        assert_eq!(line(5_000_000, None, second), "5 MB read, 5 MB/s");
        assert_eq!(line(0, Some(0), Duration::ZERO), "0 MB read, 0 MB/s");
    }
}
