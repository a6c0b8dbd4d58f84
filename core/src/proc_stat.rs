//! `/proc/PID/stat`, proc_pid_stat(5): a process's parent, and which signals it ignores and catches.
//!
//! One line of fields with a blank between. The second is the program's name in parentheses, which may hold blanks,
//! parentheses and anything else; all that comes after it is numbers, and one letter. So the last `)` ends the name.
//!
//! The two sets of signals are "obsolete" because they have no room for real-time signals. For the others they are what
//! `status` has, in a fifth of the bytes: a program's start waits for them. Everybody may read them (fs/proc/array.c).

/// The field of this number, as proc_pid_stat(5) counts.
const PARENT: u32 = 4;
const IGNORED: u32 = 33;
const CAUGHT: u32 = 34;

/// The fields that are read, by their numbers' bits.
const WANTED: u64 = 1 << PARENT | 1 << IGNORED | 1 << CAUGHT;

/// Reads the line in pieces; none of it is kept.
#[derive(Clone, Copy, Debug)]
pub struct ProcStat {
    /// The bit of the field that the next byte belongs to; 0 before the name has ended, and far to the right.
    field: u64,
    /// Its digits so far; `None` if it is no number, or too large.
    number: Option<u64>,
    parent: Option<u64>,
    ignored: Option<u64>,
    caught: Option<u64>,
}

impl ProcStat {
    /// Nothing was read yet.
    #[allow(clippy::new_without_default, reason = "new is const, and the only way in")]
    pub const fn new() -> Self {
        ProcStat {
            field: 0,
            number: None,
            parent: None,
            ignored: None,
            caught: None,
        }
    }

    /// The next piece.
    pub fn push(&mut self, piece: &[u8]) {
        for part in piece.chunks(8) {
            if !self.passes_over(part) {
                part.iter().for_each(|&byte| self.push_byte(byte));
            }
        }
    }

    /// Passes over eight bytes at once, unless the name ends among them, or a field that is read lies there.
    fn passes_over(&mut self, part: &[u8]) -> bool {
        const ONES: u64 = u64::MAX / 255;
        const LOW: u64 = 127 * ONES;
        let Some(word) = part.first_chunk().map(|eight| u64::from_le_bytes(*eight)) else {
            return false;
        };
        // The top bit of each byte that is this one.
        let equal = |byte: u8| {
            let differs = word ^ (u64::from(byte) * ONES);
            !(((differs & LOW) + LOW) | differs | LOW)
        };
        let blanks = (equal(b' ') >> 7).wrapping_mul(ONES) >> 56;
        let last = self.field << blanks;
        let all = (last << 1).wrapping_sub(self.field);
        if equal(b')') | (all & WANTED) != 0 {
            return false;
        }
        self.field = last;
        true
    }

    fn push_byte(&mut self, byte: u8) {
        match byte {
            // The end of the name, as far as can be known now.
            b')' => {
                *self = ProcStat {
                    field: 1 << 2,
                    ..Self::new()
                }
            }
            b' ' => self.end_field(),
            _ if self.field & WANTED == 0 => {}
            b'0'..=b'9' => {
                let times_ten = self.number.and_then(|number| number.checked_mul(10));
                self.number = times_ten.and_then(|number| number.checked_add(u64::from(byte - b'0')));
            }
            _ => self.number = None,
        }
    }

    fn end_field(&mut self) {
        const IS_PARENT: u64 = 1 << PARENT;
        const IS_IGNORED: u64 = 1 << IGNORED;
        const IS_CAUGHT: u64 = 1 << CAUGHT;
        match self.field {
            IS_PARENT => self.parent = self.number,
            IS_IGNORED => self.ignored = self.number,
            IS_CAUGHT => self.caught = self.number,
            _ => {}
        }
        self.field <<= 1;
        // The kernel writes no empty field; one would read as 0.
        self.number = Some(0);
    }

    /// Field 4, ppid; `None` if it was not read whole, or if the process has no parent in our pid namespace (0).
    pub fn parent(&self) -> Option<i32> {
        i32::try_from(self.parent?).ok().filter(|&pid| pid > 0)
    }

    /// Field 33, sigignore: the signals below 32 that the process ignores, bit 0 for signal 1; `None` if it was not read
    /// whole.
    pub fn ignored(&self) -> Option<u64> {
        self.ignored
    }

    /// Field 34, sigcatch: the signals that it has handlers for, in the same form.
    pub fn caught(&self) -> Option<u64> {
        self.caught
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The parent, and the signals that are ignored and caught. In one piece, and byte by byte.
    fn read(line: &str) -> (Option<i32>, Option<u64>, Option<u64>) {
        let (mut whole, mut pieces) = (ProcStat::new(), ProcStat::new());
        whole.push(line.as_bytes());
        line.as_bytes().chunks(1).for_each(|byte| pieces.push(byte));
        let values = |stat: &ProcStat| (stat.parent(), stat.ignored(), stat.caught());
        assert_eq!(values(&whole), values(&pieces), "{line:?}");
        values(&whole)
    }

    /// Linux 6.18, the fields after the name.
    const REST: &str = " S 4711 890 890 0 -1 4194304 163 0 0 0 0 0 0 0 20 0 1 0 123456789 2625536 459 \
        18446744073709551615 94 95 14 0 0 0 0 4096 1073745919 0 0 0 17 1 0 0 0 0 0 96 97 98 14 14 14 14 0\n";

    #[test]
    fn whatever_the_name_holds() {
        for name in [
            "sleep",
            "",
            ")",
            "a b",
            "a) S 1 2 3",
            "((",
            ") S 7 ",
            "1 2 3 4 5 6",
            "\u{fffd}",
            "a\\nb",
        ] {
            assert_eq!(
                read(&format!("890 ({name}){REST}")),
                (Some(4711), Some(0x1000), Some(0x4000_0fff)),
                "{name:?}"
            );
        }
    }

    #[test]
    fn of_this_process() {
        let line = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (parent, ignored, caught) = read(&line);
        assert_eq!(parent, Some(std::os::unix::process::parent_id().cast_signed()));
        // The standard library has a handler for SIGSEGV, and ignores SIGPIPE.
        let (ignored, caught) = (ignored.unwrap(), caught.unwrap());
        assert_eq!((caught >> 10 & 1, caught >> 12 & 1, ignored >> 12 & 1), (1, 0, 1));
    }

    #[test]
    fn cut_short() {
        let line = format!("890 (sleep){REST}");
        let behind = |text: &str| line.find(text).unwrap() + text.len();
        for length in 0..line.len() {
            let parent = (length > behind(" 4711")).then_some(4711);
            let ignored = (length > behind(" 4096 ") - 1).then_some(0x1000);
            let caught = (length > behind(" 1073745919")).then_some(0x4000_0fff);
            assert_eq!(read(&line[..length]), (parent, ignored, caught), "{length}");
        }
    }

    #[test]
    fn no_parent() {
        for parent in [
            "0",
            "-1",
            "",
            "2147483648",
            "4294967297",
            "18446744073709551617",
            "x",
            "1x",
        ] {
            assert_eq!(read(&format!("1 (init) S {parent} 1 1 ")).0, None, "{parent}");
        }
        assert_eq!(read("2 (x) S 2147483647 0 ").0, Some(i32::MAX));
    }
}
