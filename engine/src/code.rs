//! The code of libc's own functions: by the address that a signal interrupted the handler knows which call failed.
//!
//! Filled at start-up by whoever can look into libc; empty without a libc, and then every call is [`Call::Libc`]. Each
//! word is atomic, and a row is only ever set to the same values: no order is needed.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use nopipe_core::event::Call;

/// How many functions there is room for.
pub const ROOM: usize = 64;

struct Function {
    from: AtomicUsize,
    size: AtomicUsize,
    call: AtomicU8,
}

static FUNCTIONS: [Function; ROOM] = [const {
    Function {
        from: AtomicUsize::new(0),
        size: AtomicUsize::new(0),
        call: AtomicU8::new(0),
    }
}; ROOM];

/// Notes that the function of this `row` (less than [`ROOM`]) makes `call`, and has `size` bytes of code at `from`.
pub fn note(row: usize, call: Call, from: usize, size: usize) {
    if let Some(function) = FUNCTIONS.get(row) {
        function.call.store(call as u8, Relaxed);
        function.from.store(from, Relaxed);
        function.size.store(size, Relaxed);
    }
}

/// The call whose code in libc contains `address`.
pub fn call_at(address: usize) -> Option<Call> {
    let is_there = |f: &&Function| address.wrapping_sub(f.from.load(Relaxed)) < f.size.load(Relaxed);
    let function = FUNCTIONS.iter().find(is_there)?;
    Call::from_number(function.call.load(Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_first_byte_to_the_last() {
        assert_eq!(call_at(0), None);
        note(3, Call::Sendmsg, 0x1000, 0x20);
        note(ROOM, Call::Write, 0x2000, 0x20);
        assert_eq!(call_at(0x0fff), None);
        assert_eq!(call_at(0x1000), Some(Call::Sendmsg));
        assert_eq!(call_at(0x101f), Some(Call::Sendmsg));
        assert_eq!(call_at(0x1020), None);
        assert_eq!(call_at(0x2000), None);
    }
}
