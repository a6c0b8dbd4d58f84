//! Which function of libc made a system call, where the code that made it does not show it.
//!
//! musl, and glibc since 2.41, make the calls that are cancellation points (pthreads(7)) in one hidden function, whoever
//! called it. The return addresses on the stack show that:
//!
//! | libc | what calls what |
//! | --- | --- |
//! | glibc, sysdeps/unix/sysv/linux, nptl/cancellation.c | `write` → `__syscall_cancel` → `__internal_syscall_cancel` → with threads `__syscall_cancel_arch` |
//! | musl, src/thread | `write` → `__syscall_cp`, which jumps to `__syscall_cp_c` → `__syscall_cp_asm` |
//!
//! # What is a return address
//!
//! Between them lie arguments, saved registers, and gaps in which a return address of an earlier call may have been left:
//! a `send` that worked is not what has failed. So a word on the stack counts only if
//!
//! 1. it points into libc's code, just after a call instruction that shows which function it enters;
//! 2. that function begins shortly before the interrupted code, or before a return address that has counted: a chain
//!    without a gap. A function that jumps at once to another one stands for that one;
//! 3. for the function that is looked for: the number of its system call is in one of the words before it or in a register that
//!    functions keep, because both libcs hand the number down.
//!
//! The chain begins in libc: no stale word names a program's own `syscall` instruction.

use crate::arch::{called_from, is_number, jump_target};
use crate::code::Deed;
use nopipe_core::event::Call;

/// How many words above the stack pointer are looked at. Both libcs need fewer than 16.
pub const WORDS: usize = 24;

/// No function that makes a system call for others is longer than this, in bytes.
const LONGEST: usize = 1024;

/// How many functions there may be between the interrupted code and the one that is looked for, that code included.
const CHAIN: usize = 6;

/// Readable code, and the address of its first byte.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// The address.
    pub from: usize,
    /// The code.
    pub bytes: &'a [u8],
}

impl Text<'_> {
    /// The code from `address` on; `None` if it is not in here.
    fn after(&self, address: usize) -> Option<&[u8]> {
        self.bytes.get(address.wrapping_sub(self.from)..)
    }

    /// The code before `address`; `None` if it is not in here.
    pub fn before(&self, address: usize) -> Option<&[u8]> {
        self.bytes.get(..address.wrapping_sub(self.from))
    }

    /// The function that was entered by the call instruction before `next`, if there is one and it begins in here.
    fn entered_before(&self, next: usize) -> Option<usize> {
        let start = called_from(next, self.before(next)?)?;
        Some(jump_target(start, self.after(start)?).unwrap_or(start))
    }
}

/// The call that failed, if a function of `text` made it.
///
/// `at`: the next instruction of the interrupted code. `words`: the stack, from the stack pointer upwards, of any word size.
/// `kept`: the registers that functions keep. `deed_at`: what the function does that an address lies in.
pub fn find(
    at: usize,
    words: &[usize],
    kept: &[usize],
    text: Text,
    deed_at: impl Fn(usize) -> Option<Deed>,
) -> Option<Call> {
    text.before(at)?;
    let mut chain = [at; CHAIN];
    let mut links = 1;
    for (index, &word) in words.iter().enumerate() {
        let Some(start) = text.entered_before(word) else {
            continue;
        };
        let reaches = |&inner: &usize| inner.wrapping_sub(start) < LONGEST;
        if !chain.iter().take(links).any(reaches) {
            continue;
        }
        match deed_at(word.wrapping_sub(1)) {
            Some(Deed::Makes(call)) => {
                let mut numbers = words.iter().take(index).chain(kept);
                if numbers.any(|&number| is_number(call, number)) {
                    return Some(call);
                }
            }
            _ => {
                *chain.get_mut(links)? = word;
                links += 1;
            }
        }
    }
    None
}
