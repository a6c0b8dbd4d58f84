//! What libc will flush at exit: its streams that hold output for a connection that is dead.
//!
//! exit(3) runs every handler and destructor first, ours among them, and flushes the streams last. Nothing of ours runs
//! after that but the SIGPIPE handler. So whoever wants to account for those failures as well has to know that they will
//! come. glibc's list of streams begins at the exported `_IO_list_all`, and `struct _IO_FILE` is public
//! (bits/types/struct_FILE.h; `c-tests/prototypes.c` compares the offsets). musl exports neither.
//!
//! No lock is taken: a stream is locked for as long as a thread waits in it. Another thread may free one meanwhile, so
//! every word is asked of the kernel before it is read.
//!
//! unsafe: reads libc's list.
#![allow(unsafe_code, reason = "as the head says")]

use crate::libc::stream_list;
use core::ffi::c_int;
use nopipe_engine::channel::Channel;
use nopipe_sys as sys;

/// Offsets in `struct _IO_FILE`: but for `int _flags` at its head, which takes a whole word, these are all words.
const WRITE_BASE: usize = 4 * size_of::<usize>();
const WRITE_PTR: usize = 5 * size_of::<usize>();
const CHAIN: usize = 13 * size_of::<usize>();
const FILENO: usize = 14 * size_of::<usize>();
/// No program has that many streams open; a list that another thread changes might have no end.
const STREAMS: usize = 4096;

/// The number of streams whose flush will fail with EPIPE.
pub fn doomed() -> u32 {
    let mut doomed = 0;
    let mut stream = first();
    for _ in 0..STREAMS {
        let Some(at) = stream.filter(|&at| at != 0) else { break };
        if is_doomed(at) == Some(true) {
            doomed += 1;
        }
        stream = word(at, CHAIN);
    }
    doomed
}

fn first() -> Option<usize> {
    word(stream_list()?, 0)
}

/// Whether this stream holds output that its descriptor will refuse with EPIPE. (Where a reset is still to be reported,
/// the flush fails with ECONNRESET, without a signal; glibc then tries once more, when it takes the stream's buffer away.)
fn is_doomed(stream: usize) -> Option<bool> {
    if word(stream, WRITE_PTR)? <= word(stream, WRITE_BASE)? {
        return Some(false);
    }
    let fd = word(stream, FILENO)? as c_int;
    let channel = Channel::of(fd)?;
    let events = sys::poll_now(fd, 0).ok()?;
    Some(match channel.is_pipe() {
        true => events & libc::POLLERR != 0,
        false => events & libc::POLLHUP != 0 && channel.raises_sigpipe(fd),
    })
}

/// The word at `offset` of what lies at `start`, if it can be read.
fn word(start: usize, offset: usize) -> Option<usize> {
    let end = start.checked_add(offset)?.checked_add(size_of::<usize>())?;
    sys::bytes_before(end)?.last_chunk().copied().map(usize::from_ne_bytes)
}
