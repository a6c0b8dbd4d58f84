//! The registers of interrupted code, in one form for every CPU.

use core::ffi::{c_int, c_long};

/// Whether the first argument is still in its own register.
pub const KEEPS_FIRST_ARGUMENT: bool = !cfg!(target_arch = "aarch64");

/// The registers of a thread that a signal interrupted, read as those of a system call that is about to return.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted {
    /// The address of the next instruction.
    pub at: usize,
    /// The code that made the call: `at`; or, where the kernel's own page makes the calls (vdso(7)), where that returns to.
    pub caller: usize,
    /// The number of the call, where the CPU keeps it in a register.
    pub call_number: Option<c_long>,
    /// What the call returns: a negated errno, or a count.
    pub result: i64,
    /// Its first three arguments, as whole registers. The first is the result where the CPU has one register for both
    /// ([`KEEPS_FIRST_ARGUMENT`]).
    pub arguments: [i64; 3],
    /// The address of the arguments of a call for which all of them may lie in memory, socketcall(2).
    pub packed: Option<usize>,
}

impl Interrupted {
    /// The argument of this index as the kernel takes a descriptor or a pid: the upper half of the register may hold
    /// anything.
    pub fn int(&self, index: usize) -> c_int {
        self.arguments.get(index).copied().unwrap_or(-1) as c_int
    }
}
