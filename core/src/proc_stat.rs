//! `/proc/PID/stat`, proc_pid_stat(5): a process's parent, and when it was started.
//!
//! One line of fields with a blank between. The second is the program's name in parentheses, which may hold blanks,
//! parentheses and anything else; all that comes after it is numbers, and one letter. So the last `)` ends the name.

/// The field of this number, as proc_pid_stat(5) counts.
const PARENT: u32 = 4;
const START_TIME: u32 = 22;

/// Reads the line byte by byte: it may come in pieces, and none of it is kept.
#[derive(Clone, Copy, Debug)]
pub struct ProcStat {
    /// The field that the next byte belongs to; 0 before the name has ended.
    field: u32,
    /// Its digits so far; `None` if it is no number, or too large.
    number: Option<u64>,
    parent: Option<u64>,
    start_time: Option<u64>,
}

impl ProcStat {
    /// Nothing was read yet.
    #[allow(clippy::new_without_default, reason = "new is const, and the only way in")]
    pub const fn new() -> Self {
        ProcStat {
            field: 0,
            number: None,
            parent: None,
            start_time: None,
        }
    }

    /// The next byte.
    pub fn push(&mut self, byte: u8) {
        match byte {
            // The end of the name, as far as can be known now.
            b')' => {
                *self = ProcStat {
                    field: 2,
                    ..Self::new()
                }
            }
            _ if self.field == 0 => {}
            b' ' => {
                match self.field {
                    PARENT => self.parent = self.number,
                    START_TIME => self.start_time = self.number,
                    _ => {}
                }
                self.field = self.field.saturating_add(1);
                // The kernel writes no empty field; one would read as 0.
                self.number = Some(0);
            }
            b'0'..=b'9' => {
                let times_ten = self.number.and_then(|number| number.checked_mul(10));
                self.number = times_ten.and_then(|number| number.checked_add(u64::from(byte - b'0')));
            }
            _ => self.number = None,
        }
    }

    /// Field 4, ppid; `None` if it was not read whole, or if the process has no parent in our pid namespace (0).
    pub fn parent(&self) -> Option<i32> {
        i32::try_from(self.parent?).ok().filter(|&pid| pid > 0)
    }

    /// Field 22, starttime: when the process was started, in clock ticks (sysconf(_SC_CLK_TCK)) since boot; `None` if it
    /// was not read whole. Two processes that had the same number differ in it.
    pub fn start_time(&self) -> Option<u64> {
        self.start_time
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn read(line: &str) -> (Option<i32>, Option<u64>) {
        let mut stat = ProcStat::new();
        line.bytes().for_each(|byte| stat.push(byte));
        (stat.parent(), stat.start_time())
    }

    /// Linux 6.18, the fields after the name.
    const REST: &str = " S 4711 890 890 0 -1 4194304 163 0 0 0 0 0 0 0 20 0 1 0 123456789 2625536 459 \
        18446744073709551615 94 95 14 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 96 97 98 14 14 14 14 0\n";

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
                (Some(4711), Some(123_456_789)),
                "{name:?}"
            );
        }
    }

    #[test]
    fn of_this_process() {
        let line = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (parent, start_time) = read(&line);
        assert_eq!(parent, Some(std::os::unix::process::parent_id().cast_signed()));
        assert!(start_time.unwrap() > 0);
    }

    #[test]
    fn cut_short() {
        let line = format!("890 (sleep){REST}");
        let behind = |text: &str| line.find(text).unwrap() + text.len();
        for length in 0..line.len() {
            let parent = (length > behind(" 4711")).then_some(4711);
            let start_time = (length > behind(" 123456789")).then_some(123_456_789);
            assert_eq!(read(&line[..length]), (parent, start_time), "{length}");
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
