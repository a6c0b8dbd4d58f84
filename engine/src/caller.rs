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
//! 3. and, if it names a call, the number of that system call was handed on from function to function: as the seventh
//!    argument (glibc), or it is in a register that functions keep (musl).
//!
//! A gap before the first return address could hold a whole old chain. So the search begins where the interrupted code will
//! return, if its next instructions show that: they take the frame off the stack.
//!
//! The chain begins in libc: no stale word names a program's own `syscall` instruction.

use crate::arch::{SEVENTH_ARGUMENT, called_from, is_number, jump_target, words_taken_off};
use crate::code::Deed;
use nopipe_core::event::Call;

/// How many words above the stack pointer are looked at. On x86-64 both libcs need 9. (It is the handler's stack, too, that
/// they are copied to, and it may be small.)
pub const WORDS: usize = 128 / size_of::<usize>();

/// No function that makes a system call for others is longer than this, in bytes.
const LONGEST: usize = 1024;

/// How many functions there may be between the interrupted code and the one that is looked for, that code included.
const CHAIN: usize = 5;

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
    let free = text.after(at).and_then(words_taken_off).unwrap_or(0);
    // Addresses that count, and the number that was handed on there. What is unused repeats the first.
    let mut chain = [(at, 0); CHAIN];
    let mut links = 1;
    for (index, &word) in words.iter().enumerate().skip(free) {
        let Some(start) = text.entered_before(word) else {
            continue;
        };
        if !chain.iter().any(|&(inner, _)| inner.wrapping_sub(start) < LONGEST) {
            continue;
        }
        match deed_at(word.wrapping_sub(1)) {
            Some(Deed::Makes(call)) => {
                let mut numbers = chain.iter().map(|(_, number)| number).chain(kept);
                if numbers.any(|&number| is_number(call, number)) {
                    return Some(call);
                }
            }
            _ => {
                let number = *words.get(index + SEVENTH_ARGUMENT)?;
                // It is long enough for every true link and what the gaps of a frame can add.
                if let Some(link) = chain.get_mut(links) {
                    *link = (word, number);
                    links += 1;
                }
            }
        }
    }
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Code at this address.
    const FROM: usize = 0x7f00_0000_0000;

    /// A libc as it lies in memory: the functions that are named here, and nothing else.
    struct Libc {
        code: Vec<u8>,
        functions: Vec<(usize, usize, Deed)>,
    }

    impl Libc {
        fn new() -> Libc {
            Libc {
                code: vec![0xcc; 0x8000],
                functions: Vec::new(),
            }
        }

        fn put(&mut self, offset: usize, opcode: u8, target: usize) -> usize {
            let next = offset + 5;
            self.code[offset] = opcode;
            let distance = target as i32 - next as i32;
            self.code[offset + 1..next].copy_from_slice(&distance.to_le_bytes());
            FROM + next
        }

        fn put_bytes(&mut self, at: usize, bytes: &[u8]) {
            let offset = at - FROM;
            self.code[offset..offset + bytes.len()].copy_from_slice(bytes);
        }

        /// A call instruction at `offset` that enters `target`; where it returns to.
        fn call(&mut self, offset: usize, target: usize) -> usize {
            self.put(offset, 0xe8, target)
        }

        /// A function of 0x30 bytes that calls `target`; where that returns to.
        fn function(&mut self, offset: usize, call: Call, target: usize) -> usize {
            self.functions.push((FROM + offset, 0x30, Deed::Makes(call)));
            self.call(offset + 0x11, target)
        }

        fn find(&self, at: usize, words: &[usize], kept: &[usize]) -> Option<Call> {
            let text = Text {
                from: FROM,
                bytes: &self.code,
            };
            find(at, words, kept, text, |address| {
                let is_there = |f: &&(usize, usize, Deed)| (f.0..f.0 + f.1).contains(&address);
                self.functions.iter().find(is_there).map(|f| f.2)
            })
        }
    }

    const WRITE: usize = libc::SYS_write as usize;
    const SENDTO: usize = libc::SYS_sendto as usize;
    const READ: usize = libc::SYS_read as usize;

    /// glibc 2.41, as Debian has built it; in the order of the addresses there.
    struct Glibc {
        libc: Libc,
        /// The next instruction, without and with threads.
        alone: usize,
        threaded: usize,
        /// Return addresses, named after the function that returns there.
        internal: usize,
        cancel: usize,
        write: usize,
        send: usize,
        read: usize,
    }

    fn glibc() -> Glibc {
        let (internal, cancel, arch) = (0x1040, 0x10c0, 0x4000);
        let mut libc = Libc::new();
        Glibc {
            alone: FROM + internal + 0x67,
            threaded: FROM + arch + 0x2e,
            internal: libc.call(internal + 0x43, arch),
            cancel: libc.call(cancel + 8, internal),
            write: libc.function(0x6000, Call::Write, cancel),
            send: libc.function(0x7000, Call::Send, cancel),
            read: libc.call(0x6811, cancel),
            libc,
        }
    }

    impl Glibc {
        /// The stack when no thread was made; `gap` was left by whoever used it before.
        fn stack(&self, number: usize, gap: [usize; 2], caller: usize) -> [usize; 8] {
            [0x5555, self.cancel, number, gap[0], gap[1], caller, number, 7]
        }
    }

    #[test]
    fn glibc_without_threads() {
        let g = glibc();
        let calls = [(WRITE, g.write, Call::Write), (SENDTO, g.send, Call::Send)];
        for (number, caller, call) in calls {
            assert_eq!(g.libc.find(g.alone, &g.stack(number, [0, 0], caller), &[]), Some(call));
        }
    }

    #[test]
    fn glibc_with_threads() {
        let g = glibc();
        let mut words = vec![g.internal, 0xdead_beef, 0];
        words.extend(g.stack(SENDTO, [0, 0], g.send));
        assert_eq!(g.libc.find(g.threaded, &words, &[]), Some(Call::Send));
    }

    /// `__syscall_cp` is only a jump, and the number is in R12.
    #[test]
    fn musl() {
        let (cp, cp_c, cp_asm) = (0x1000, 0x1dd0, 0x7000);
        let mut libc = Libc::new();
        libc.put(cp, 0xe9, cp_c);
        let at = FROM + cp_asm + 0x29;
        let inner = libc.call(cp_c + 0x4c, cp_asm);
        let write = libc.function(0x3000, Call::Write, cp);
        let words = [inner, 0xb3c, 0, 0x1234, 1, 2, 3, 4, write, 0, 9];
        assert_eq!(libc.find(at, &words, &[0, 0, WRITE]), Some(Call::Write));
        assert_eq!(libc.find(at, &words, &[0, 0, SENDTO]), None);
        assert_eq!(libc.find(at, &words[..8], &[0, 0, WRITE]), None);
        // stdio makes writev(2) by itself, in a function that nobody knows.
        let buffers = [0x5555, 9, 0x6666, 9, inner, write, WRITE];
        assert_eq!(libc.find(FROM + 0x5020, &buffers, &[WRITE]), None);
    }

    /// A `send` that worked has left its return address in a gap, and its number too.
    #[test]
    fn a_stale_call_is_not_named() {
        let g = glibc();
        for gap in [
            [g.send, SENDTO],
            [SENDTO, g.send],
            [g.send, g.send],
            [g.read, READ],
            [g.cancel, g.write],
        ] {
            assert_eq!(
                g.libc.find(g.alone, &g.stack(WRITE, gap, g.write), &[]),
                Some(Call::Write)
            );
            // Neither read(2) nor what it leaves on the stack has a name.
            assert_eq!(g.libc.find(g.alone, &g.stack(READ, gap, g.read), &[]), None);
        }
    }

    /// glibc 2.43 leaves three words free before the first return address: a whole old chain fits in, 16 bytes further down.
    #[test]
    fn the_first_return_address_is_where_the_code_returns() {
        let mut g = glibc();
        let words = [1, g.cancel, SENDTO, g.cancel, WRITE, g.send, SENDTO, g.write, WRITE, 7];
        assert_eq!(g.libc.find(g.alone, &words, &[]), Some(Call::Send));
        g.libc.put_bytes(g.alone, &[0x48, 0x83, 0xc4, 0x18, 0xc3]);
        assert_eq!(g.libc.find(g.alone, &words, &[]), Some(Call::Write));
        // An old chain 16 bytes further up.
        let words = [
            1, 2, 3, g.cancel, WRITE, g.cancel, SENDTO, g.write, WRITE, g.send, SENDTO,
        ];
        assert_eq!(g.libc.find(g.alone, &words, &[]), Some(Call::Write));
    }

    /// The program's own instruction, and syscall(2), which calls nothing.
    #[test]
    fn the_chain_begins_at_the_interrupted_code() {
        let g = glibc();
        let stack = g.stack(SENDTO, [0, 0], g.send);
        for at in [0x5555_0000, FROM - 1, FROM + 0x5000, FROM + 0x8001, 0, usize::MAX] {
            assert_eq!(g.libc.find(at, &stack, &[SENDTO]), None);
        }
    }

    #[test]
    fn a_chain_has_no_gap() {
        let g = glibc();
        assert_eq!(g.libc.find(g.threaded, &g.stack(WRITE, [0, 0], g.write), &[]), None);
    }

    proptest! {
        /// Any code, any stack: nothing is read outside, and nothing is named where no function is known.
        #[test]
        fn nothing_is_read_outside(
            code in proptest::collection::vec(select(vec![0xe8, 0xe9, 0xeb, 0xff, 0, 1, 0xf0, 0x0f]), 0..200),
            words in proptest::collection::vec(prop_oneof![0_usize..250, any::<usize>()], 0..WORDS),
            at in prop_oneof![0_usize..250, any::<usize>()],
            from in select(vec![0, 1, FROM, usize::MAX - 100]),
        ) {
            let words: Vec<usize> = words.iter().map(|word| word.wrapping_add(from)).collect();
            let text = Text { from, bytes: &code };
            prop_assert_eq!(find(at.wrapping_add(from), &words, &[1], text, |_| None), None);
        }

        /// Whatever other calls have left in the gaps, with their numbers, the call is named that was made. A return address
        /// lies in every other word: all of libc's frames are of 16 bytes each.
        #[test]
        fn gaps_may_hold_anything(
            old in proptest::collection::vec((0_usize..6, 0_usize..4), 4),
            is_write in any::<bool>(),
            threads in any::<bool>(),
            above in proptest::collection::vec((0_usize..6, 0_usize..4), 0..4),
        ) {
            let mut g = glibc();
            g.libc.put_bytes(g.alone, &[0x48, 0x83, 0xc4, 0x18, 0xc3]);
            g.libc.put_bytes(g.threaded, &[0xc3]);
            let (number, caller, call) = match is_write {
                true => (WRITE, g.write, Call::Write),
                false => (SENDTO, g.send, Call::Send),
            };
            let addresses = [g.write, g.send, g.read, g.cancel, g.internal, 0];
            let numbers = [WRITE, SENDTO, READ, 0x5555];
            let stale = |i: usize| [addresses[old[i].0], numbers[old[i].1]];
            let mut words = match threads {
                // The word after the return address is written by the function itself; then an argument.
                true => vec![g.internal, 0x7fff_0308, 16, numbers[old[0].1], 0x7fff_0000, numbers[old[1].1]],
                false => vec![numbers[old[0].1], stale(1)[0], stale(1)[1]],
            };
            words.extend([g.cancel, number]);
            words.extend(stale(2));
            words.extend([caller, number]);
            words.extend(stale(3));
            for (address, number) in above {
                words.extend([addresses[address], numbers[number]]);
            }
            let at = if threads { g.threaded } else { g.alone };
            prop_assert_eq!(g.libc.find(at, &words, &[0, FROM]), Some(call));
        }
    }
}
