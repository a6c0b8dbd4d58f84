//! Every name that the library takes from libc, in one place, and nothing more of libc than these.
//!
//! | name | what for | where it is missing |
//! | --- | --- | --- |
//! | `__errno_location` | errno(3) | no libc lacks it |
//! | `dl_iterate_phdr` | the objects of the process, dl_iterate_phdr(3) | no libc lacks it |
//! | `environ` | the settings, environ(7) | no libc lacks it |
//! | `program_invocation_short_name` | the program's name, and whether libc is ready | no libc lacks it |
//! | `getauxval` | AT_SECURE, and the hardware for indirect functions, getauxval(3) | glibc before 2.16 |
//! | `__register_atfork` | learn of a fork at once, pthread_atfork(3) | musl |
//! | `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp`, `strlen` | calls that the compiler makes | no libc lacks them |
//!
//! The functions that the hooks stand before are no imports: [`crate::real`] finds them in the loaded objects.
//!
//! unsafe: foreign functions and variables.
#![allow(unsafe_code, reason = "as the head says")]

use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};

unsafe extern "C" {
    static environ: *mut *const c_char;
    static program_invocation_short_name: *const c_char;
    /// What pthread_atfork(3) calls; the last argument is the object whose handlers are dropped when it is unloaded.
    fn __register_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
        object: *mut c_void,
    ) -> c_int;
}

/// The calling thread's `errno`, errno(3).
pub fn errno_location() -> *mut c_int {
    // SAFETY: no preconditions.
    unsafe { libc::__errno_location() }
}

/// An address in libc's own code.
pub fn an_address() -> usize {
    libc::__errno_location as *const () as usize
}

/// libc's environ(7): null, or an array of C strings with a null at its end.
pub fn environment() -> *mut *const c_char {
    // SAFETY: a pointer that is read whole.
    unsafe { environ }
}

/// The name that libc keeps for error messages, program_invocation_short_name(3): argv\[0\] after the last slash. Empty
/// before libc is initialised.
pub fn program_name() -> &'static [u8] {
    // SAFETY: null, or a C string that lives as long as the process.
    unsafe {
        match program_invocation_short_name.is_null() {
            true => b"",
            false => CStr::from_ptr(program_invocation_short_name).to_bytes(),
        }
    }
}

/// An entry of the auxiliary vector, getauxval(3); 0 if there is none.
pub fn auxval(kind: c_ulong) -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::getauxval(kind) as usize }
}

/// A program header, of the class of this process, elf(5).
#[cfg(target_pointer_width = "64")]
pub type ProgramHeader = libc::Elf64_Phdr;
/// A program header, of the class of this process, elf(5).
#[cfg(target_pointer_width = "32")]
pub type ProgramHeader = libc::Elf32_Phdr;

/// Has `child` called in every child that fork(3) makes.
pub fn at_fork_in_child(child: extern "C" fn()) {
    // SAFETY: `child` is a function of this library, which is never unmapped. glibc keeps the first 48 without allocating.
    unsafe { __register_atfork(None, None, Some(child), core::ptr::null_mut()) };
}

/// Calls `look` with each loaded object's base address and program headers, in the dynamic linker's order.
pub fn for_each_object(mut look: impl FnMut(usize, &[ProgramHeader])) {
    unsafe extern "C" fn each<F: FnMut(usize, &[ProgramHeader])>(
        info: *mut libc::dl_phdr_info,
        _: usize,
        look: *mut c_void,
    ) -> c_int {
        // SAFETY: the dynamic linker gives a valid description, and passes our pointer through.
        unsafe {
            let headers = match (*info).dlpi_phdr.is_null() {
                true => &[][..],
                false => core::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum.into()),
            };
            (*look.cast::<F>())((*info).dlpi_addr as usize, headers);
        }
        0
    }
    fn call<F: FnMut(usize, &[ProgramHeader])>(look: &mut F) {
        // SAFETY: `each` gets the pointer to `look`, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(each::<F>), (&raw mut *look).cast()) };
    }
    call(&mut look);
}
