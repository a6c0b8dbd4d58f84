//! The real functions that the hooks stand before: found at start-up, called on every call.
//!
//! The look-up is our own ([`crate::elf`]): the objects after ours in the dynamic linker's order (dl_iterate_phdr(3), what
//! RTLD_NEXT would search). dlsym(3) would allocate, and bind the library to GLIBC_2.34. It also shows what dlsym cannot:
//! where a function ends, so that the signal handler knows which call was interrupted.
//!
//! A slot starts out aimed at a function that resolves all slots and calls itself again ([`crate::start::first_call`]),
//! so there is nothing to check on the hot path. Slots are only ever set to the same values: no order is needed.
//!
//! unsafe: makes a function of an address.
#![allow(unsafe_code, reason = "as the head says")]

use crate::elf::{Name, Object, Tables};
use crate::errno;
use crate::libc::{self as names, Part, for_each_linked, for_each_object};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*};
use nopipe_core::library::LIBRARY;
use nopipe_engine::code::{self, Deed};

/// The address of one real function.
pub struct Slot(AtomicPtr<()>);

impl Slot {
    /// A slot that points to `first`.
    pub const fn new(first: *mut ()) -> Self {
        Slot(AtomicPtr::new(first))
    }

    /// The function that it points to now.
    #[inline(always)]
    pub fn get(&self) -> *mut () {
        self.0.load(Relaxed)
    }
}

/// One exported symbol: all that is known of it stands where it is declared ([`crate::hooks`]).
pub struct Symbol {
    /// The real function.
    pub real: Slot,
    name: Name,
    /// What the signal handler must know of libc's own function.
    deed: Option<Deed>,
    /// `NOPIPE_EAGER`, for a function that writes to a stream socket: what takes the real function's place; else null.
    asking: Slot,
    /// The real function, once `asking` has taken its place.
    behind: Slot,
}

impl Symbol {
    /// A symbol called `name`, whose slot is aimed at `first`. `asking`: what takes the real function's place with
    /// `NOPIPE_EAGER`; null if it has nothing to ask.
    pub const fn new(name: &str, first: *mut (), deed: Option<Deed>, asking: *mut ()) -> Self {
        Symbol {
            real: Slot::new(first),
            name: Name::new(name),
            deed,
            asking: Slot::new(asking),
            behind: Slot::new(core::ptr::null_mut()),
        }
    }

    /// Aims the hook at the function that asks first, if it has one.
    pub fn let_ask_first(&self) {
        if !self.asking.get().is_null() {
            self.behind.0.store(self.real.get(), Relaxed);
            self.real.0.store(self.asking.get(), Release);
        }
    }

    /// What the function that asks first calls if the write would not be lost.
    pub fn behind(&self) -> *mut () {
        self.behind.get()
    }

    /// The symbol's name, if this libc does not have it.
    pub fn missing_name(&self) -> Option<&[u8]> {
        is_missing(self.real.get()).then(|| self.name.bytes())
    }
}

/// The symbols that the hooks export: the linker puts them one after the other, and names both ends (ld(1), "orphan
/// sections"). So a hook is registered where it is declared, and nobody below has to import the hooks.
pub fn table() -> &'static [Symbol] {
    unsafe extern "C" {
        #[link_name = "__start_nopipe_symbols"]
        static FIRST: u8;
        #[link_name = "__stop_nopipe_symbols"]
        static END: u8;
    }
    let (first, end) = (&raw const FIRST, &raw const END);
    // SAFETY: nothing but whole symbols is in the section, and its size is a multiple of a symbol's.
    unsafe { core::slice::from_raw_parts(first.cast(), (end as usize - first as usize) / size_of::<Symbol>()) }
}

/// The most symbols that there is room for; `scripts/audit-symbols` counts them.
const ROOM: usize = code::ROOM;

/// libc's own `sigaction`, past other preloads.
static LIBC_SIGACTION: AtomicUsize = AtomicUsize::new(0);
const SIGACTION: Name = Name::new("sigaction");

/// On i386: the kernel's code through which libc makes its calls, in an object that the kernel maps, vdso(7).
#[cfg(target_arch = "x86")]
const GATE: Name = Name::new("__kernel_vsyscall");

/// Whether another copy of this library stands after us (`/etc/ld.so.preload` and a drop-in may name two): it does the
/// work, we would only do it twice.
static COPY_AFTER_US: AtomicBool = AtomicBool::new(false);

/// Whether another copy of this library stands after us.
pub fn is_second_copy() -> bool {
    COPY_AFTER_US.load(Relaxed)
}

/// Points every slot to the function that would be called without us. May be called again at any time.
pub fn resolve() {
    let mut search = Search {
        table: table(),
        own: resolve as *const () as usize,
        is_first: true,
        after_us: false,
        has_libc: false,
        found: [false; ROOM],
        rows: 0,
    };
    search.run(Walk::Linker);
    // A program's own dl_iterate_phdr(3) may list nothing.
    search.run(Walk::Debugger);
    // After dlopen, libc comes before us: no program calls our hooks, but our own calls of them must work. Only then:
    // a libc that lacks a name is no reason, and of two copies of this library each would find the other.
    for walk in [Walk::Linker, Walk::Debugger] {
        search.after_us = true;
        search.run(walk);
    }
    for (symbol, found) in search.table.iter().zip(search.found) {
        if !found {
            symbol.real.0.store(missing as *mut (), Relaxed);
        }
    }
}

/// Stands in for a function that this libc does not have: returns -1 and ENOSYS, as the kernel does.
extern "C" fn missing() -> isize {
    errno::set(libc::ENOSYS);
    -1
}

/// Whether this libc does not have the function whose place `real` takes.
pub fn is_missing(real: *mut ()) -> bool {
    real == missing as *mut ()
}

/// libc's own sigaction(2).
pub fn libc_sigaction() -> Option<unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int> {
    let address = LIBC_SIGACTION.load(Relaxed);
    // SAFETY: it was found under this name in libc.
    (address != 0).then(|| unsafe { core::mem::transmute(address) })
}

/// By which list the objects are gone through.
#[derive(Clone, Copy)]
enum Walk {
    Linker,
    Debugger,
}

struct Search {
    table: &'static [Symbol],
    /// An address in our own code.
    own: usize,
    /// Whether the next object is the program itself.
    is_first: bool,
    /// Whether our own object has been passed.
    after_us: bool,
    /// Whether libc has been seen among those that are searched.
    has_libc: bool,
    found: [bool; ROOM],
    /// How many functions of libc's the signal handler knows.
    rows: usize,
}

impl Search {
    /// Looks into every object, unless libc has been seen.
    fn run(&mut self, walk: Walk) {
        if self.has_libc {
            return;
        }
        self.is_first = true;
        match walk {
            Walk::Linker => for_each_object(|base, headers| self.look_into(&Object { base, headers })),
            Walk::Debugger => for_each_linked(|base, headers| self.look_into(&Object { base, headers })),
        }
    }

    fn look_into(&mut self, object: &Object) {
        let is_program = core::mem::replace(&mut self.is_first, false);
        // The kernel's page may come before ours.
        #[cfg(target_arch = "x86")]
        if let Some(gate) = object.tables().and_then(|tables| tables.find(&GATE)) {
            code::note_gate(names::address_of(&gate), gate.size);
        }
        if object.contains(self.own) {
            self.after_us = true;
            return;
        }
        if !is_program && !self.after_us {
            return;
        }
        let Some(tables) = object.tables() else { return };
        if is_program {
            names::look_into_program(&tables);
        }
        if self.after_us {
            self.take_from(object, &tables);
        }
    }

    fn take_from(&mut self, object: &Object, tables: &Tables) {
        if tables
            .soname()
            .is_some_and(|name| name.to_bytes() == LIBRARY.as_bytes())
        {
            COPY_AFTER_US.store(true, Relaxed);
        }
        let part = names::look_into(tables);
        self.has_libc |= part == Part::Libc;
        for (symbol, found) in self.table.iter().zip(&mut self.found) {
            if *found && part == Part::Other {
                continue;
            }
            let Some(function) = tables.find(&symbol.name) else {
                continue;
            };
            let address = names::address_of(&function);
            if !*found {
                *found = true;
                symbol.real.0.store(address as *mut (), Relaxed);
            }
            if part == Part::Other {
                continue;
            }
            if let Some(deed) = symbol.deed {
                code::note(self.rows, deed, address, function.size);
                self.rows += 1;
            }
            if symbol.name == SIGACTION {
                LIBC_SIGACTION.store(address, Relaxed);
                // All of libc's code is in one segment. (libpthread has a sigaction as well, before glibc 2.34.)
                if part == Part::Libc
                    && let Some(text) = object.segment(address)
                {
                    code::note_text(text);
                }
            }
        }
    }
}
