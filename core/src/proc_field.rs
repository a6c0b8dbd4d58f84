//! Numbers out of a file of `/proc` that has a line for each: `VmLib:` in `/proc/PID/status`, proc_pid_status(5);
//! `write_bytes:` in `/proc/PID/io`, proc_pid_io(5).

/// A line's beginning, colon included, and the base of its digits (2 to 16).
pub type Field = (&'static str, u32);

/// The process that traces a process, ptrace(2); 0: none does. In `status`.
pub const TRACER: Field = ("TracerPid:", 10);
/// The real user id of a process; the first of four on that line of `status`.
pub const UID: Field = ("Uid:", 10);
/// Code that is not the program's own, mostly of shared libraries, in KiB. In `status`.
pub const VM_LIB: Field = ("VmLib:", 10);
/// Bytes that a process, with its dead threads and its reaped children, has caused to be written to storage. In `io`.
pub const WRITE_BYTES: Field = ("write_bytes:", 10);

/// Reads a file that comes in pieces; none of it is kept. Of several lines with the same beginning the last one counts.
#[derive(Clone, Copy, Debug)]
pub struct ProcField {
    field: Field,
    value: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// This number of bytes of a line were read, and they are those of the field.
    Name(usize),
    /// The rest of the line is of no interest.
    Elsewhere,
    /// In the field's line: white space, then digits.
    Value(Option<u64>),
}

/// A line begins.
const LINE: State = State::Name(0);

impl ProcField {
    /// Nothing was read yet.
    pub const fn new(field: Field) -> Self {
        ProcField {
            field,
            value: None,
            state: LINE,
        }
    }

    /// The next piece.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            self.state = match self.state {
                State::Elsewhere if byte == b'\n' => LINE,
                State::Elsewhere => {
                    let Some(end) = end_of_line(rest) else {
                        return;
                    };
                    rest = rest.get(end + 1..).unwrap_or(&[]);
                    LINE
                }
                State::Name(at) => self.after_name(at, byte),
                State::Value(number) => self.after_value(number, byte),
            };
        }
    }

    fn after_name(&self, at: usize, byte: u8) -> State {
        let (name, _) = self.field;
        match name.as_bytes().get(at) == Some(&byte) {
            true if at + 1 == name.len() => State::Value(None),
            true => State::Name(at + 1),
            false if byte == b'\n' => LINE,
            false => State::Elsewhere,
        }
    }

    fn after_value(&mut self, number: Option<u64>, byte: u8) -> State {
        let (_, base) = self.field;
        match ((byte as char).to_digit(16).filter(|&digit| digit < base), number) {
            (Some(digit), _) => {
                let times_base = number.unwrap_or(0).checked_mul(base.into());
                match times_base.and_then(|number| number.checked_add(digit.into())) {
                    Some(number) => State::Value(Some(number)),
                    None => State::Elsewhere,
                }
            }
            (None, None) if byte == b' ' || byte == b'\t' => State::Value(None),
            (None, Some(_)) if byte == b' ' || byte == b'\t' || byte == b'\n' => {
                self.value = number;
                if byte == b'\n' { LINE } else { State::Elsewhere }
            }
            (None, _) if byte == b'\n' => LINE,
            (None, _) => State::Elsewhere,
        }
    }

    /// The number; `None` for a line that is not there, was not read whole, or holds no number of 64 bits.
    pub fn value(&self) -> Option<u64> {
        self.value
    }
}

/// Where the first newline is. Eight bytes at once: a program's start waits for it.
fn end_of_line(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    const NEWLINES: u64 = ONES * b'\n' as u64;
    let (words, _) = bytes.as_chunks::<8>();
    // The lowest byte that is zero after the exclusive or gets its top bit: Warren, Hacker's Delight, 6-1.
    let has_newline = |word: &[u8; 8]| {
        let zero = u64::from_le_bytes(*word) ^ NEWLINES;
        zero.wrapping_sub(ONES) & !zero & (ONES << 7) != 0
    };
    let from = words.iter().position(has_newline).unwrap_or(words.len()) * 8;
    let at = bytes.get(from..)?.iter().position(|&b| b == b'\n')?;
    Some(from + at)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_newline() {
        for length in 0..40 {
            let mut text = vec![b'\x0b'; length];
            assert_eq!(end_of_line(&text), None);
            for at in (0..length).rev() {
                text[at] = b'\n';
                assert_eq!(end_of_line(&text), Some(at));
            }
        }
        assert_eq!(end_of_line(b"\x8a\x0b\xff\x00\x80\x8a\x01\x09\x8a\n"), Some(9));
    }

    const SIG_IGN: Field = ("SigIgn:", 16);
    const SIG_CGT: Field = ("SigCgt:", 16);

    /// In one piece, and byte by byte.
    fn read<const N: usize>(fields: [Field; N], text: &str) -> [Option<u64>; N] {
        fields.map(|field| {
            let (mut whole, mut pieces) = (ProcField::new(field), ProcField::new(field));
            whole.push(text.as_bytes());
            text.as_bytes().chunks(1).for_each(|byte| pieces.push(byte));
            assert_eq!(whole.value(), pieces.value(), "{text:?}");
            whole.value()
        })
    }

    /// Linux 6.18, some lines. The name is the program's own choice; the kernel escapes its newlines.
    const STATUS: &str = "Name:\tSigCgt: ff\\nSigCgt: 1\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGroups:\t4 24 27 \nSigQ:\t0/127\n\n\
        SigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\nSigCgt:\t00000001280b1000\nCapInh:\t0000000000000000\n";

    #[test]
    fn of_a_process() {
        let expected = [Some(1000), Some(0x1000), Some(0x1_280b_1000)];
        assert_eq!(read([UID, SIG_IGN, SIG_CGT], STATUS), expected);
        let io = "rchar: 12\nwchar: 5\nread_bytes: 1\nwrite_bytes: 24576\ncancelled_write_bytes: 4096\n";
        assert_eq!(read([WRITE_BYTES], io), [Some(24576)]);
        assert_eq!(read([("cancelled_write_bytes:", 10)], io), [Some(4096)]);
        assert_eq!(
            read([("bytes:", 10), ("Rchar:", 10), ("rchar: 12\n", 10)], io),
            [None; 3]
        );
    }

    #[test]
    fn of_this_process() {
        let io = std::fs::read_to_string("/proc/self/io").unwrap();
        assert!(read([WRITE_BYTES], &io)[0].is_some());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let [Some(_), Some(ignored), Some(caught)] = read([UID, SIG_IGN, SIG_CGT], &status) else {
            panic!("{status}");
        };
        // The standard library has a handler for SIGSEGV, and ignores SIGPIPE.
        assert_eq!((caught >> 10 & 1, caught >> 12 & 1, ignored >> 12 & 1), (1, 0, 1));
    }

    #[test]
    fn cut_anywhere() {
        for at in 0..=STATUS.len() {
            let (mut first, mut second) = (ProcField::new(SIG_CGT), ProcField::new(SIG_CGT));
            first.push(&STATUS.as_bytes()[..at]);
            let is_whole = at > STATUS.find("1280b1000").unwrap() + 9;
            assert_eq!(first.value().is_some(), is_whole, "{at}");
            second.push(&STATUS.as_bytes()[..at]);
            second.push(&STATUS.as_bytes()[at..]);
            assert_eq!(second.value(), Some(0x1_280b_1000), "{at}");
        }
    }

    #[test]
    fn malformed() {
        for wrong in [
            "SigCgt:\n",
            "SigCgt:\tx\n",
            "SigCgt:\t1x\n",
            "SigCgt:\t10000000000000000\n",
            "sigcgt:\t1\n",
        ] {
            assert_eq!(read([SIG_CGT], wrong), [None], "{wrong}");
        }
        assert_eq!(
            read([SIG_CGT, SIG_IGN], "SigIgt: 1\nSigCgn: 2\nSigCgt: 3\n"),
            [Some(3), None]
        );
        assert_eq!(read([SIG_CGT], "SigCgt:\tffffffffffffffff\n"), [Some(u64::MAX)]);
    }
}
