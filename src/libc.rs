//! Every name that the library takes from libc, in one place, and nothing more of libc than these.
//!
//! One of them is imported, so that the dynamic linker looks it up, and it is in every libc that has a loader: glibc since
//! 2.2.4, musl since 0.8.2. The others are found by our own search ([`crate::elf`]), so a libc that lacks one does not
//! keep the program from starting.
//!
//! | name | what for | where it is missing |
//! | --- | --- | --- |
//! | `dl_iterate_phdr` | the objects of the process, dl_iterate_phdr(3); imported; at start-up only, because it takes a lock | nowhere. A program may have its own, which lists nothing: then the loader's list for debuggers ([`for_each_linked`]) |
//! | `__libc_start_main` | to know libc among the objects | there is no net and no hook finds anything; no libc lacks it |
//! | `__errno_location` | errno(3) | a word of our own; no libc lacks it |
//! | `__environ` | the settings, environ(7) | no settings; no libc lacks it |
//! | `__progname` | the program's name, and whether libc is ready | the name is `unknown`; no libc lacks it |
//! | `getauxval` | AT_SECURE, and the hardware for indirect functions, getauxval(3) | glibc before 2.16: the next one |
//! | `__libc_enable_secure` | AT_SECURE, a variable of glibc's ld.so | then the environment is not believed |
//! | `__register_atfork` | learn of a fork at once, pthread_atfork(3) | musl: a hook ([`crate::hooks`]) hears of the program's own calls of fork(2) |
//! | `gnu_get_libc_version` | which of the two ways signal(2) has ([`is_glibc`]) | musl |
//! | `_IO_list_all` | what libc flushes at exit ([`crate::streams`]) | musl: those failures come after the summary |
//!
//! The functions that the hooks stand before are no imports either: [`crate::real`] finds them. What the compiler calls by
//! itself (`memcpy` and its kin) is in [`crate::memory`] on x86-64, and elsewhere an import that every libc has.
//!
//! Each address is only ever set to the same value: no order is needed.
//!
//! unsafe: foreign functions and variables.
#![allow(unsafe_code, reason = "as the head says")]

use crate::elf::{Definition, Name, Object, ProgramHeader, Tables};
use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering::Relaxed};
use nopipe_sys as sys;

/// A symbol of libc's, and its address once it is found.
struct Import {
    name: Name,
    address: AtomicUsize,
}

impl Import {
    const fn new(name: &str) -> Self {
        Import {
            name: Name::new(name),
            address: AtomicUsize::new(0),
        }
    }

    /// Its address; 0 if it was not found.
    fn get(&self) -> usize {
        self.address.load(Relaxed)
    }

    /// Takes the symbol from an object, if it is there and was in no object before.
    #[inline(never)]
    fn take_from(&self, tables: &Tables) {
        if self.get() == 0
            && let Some(definition) = tables.find(&self.name)
        {
            self.address.store(address_of(&definition), Relaxed);
        }
    }
}

/// Only libc itself has both of these. A preload may stand before the first, libpthread (before glibc 2.34) has the second.
const LIBC_START_MAIN: Name = Name::new("__libc_start_main");
const ERRNO_LOCATION_NAME: Name = Name::new("__errno_location");
static ERRNO_LOCATION: AtomicPtr<()> = AtomicPtr::new(own_errno_location as *mut ());
static GETAUXVAL: Import = Import::new("getauxval");
static REGISTER_ATFORK: Import = Import::new("__register_atfork");
static GNU_GET_LIBC_VERSION: Import = Import::new("gnu_get_libc_version");
/// Looked up at start-up, as all of them: dl_iterate_phdr(3) takes a lock of the loader's, which in a forked child may be
/// held for ever.
static IO_LIST_ALL: Import = Import::new("_IO_list_all");
/// Variables: if the program uses one, its linker has put it into the program itself (a copy relocation), and libc uses
/// that one. These are the names under which libc writes them; others are aliases.
static ENVIRON: Import = Import::new("__environ");
static PROGNAME: Import = Import::new("__progname");

const LIBC_ENABLE_SECURE: Name = Name::new("__libc_enable_secure");

/// What an object is to this search.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// libc itself.
    Libc,
    /// Part of it: libpthread, which has a `write` of its own before glibc 2.34.
    OfLibc,
    /// Anything else.
    Other,
}

/// Looks for libc's variables in the program, the first object of all.
pub fn look_into_program(tables: &Tables) {
    ENVIRON.take_from(tables);
    PROGNAME.take_from(tables);
}

/// Looks into an object that the program does not define: whether it is libc, and if so, where the names are.
pub fn look_into(tables: &Tables) -> Part {
    let Some(errno_location) = tables.find(&ERRNO_LOCATION_NAME) else {
        return Part::Other;
    };
    if tables.find(&LIBC_START_MAIN).is_none() {
        return Part::OfLibc;
    }
    // The first: what the code that chooses an indirect function is given.
    GETAUXVAL.take_from(tables);
    ERRNO_LOCATION.store(address_of(&errno_location) as *mut (), Relaxed);
    for import in [
        &ENVIRON,
        &PROGNAME,
        &REGISTER_ATFORK,
        &GNU_GET_LIBC_VERSION,
        &IO_LIST_ALL,
    ] {
        import.take_from(tables);
    }
    Part::Libc
}

/// libc's list of open streams, if it has one by this name: a variable of type `FILE *`.
pub fn stream_list() -> Option<usize> {
    Some(IO_LIST_ALL.get()).filter(|&address| address != 0)
}

/// The address of what was found; of a function of several, the one that suits this CPU.
pub fn address_of(definition: &Definition) -> usize {
    definition.address(|| auxval(libc::AT_HWCAP).unwrap_or(0))
}

/// Whether this libc is glibc; else it is musl, or behaves as the manual pages say.
pub fn is_glibc() -> bool {
    GNU_GET_LIBC_VERSION.get() != 0
}

/// The calling thread's `errno`, errno(3).
pub fn errno_location() -> *mut c_int {
    // SAFETY: libc's function of this name, which has no preconditions, or the one below.
    unsafe { core::mem::transmute::<*mut (), extern "C" fn() -> *mut c_int>(ERRNO_LOCATION.load(Relaxed))() }
}

/// Stands in for libc's function.
extern "C" fn own_errno_location() -> *mut c_int {
    static OWN: AtomicI32 = AtomicI32::new(0);
    OWN.as_ptr()
}

/// libc's environ(7): null, or an array of C strings with a null at its end.
pub fn environment() -> *mut *const c_char {
    match ENVIRON.get() {
        0 => ptr::null_mut(),
        // SAFETY: libc's variable, a pointer that is read whole.
        variable => unsafe { ptr::read(variable as *const *mut *const c_char) },
    }
}

/// The name that libc keeps for error messages, program_invocation_short_name(3): argv\[0\] after the last slash. Empty
/// before libc is initialised.
pub fn program_name() -> &'static [u8] {
    match PROGNAME.get() {
        0 => b"unknown",
        // SAFETY: libc's variable: null, or a C string that lives as long as the process.
        variable => unsafe {
            let name = ptr::read(variable as *const *const c_char);
            match name.is_null() {
                true => b"",
                false => CStr::from_ptr(name).to_bytes(),
            }
        },
    }
}

/// An entry of the auxiliary vector, getauxval(3): 0 if the kernel gave none, `None` if libc does not say.
fn auxval(kind: c_ulong) -> Option<usize> {
    match GETAUXVAL.get() {
        0 => None,
        address => {
            // SAFETY: libc's function of this name, which has no preconditions.
            let getauxval = unsafe { core::mem::transmute::<usize, extern "C" fn(c_ulong) -> c_ulong>(address) };
            Some(getauxval(kind) as usize)
        }
    }
}

/// Whether the process gained privileges when it started, AT_SECURE in getauxval(3), so that the environment is that of a
/// caller with fewer.
pub fn gained_privileges() -> bool {
    auxval(libc::AT_SECURE).map_or_else(is_secure_by_linker, |secure| secure != 0)
}

/// The same as glibc's ld.so remembers it. It is in no libc of our time: the search may take its time.
#[cold]
#[inline(never)]
fn is_secure_by_linker() -> bool {
    let mut secure = None;
    for_each_object(|base, headers| {
        let tables = Object { base, headers }.tables();
        if let Some(variable) = tables.and_then(|tables| tables.find(&LIBC_ENABLE_SECURE)) {
            // SAFETY: a variable of type int.
            secure = Some(unsafe { ptr::read(address_of(&variable) as *const c_int) });
        }
    });
    secure != Some(0)
}

/// Whether [`at_fork_in_child`] does anything.
pub fn hears_of_forks() -> bool {
    REGISTER_ATFORK.get() != 0
}

/// Has `child` called in every child that fork(3) makes; without a function for that in libc, does nothing.
pub fn at_fork_in_child(child: extern "C" fn()) {
    type Hook = Option<extern "C" fn()>;
    let address = REGISTER_ATFORK.get();
    if address != 0 {
        // SAFETY: libc's function of this name: what to call before, in the parent and in the child, and the object that
        // is unloaded with them. `child` is a function of this library, which is never unmapped. glibc keeps the first 48
        // without allocating.
        unsafe {
            let register: extern "C" fn(Hook, Hook, Hook, *mut c_void) -> c_int = core::mem::transmute(address);
            register(None, None, Some(child), ptr::null_mut());
        }
    }
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

/// The same, by the list that the dynamic linker keeps for debuggers, link.h: `struct r_debug` and `struct link_map`. For a
/// program whose own dl_iterate_phdr(3) stands before libc's and does not list libc. Only at start-up: the list is read
/// while nobody changes it. Without /proc nothing is listed.
#[cold]
#[inline(never)]
pub fn for_each_linked(mut look: impl FnMut(usize, &[ProgramHeader])) {
    let Some(headers) = program_headers() else { return };
    let Some(program) = headers.iter().find(|header| header.p_type == libc::PT_PHDR) else {
        return;
    };
    let base = (headers.as_ptr() as usize).wrapping_sub(program.p_vaddr as usize);
    let object = Object { base, headers };
    let Some(mut link) = object.debug_map() else { return };
    let mut is_program = true;
    for _ in 0..MOST_LINKS {
        // SAFETY: the loader's own list: l_addr, l_name, l_ld, l_next, l_prev.
        let [base, _, _, next, _] = unsafe { ptr::read(link as *const [usize; 5]) };
        match is_program {
            true => look(base, headers),
            false => {
                if let Some(headers) = headers_at(base) {
                    look(base, headers);
                }
            }
        }
        (link, is_program) = (next, false);
        if link == 0 {
            return;
        }
    }
}

/// No program has as many objects.
const MOST_LINKS: usize = 10_000;

/// The program's headers, by the auxiliary vector (AT_PHDR, AT_PHNUM): getauxval(3) is libc's, which was not found yet.
fn program_headers() -> Option<&'static [ProgramHeader]> {
    let file = sys::open(c"/proc/self/auxv", libc::O_RDONLY | libc::O_CLOEXEC, 0).ok()?;
    let mut bytes = [0; 64 * size_of::<[usize; 2]>()];
    let length = sys::read_beginning(&file, &mut bytes).ok()?;
    let (words, _) = bytes.get(..length)?.as_chunks::<{ size_of::<usize>() }>();
    let (mut address, mut count) = (0, 0);
    for pair in words.chunks_exact(2) {
        let [kind, value] = [pair.first()?, pair.last()?].map(|word| usize::from_ne_bytes(*word));
        match kind as c_ulong {
            libc::AT_PHDR => address = value,
            libc::AT_PHNUM => count = value,
            _ => {}
        }
    }
    // SAFETY: the kernel has mapped that number of headers there, which stay.
    (address != 0).then(|| unsafe { core::slice::from_raw_parts(address as *const ProgramHeader, count) })
}

/// The headers of the object whose file begins at `base`; `None` if none does, which is so where it was linked for another
/// address than 0.
fn headers_at(base: usize) -> Option<&'static [ProgramHeader]> {
    let mut header = [0; size_of::<Header>()];
    sys::copy_own_memory(base, &mut header).ok()?;
    // SAFETY: any bytes are such a header.
    let header: Header = unsafe { core::mem::transmute(header) };
    let is_elf = header.e_ident.starts_with(b"\x7fELF");
    // SAFETY: the beginning of a loaded object, with its headers in it.
    is_elf.then(|| unsafe {
        let address = base.wrapping_add(header.e_phoff as usize);
        core::slice::from_raw_parts(address as *const ProgramHeader, header.e_phnum.into())
    })
}

/// The beginning of an ELF file of this process's class, elf(5).
#[cfg(target_pointer_width = "64")]
type Header = libc::Elf64_Ehdr;
#[cfg(target_pointer_width = "32")]
type Header = libc::Elf32_Ehdr;
