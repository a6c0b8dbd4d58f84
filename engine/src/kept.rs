//! The descriptor of a failed call, on a CPU that overwrites the first argument of a system call with its result.
//!
//! Whoever made the call mostly still has the number: in a register that a called function must leave alone, or on the
//! stack. So the numbers there are tried one after the other, and the first that is an open pipe or socket *and* a dead end
//! is taken. A number that is something else is no dead end, as a rule. What remains: a program that has a second dead
//! connection open, and that connection's number by chance in one of these places, may have the second one named for a
//! failure of the first.
//!
//! On CPUs that keep the first argument nobody calls this.

use crate::channel::Channel;
use core::ffi::c_int;
use nopipe_core::event::Call;
use nopipe_sys as sys;

/// How many words of the stack are looked at, a few at a time.
const WORDS: usize = 40;
const AT_A_TIME: usize = 8;

/// Standard input, output and error. Their numbers are everywhere on a stack, and what stands there is mostly none.
const STANDARD: c_int = 3;

/// The descriptor that `call` has probably failed on, and what it is: by `registers`, then by the words from `stack` on.
#[inline(never)]
pub fn dead_end(call: Call, registers: &[usize], stack: usize) -> Option<(c_int, Channel)> {
    registers
        .iter()
        // A descriptor that was kept as an int has nothing in the upper half; what has is a pointer.
        .filter_map(|&value| c_int::try_from(value).ok())
        .find_map(|fd| try_one(call, fd))
        .or_else(|| on_stack(call, stack))
}

/// Words are two ints each, the lower half first: what the compiler has put on the stack is an int.
fn on_stack(call: Call, stack: usize) -> Option<(c_int, Channel)> {
    let mut bytes = [0; AT_A_TIME * 8];
    let mut tried: c_int = -1;
    for part in 0..WORDS / AT_A_TIME {
        // The kernel looks first: a stack may end here.
        sys::copy_own_memory(stack.checked_add(part * size_of_val(&bytes))?, &mut bytes).ok()?;
        let (ints, _) = bytes.as_chunks::<4>();
        for fd in ints.iter().map(|int| c_int::from_ne_bytes(*int)) {
            if fd >= STANDARD && fd != tried {
                tried = fd;
                if let Some(found) = try_one(call, fd) {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// `fd` and what it is, if `call` can have failed on it.
#[inline(never)]
fn try_one(call: Call, fd: c_int) -> Option<(c_int, Channel)> {
    if fd < 0 {
        return None;
    }
    let channel = Channel::of(fd)?;
    let suits = match call {
        Call::Send | Call::Sendto | Call::Sendmsg | Call::Sendmmsg => !channel.is_pipe(),
        Call::Vmsplice => channel.is_pipe(),
        _ => true,
    };
    (suits && channel.is_dead_end(fd)).then_some((fd, channel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::pipe;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    const NOWHERE: usize = 8;

    fn found(call: Call, registers: &[usize], stack: &[u64]) -> Option<c_int> {
        let stack = if stack.is_empty() {
            NOWHERE
        } else {
            stack.as_ptr().addr()
        };
        dead_end(call, registers, stack).map(|(fd, _)| fd)
    }

    #[test]
    fn the_first_dead_end_among_registers() {
        let ((_, pipe), (living, _far)) = (pipe().unwrap(), UnixStream::pair().unwrap());
        let (dead, _) = UnixStream::pair().unwrap();
        let [pipe, living, dead] = [pipe.as_raw_fd(), living.as_raw_fd(), dead.as_raw_fd()];
        let [kept_pipe, kept_living, kept_dead] = [pipe, living, dead].map(|fd| fd as usize);
        let pointer = 0xffff_0000_0000 | kept_pipe;
        let registers = [usize::MAX - 31, pointer, 1 << 20, kept_living, kept_dead, kept_pipe];
        assert_eq!(found(Call::Write, &registers, &[]), Some(dead));
        assert_eq!(found(Call::Vmsplice, &registers, &[]), Some(pipe));
        assert_eq!(found(Call::Send, &[kept_pipe, kept_dead], &[]), Some(dead));
        assert_eq!(found(Call::Send, &[kept_pipe, kept_living], &[]), None);
        assert_eq!(found(Call::Write, &[], &[]), None);
    }

    #[test]
    fn then_on_the_stack_in_either_half() {
        let (_, writer) = pipe().unwrap();
        let fd = writer.as_raw_fd();
        for (at, word, is_found) in [
            (0, fd as u64, true),
            (39, (fd as u64) << 32 | 7, true),
            (40, fd as u64, false),
        ] {
            let mut stack = [0xffff_aaaa_bbbb_cccc_u64; 48];
            stack[at] = word;
            assert_eq!(found(Call::Write, &[], &stack), is_found.then_some(fd), "{at}");
        }
    }
}
