//! The real functions behind the hooks: found at start-up, called on every call.
//!
//! The look-up is our own: the objects behind ours in the dynamic linker's order (dl_iterate_phdr(3), what RTLD_NEXT
//! would search), each one's GNU hash table, or the System V one where there is no other. dlsym(3) would allocate, and
//! bind the library to GLIBC_2.34. It also tells what dlsym cannot: where a function ends, so that the signal handler
//! knows which call was interrupted.
//!
//! A slot starts out aimed at a function that resolves all slots and calls itself again ([`crate::init::first_call`]),
//! so there is nothing to check on the hot path. Slots are only ever set to the same values: no order is needed.
//!
//! unsafe: reads the tables of loaded objects.
#![allow(unsafe_code)]

use crate::{errno, hooks, report};
use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*};
use nopipe_core::event::Call;
use nopipe_core::line::Line;

/// The address of one real function.
pub struct Slot(AtomicPtr<()>);

impl Slot {
    /// A slot aimed at `first`.
    pub const fn new(first: *mut ()) -> Self {
        Slot(AtomicPtr::new(first))
    }

    /// What it is aimed at now.
    #[inline(always)]
    pub fn get(&self) -> *mut () {
        self.0.load(Relaxed)
    }
}

impl Slot {
    /// Aims this slot at `other`, and `behind` at what this one was aimed at.
    pub fn divert(&self, behind: &Slot, other: *mut ()) {
        behind.0.store(self.get(), Relaxed);
        self.0.store(other, Release);
    }
}

/// One exported symbol: a row of [`hooks::SYMBOLS`].
pub struct Symbol {
    name: [u8; 16],
    hash: u32,
    slot: &'static Slot,
    call: Option<Call>,
}

impl Symbol {
    /// `call`: the system call that the function makes, if it is one that can fail for a vanished peer.
    pub const fn new(name: &str, slot: &'static Slot, call: Option<Call>) -> Self {
        let bytes = name.as_bytes();
        assert!(bytes.len() < 16);
        let mut padded = [0; 16];
        let mut hash = 5381_u32;
        let mut i = 0;
        while i < bytes.len() {
            padded[i] = bytes[i];
            hash = hash.wrapping_mul(33).wrapping_add(bytes[i] as u32);
            i += 1;
        }
        Symbol {
            name: padded,
            hash,
            slot,
            call,
        }
    }

    /// Whether the C string at `text` is this name.
    ///
    /// # Safety
    /// `text` is a C string.
    unsafe fn is_named(&self, text: *const u8) -> bool {
        for (i, &b) in self.name.iter().enumerate() {
            // SAFETY: all bytes before were equal and not NUL.
            if unsafe { *text.add(i) } != b {
                return false;
            }
            if b == 0 {
                return true;
            }
        }
        false
    }
}

/// The code of libc's own function for each row of [`hooks::SYMBOLS`]: first address, and the one behind the last.
static LIBC_CODE: [(AtomicUsize, AtomicUsize); hooks::SYMBOLS.len()] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; hooks::SYMBOLS.len()];

/// libc's own `sigaction`, past other preloads.
static LIBC_SIGACTION: AtomicUsize = AtomicUsize::new(0);

/// Whether another copy of this library stands behind us (`/etc/ld.so.preload` and a drop-in may name two): it does the
/// work, we would only do it twice.
static COPY_BEHIND_US: AtomicBool = AtomicBool::new(false);

/// Whether another copy of this library stands behind us.
pub fn is_second_copy() -> bool {
    COPY_BEHIND_US.load(Relaxed)
}

/// Aims every slot at the function that would have been called without us. Can be called again at any time.
pub fn resolve() {
    let mut search = Search {
        own: resolve as *const () as usize,
        libc: libc::__errno_location as *const () as usize,
        behind_us: false,
        found: [false; hooks::SYMBOLS.len()],
    };
    search.run();
    if search.found.contains(&false) {
        // Loaded by dlopen, libc stands before us: nobody is hooked, but our own calls of hooks must work.
        search.behind_us = true;
        search.run();
    }
    for (symbol, found) in hooks::SYMBOLS.iter().zip(search.found) {
        if !found {
            symbol.slot.0.store(missing as *mut (), Relaxed);
        }
    }
}

/// In place of a function that this libc does not have: -1 and ENOSYS, as the kernel says it.
extern "C" fn missing() -> isize {
    errno::set(libc::ENOSYS);
    -1
}

/// One line that names the functions that were not found, if any.
pub fn warn_of_missing() {
    let mut names = Line::<256>::new();
    for symbol in &hooks::SYMBOLS {
        if symbol.slot.get() == missing as *mut () {
            if !names.is_empty() {
                names.push(',');
            }
            names.push_lossy(symbol.name.split(|&b| b == 0).next().unwrap_or(b""));
        }
    }
    if !names.is_empty() {
        report::warn(
            "libnopipe: functions not found in libc, not hooked",
            &[("symbol", names.as_str())],
        );
    }
}

/// The call whose code in libc stands around `address`.
pub fn call_at(address: usize) -> Option<Call> {
    let (_, symbol) = LIBC_CODE.iter().zip(&hooks::SYMBOLS).find(|((from, to), symbol)| {
        symbol.call.is_some() && (from.load(Relaxed)..to.load(Relaxed)).contains(&address)
    })?;
    symbol.call
}

/// libc's own sigaction(2).
pub fn libc_sigaction() -> Option<unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int> {
    let address = LIBC_SIGACTION.load(Relaxed);
    // SAFETY: it was found under this name in libc.
    (address != 0).then(|| unsafe { core::mem::transmute(address) })
}

struct Search {
    /// An address in our own code, and one in libc's.
    own: usize,
    libc: usize,
    /// Whether our own object has gone by.
    behind_us: bool,
    found: [bool; hooks::SYMBOLS.len()],
}

impl Search {
    fn run(&mut self) {
        // SAFETY: `each_object` gets the pointer to `self`, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(each_object), (&raw mut *self).cast()) };
    }

    fn look_into(&mut self, object: &Object) {
        let is_libc = object.contains(self.libc);
        if object.contains(self.own) {
            self.behind_us = true;
            return;
        }
        if !self.behind_us {
            return;
        }
        let Some(tables) = object.tables() else { return };
        if tables.has_our_name() {
            COPY_BEHIND_US.store(true, Relaxed);
        }
        for (i, symbol) in hooks::SYMBOLS.iter().enumerate() {
            if self.found[i] && !is_libc {
                continue;
            }
            let Some(code) = tables.find(symbol) else { continue };
            if !self.found[i] {
                self.found[i] = true;
                symbol.slot.0.store(code.address as *mut (), Relaxed);
            }
            if is_libc {
                LIBC_CODE[i].0.store(code.address, Relaxed);
                LIBC_CODE[i].1.store(code.address + code.size, Relaxed);
                if symbol.hash == SIGACTION_HASH {
                    LIBC_SIGACTION.store(code.address, Relaxed);
                }
            }
        }
    }
}

const SIGACTION_HASH: u32 = Symbol::new("sigaction", &NOWHERE, None).hash;
static NOWHERE: Slot = Slot::new(core::ptr::null_mut());

unsafe extern "C" fn each_object(info: *mut libc::dl_phdr_info, _: usize, search: *mut c_void) -> c_int {
    // SAFETY: the dynamic linker gives a valid description, and hands our pointer through.
    unsafe {
        let headers = match (*info).dlpi_phdr.is_null() {
            true => &[][..],
            false => core::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum.into()),
        };
        let object = Object {
            base: (*info).dlpi_addr as usize,
            headers,
        };
        (*search.cast::<Search>()).look_into(&object);
    }
    0
}

/// A loaded object.
struct Object<'a> {
    base: usize,
    headers: &'a [libc::Elf64_Phdr],
}

/// What elf(5) calls them.
const DT_HASH: u64 = 4;
const DT_SONAME: u64 = 14;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_VERSYM: u64 = 0x6fff_fff0;
const STT_GNU_IFUNC: u8 = 10;
/// In a version index: not the default version of its name.
const VERSION_HIDDEN: u16 = 0x8000;

impl Object<'_> {
    fn contains(&self, address: usize) -> bool {
        self.headers.iter().any(|h| {
            let start = self.base.wrapping_add(h.p_vaddr as usize);
            h.p_type == libc::PT_LOAD && address.wrapping_sub(start) < h.p_memsz as usize
        })
    }

    /// Where the object's tables are.
    fn tables(&self) -> Option<Tables> {
        let dynamic = self.headers.iter().find(|h| h.p_type == libc::PT_DYNAMIC)?;
        let mut entry = self.base.wrapping_add(dynamic.p_vaddr as usize) as *const [u64; 2];
        let mut tables = Tables {
            base: self.base,
            symbols: core::ptr::null(),
            strings: core::ptr::null(),
            name: None,
            versions: core::ptr::null(),
            gnu_hash: core::ptr::null(),
            sysv_hash: core::ptr::null(),
        };
        loop {
            // SAFETY: the dynamic section of a loaded object, up to its DT_NULL.
            let [tag, value] = unsafe { *entry };
            // glibc has relocated the addresses in place, but not those of the read-only vDSO; musl never does.
            let address = match value as usize {
                offset if offset < self.base => self.base + offset,
                address => address,
            };
            match tag {
                0 => break,
                DT_SONAME => tables.name = Some(value as usize),
                DT_SYMTAB => tables.symbols = address as *const _,
                DT_STRTAB => tables.strings = address as *const _,
                DT_VERSYM => tables.versions = address as *const _,
                DT_GNU_HASH => tables.gnu_hash = address as *const _,
                DT_HASH => tables.sysv_hash = address as *const _,
                _ => {}
            }
            // SAFETY: DT_NULL has not come yet.
            entry = unsafe { entry.add(1) };
        }
        (!tables.symbols.is_null() && !tables.strings.is_null()).then_some(tables)
    }
}

struct Tables {
    base: usize,
    symbols: *const libc::Elf64_Sym,
    strings: *const u8,
    /// DT_SONAME, an offset into `strings`.
    name: Option<usize>,
    versions: *const u16,
    gnu_hash: *const u32,
    sysv_hash: *const u32,
}

/// A function's code.
struct Code {
    address: usize,
    size: usize,
}

impl Tables {
    fn has_our_name(&self) -> bool {
        // SAFETY: an offset of the object's own into its string table.
        self.name
            .is_some_and(|offset| unsafe { CStr::from_ptr(self.strings.add(offset).cast()) } == c"libnopipe.so")
    }

    fn find(&self, wanted: &Symbol) -> Option<Code> {
        // SAFETY: the tables of a loaded object, in the formats that elf(5) and the dynamic linker define.
        unsafe {
            if !self.gnu_hash.is_null() {
                self.find_by_gnu_hash(wanted)
            } else if !self.sysv_hash.is_null() {
                // Two words, then so many symbols: few objects have only this one, none of them large.
                (1..*self.sysv_hash.add(1)).find_map(|index| self.symbol(index, wanted))
            } else {
                None
            }
        }
    }

    /// # Safety
    /// `gnu_hash` is the object's DT_GNU_HASH table: bucket count, first symbol, filter words, filter shift; the Bloom
    /// filter; the buckets; the hash values, the last one of each bucket odd.
    unsafe fn find_by_gnu_hash(&self, wanted: &Symbol) -> Option<Code> {
        unsafe {
            let [buckets, first, words, shift] = *self.gnu_hash.cast::<[u32; 4]>();
            if buckets == 0 || words == 0 {
                return None;
            }
            let hash = wanted.hash;
            let filter = self.gnu_hash.add(4).cast::<u64>();
            let word = *filter.add(((hash / 64) & (words - 1)) as usize);
            if word >> (hash % 64) & word >> ((hash >> (shift & 31)) % 64) & 1 == 0 {
                return None;
            }
            let table = filter.add(words as usize).cast::<u32>();
            let mut index = *table.add((hash % buckets) as usize);
            if index < first {
                return None;
            }
            let hashes = table.add(buckets as usize);
            loop {
                let there = *hashes.add((index - first) as usize);
                if there | 1 == hash | 1
                    && let Some(code) = self.symbol(index, wanted)
                {
                    return Some(code);
                }
                if there & 1 == 1 {
                    return None;
                }
                index += 1;
            }
        }
    }

    /// The code of symbol `index`, if it is the default version of `wanted`.
    ///
    /// # Safety
    /// There is a symbol of this index.
    unsafe fn symbol(&self, index: u32, wanted: &Symbol) -> Option<Code> {
        unsafe {
            let symbol = &*self.symbols.add(index as usize);
            let undefined = symbol.st_shndx == 0 || symbol.st_value == 0;
            if undefined || !wanted.is_named(self.strings.add(symbol.st_name as usize)) {
                return None;
            }
            if !self.versions.is_null() && *self.versions.add(index as usize) & VERSION_HIDDEN != 0 {
                return None;
            }
            let mut address = self.base.wrapping_add(symbol.st_value as usize);
            if symbol.st_info & 0xf == STT_GNU_IFUNC {
                let choose: extern "C" fn(u64) -> usize = core::mem::transmute(address);
                address = choose(libc::getauxval(libc::AT_HWCAP));
            }
            Some(Code {
                address,
                size: symbol.st_size as usize,
            })
        }
    }
}
