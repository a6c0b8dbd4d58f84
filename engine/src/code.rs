//! The code of libc's own functions: by the address that a signal interrupted, or by those that it would return to
//! ([`crate::caller`]), the handler knows which call failed, or that the signal was sent by kill(2). Where the CPU keeps the
//! number of a call, that is asked first.
//!
//! Filled at start-up by whoever can look into libc; empty without a libc, and then every call is [`Call::Libc`]. Each
//! word is atomic, and a row is only ever set to the same values: no order is needed.

use core::ffi::c_long;
use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use nopipe_core::event::Call;

/// How many functions there is room for.
pub const ROOM: usize = 64;

/// What a function of libc does that the handler must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// It makes a call that can fail for a vanished peer.
    Makes(Call),
    /// It sends a signal, its second argument: it is `kill`.
    Kills,
}

/// In a row: the function is `kill`. No call has this number.
const KILLS: u8 = u8::MAX;

struct Function {
    from: AtomicUsize,
    size: AtomicUsize,
    deed: AtomicU8,
}

static FUNCTIONS: [Function; ROOM] = [const {
    Function {
        from: AtomicUsize::new(0),
        size: AtomicUsize::new(0),
        deed: AtomicU8::new(0),
    }
}; ROOM];

/// Where libc's code lies, and how many bytes it has.
static TEXT: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Notes where all of libc's code lies: addresses that can be read for as long as the process lives.
pub fn note_text(text: Range<usize>) {
    let [from, size] = &TEXT;
    from.store(text.start, Relaxed);
    size.store(text.len(), Relaxed);
}

/// Where libc's code lies, and how many bytes it has; none if nobody has noted it.
pub fn text() -> (usize, usize) {
    let [from, size] = &TEXT;
    (from.load(Relaxed), size.load(Relaxed))
}

/// Notes what the function of this `row` (less than [`ROOM`]) does, and that it has `size` bytes of code at `from`.
pub fn note(row: usize, deed: Deed, from: usize, size: usize) {
    if let Some(function) = FUNCTIONS.get(row) {
        let number = match deed {
            Deed::Makes(call) => call as u8,
            Deed::Kills => KILLS,
        };
        function.deed.store(number, Relaxed);
        function.from.store(from, Relaxed);
        function.size.store(size, Relaxed);
    }
}

/// How many bytes of libc's code are left from `address` on, up to the last function that is known; 0 if it does not lie
/// between the first and that one. A loaded object's code is one piece.
pub fn left_of_libc(address: usize) -> usize {
    let known = |f: &&Function| f.from.load(Relaxed) != 0;
    let is_after_one = FUNCTIONS.iter().filter(known).any(|f| f.from.load(Relaxed) <= address);
    let last = FUNCTIONS.iter().map(|f| f.from.load(Relaxed)).max().unwrap_or(0);
    match is_after_one {
        true => last.saturating_sub(address),
        false => 0,
    }
}

/// What the function does whose code in libc contains `address`.
pub fn deed_at(address: usize) -> Option<Deed> {
    let is_there = |f: &&Function| address.wrapping_sub(f.from.load(Relaxed)) < f.size.load(Relaxed);
    let function = FUNCTIONS.iter().find(is_there)?;
    match function.deed.load(Relaxed) {
        KILLS => Some(Deed::Kills),
        number => Call::from_number(number).map(Deed::Makes),
    }
}

/// The kernel's own code through which libc makes its calls, on a CPU that has such: `__kernel_vsyscall`, vdso(7).
static GATE: AtomicUsize = AtomicUsize::new(0);
static GATE_SIZE: AtomicUsize = AtomicUsize::new(0);

/// Notes where that code is.
pub fn note_gate(from: usize, size: usize) {
    GATE.store(from, Relaxed);
    GATE_SIZE.store(size, Relaxed);
}

/// How many bytes of that code are left from `address` on; 0 if it does not lie there.
pub fn left_of_gate(address: usize) -> usize {
    let size = GATE_SIZE.load(Relaxed);
    match address.wrapping_sub(GATE.load(Relaxed)) {
        passed if passed < size => size - passed,
        _ => 0,
    }
}

/// What the system call of this number does, where the CPU keeps the number: that is certain, whoever made the call. By
/// `function`, what libc's function does that made it, it has the name that the program gave it: libc's send is a sendto.
pub fn deed_of_call(number: c_long, function: Option<Deed>) -> Option<Deed> {
    const PIDFD_SEND_SIGNAL: c_long = 424;
    let call = match number {
        libc::SYS_write => Call::Write,
        libc::SYS_writev => Call::Writev,
        libc::SYS_pwritev2 => Call::Pwritev2,
        libc::SYS_sendto if function == Some(Deed::Makes(Call::Send)) => Call::Send,
        libc::SYS_sendto => Call::Sendto,
        libc::SYS_sendmsg => Call::Sendmsg,
        libc::SYS_sendmmsg => Call::Sendmmsg,
        libc::SYS_sendfile => Call::Sendfile,
        libc::SYS_splice => Call::Splice,
        libc::SYS_tee => Call::Tee,
        libc::SYS_vmsplice => Call::Vmsplice,
        libc::SYS_kill | PIDFD_SEND_SIGNAL => return Some(Deed::Kills),
        _ => return None,
    };
    Some(Deed::Makes(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_certain() {
        let (send, sendto, write) = (Call::Send, Call::Sendto, Call::Write);
        assert_eq!(deed_of_call(libc::SYS_write, None), Some(Deed::Makes(write)));
        assert_eq!(
            deed_of_call(libc::SYS_write, Some(Deed::Makes(send))),
            Some(Deed::Makes(write))
        );
        assert_eq!(deed_of_call(libc::SYS_sendto, None), Some(Deed::Makes(sendto)));
        assert_eq!(
            deed_of_call(libc::SYS_sendto, Some(Deed::Makes(send))),
            Some(Deed::Makes(send))
        );
        assert_eq!(deed_of_call(libc::SYS_kill, None), Some(Deed::Kills));
        for number in [libc::SYS_tgkill, libc::SYS_ppoll, libc::SYS_io_uring_enter, -1, 1 << 40] {
            assert_eq!(deed_of_call(number, Some(Deed::Kills)), None);
        }
    }

    #[test]
    fn from_the_first_byte_to_the_last() {
        let sendmsg = Deed::Makes(Call::Sendmsg);
        assert_eq!(deed_at(0), None);
        note(3, sendmsg, 0x1000, 0x20);
        note(4, Deed::Kills, 0x1020, 0x20);
        note(ROOM, Deed::Makes(Call::Write), 0x2000, 0x20);
        assert_eq!(deed_at(0x0fff), None);
        assert_eq!(deed_at(0x1000), Some(sendmsg));
        assert_eq!(deed_at(0x101f), Some(sendmsg));
        assert_eq!(deed_at(0x1020), Some(Deed::Kills));
        assert_eq!(deed_at(0x1040), None);
        assert_eq!(deed_at(0x2000), None);
    }

    #[test]
    fn the_text_is_empty_until_it_is_noted() {
        assert_eq!(text(), (0, 0));
        note_text(0x1000..0x3000);
        assert_eq!(text(), (0x1000, 0x2000));
    }
}
