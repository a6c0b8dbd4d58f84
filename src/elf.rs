//! The symbols of loaded objects, by the tables that the dynamic linker uses: elf(5). An object has a GNU hash table
//! (glibc's ld.so reads it since 2.5), the older one of the System V ABI, or both.
//!
//! It knows no product: whoever wants a symbol gives its name and that name's hash. Versions of symbols are not looked at,
//! except that an old version of a name is passed over: musl has none.
//!
//! unsafe: reads the tables of loaded objects.
#![allow(unsafe_code, reason = "as the head says")]

use core::ffi::CStr;
use core::ops::Range;

/// A program header, of the class of this process, elf(5).
#[cfg(target_pointer_width = "64")]
pub type ProgramHeader = libc::Elf64_Phdr;
/// A program header, of the class of this process, elf(5).
#[cfg(target_pointer_width = "32")]
pub type ProgramHeader = libc::Elf32_Phdr;

/// The name of a symbol that is looked for: at most 23 bytes, and its GNU hash.
pub struct Name {
    bytes: [u8; 24],
    hash: u32,
}

impl Name {
    /// To be called at compile time.
    pub const fn new(name: &str) -> Self {
        let name = name.as_bytes();
        assert!(name.len() < 24);
        let mut bytes = [0; 24];
        let mut hash = 5381_u32;
        let mut i = 0;
        while i < name.len() {
            bytes[i] = name[i];
            hash = hash.wrapping_mul(33).wrapping_add(name[i] as u32);
            i += 1;
        }
        Name { bytes, hash }
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `new` has left room for the NUL.
        unsafe { CStr::from_ptr(self.bytes.as_ptr().cast()).to_bytes() }
    }

    /// Whether the C string at `text` is this name. Eight bytes at a time: half of a start-up would go by with this.
    ///
    /// # Safety
    /// `text` is a C string, and as many bytes as a name has can be read there.
    unsafe fn is_wide(&self, text: *const u8) -> bool {
        let (words, _) = self.bytes.as_chunks::<8>();
        for (i, word) in words.iter().enumerate() {
            let wanted = u64::from_le_bytes(*word);
            // SAFETY: as the caller says.
            let there = u64::from_le(unsafe { text.cast::<u64>().add(i).read_unaligned() });
            // Up to and with the NUL, if it is in this word.
            let unused_bits = wanted.leading_zeros() & !7;
            if unused_bits > 0 {
                return (wanted ^ there) << (unused_bits - 8) == 0;
            }
            if wanted != there {
                return false;
            }
        }
        false
    }

    /// Whether the C string at `text` is this name.
    ///
    /// # Safety
    /// `text` is a C string.
    unsafe fn is(&self, text: *const u8) -> bool {
        for (i, &b) in self.bytes.iter().enumerate() {
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

impl PartialEq for Name {
    /// Two names of the same hash are taken for the same: there are few.
    fn eq(&self, other: &Name) -> bool {
        self.hash == other.hash
    }
}

/// What elf(5) calls them.
const DT_NULL: usize = 0;
const DT_HASH: usize = 4;
const DT_DEBUG: usize = 21;
const DT_SONAME: usize = 14;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_STRSZ: usize = 10;
const DT_GNU_HASH: usize = 0x6fff_fef5;
const DT_VERSYM: usize = 0x6fff_fff0;
const STT_GNU_IFUNC: u8 = 10;
/// In a version index: this is not the default version of its name.
const VERSION_HIDDEN: u16 = 0x8000;

/// An entry of the symbol table, of the class of this process: its objects have no other.
#[cfg(target_pointer_width = "64")]
type Symbol = libc::Elf64_Sym;
#[cfg(target_pointer_width = "32")]
type Symbol = libc::Elf32_Sym;

/// A word of the GNU hash table's Bloom filter: it has the bits of an address.
type BloomWord = usize;

/// A loaded object.
pub struct Object<'a> {
    /// What is added to the addresses in its file.
    pub base: usize,
    /// Its program headers.
    pub headers: &'a [ProgramHeader],
}

impl Object<'_> {
    /// Whether `address` lies in one of its segments.
    pub fn contains(&self, address: usize) -> bool {
        self.headers.iter().any(|h| {
            let start = self.base.wrapping_add(h.p_vaddr as usize);
            h.p_type == libc::PT_LOAD && address.wrapping_sub(start) < h.p_memsz as usize
        })
    }

    /// Where the object begins, and how many bytes it spans. Its base may be near the end of the address space: it was linked
    /// for a high address then, and lies lower.
    fn span(&self) -> (usize, usize) {
        let loaded = self.headers.iter().filter(|h| h.p_type == libc::PT_LOAD);
        let (mut start, mut end) = (usize::MAX, 0);
        // (Ascending, elf(5); but nothing here relies on that.)
        for header in loaded {
            start = start.min(header.p_vaddr as usize);
            end = end.max((header.p_vaddr as usize).wrapping_add(header.p_memsz as usize));
        }
        (self.base.wrapping_add(start), end.saturating_sub(start))
    }

    /// The segment that `address` lies in, if it is one of this object's.
    #[inline(never)]
    pub fn segment(&self, address: usize) -> Option<Range<usize>> {
        self.headers.iter().find_map(|h| {
            let start = self.base.wrapping_add(h.p_vaddr as usize);
            let (size, is_loaded) = (h.p_memsz as usize, h.p_type == libc::PT_LOAD);
            (is_loaded && address.wrapping_sub(start) < size).then(|| start..start.wrapping_add(size))
        })
    }

    /// The program's: where the loader's list of objects begins (DT_DEBUG, link.h). `None` if it has none.
    pub fn debug_map(&self) -> Option<usize> {
        let dynamic = self.headers.iter().find(|h| h.p_type == libc::PT_DYNAMIC)?;
        let mut entry = self.base.wrapping_add(dynamic.p_vaddr as usize) as *const [usize; 2];
        loop {
            // SAFETY: the dynamic section of a loaded object, up to its DT_NULL.
            match unsafe { *entry } {
                [DT_NULL, _] => return None,
                [DT_DEBUG, debug] if debug != 0 => {
                    // SAFETY: the loader's `struct r_debug`, whose second word is the first object.
                    let [_, map] = unsafe { *(debug as *const [usize; 2]) };
                    return (map != 0).then_some(map);
                }
                _ => entry = entry.wrapping_add(1),
            }
        }
    }

    /// Where the object's tables are; `None` if it has no symbols.
    #[inline(never)]
    pub fn tables(&self) -> Option<Tables> {
        let dynamic = self.headers.iter().find(|h| h.p_type == libc::PT_DYNAMIC)?;
        let mut entry = self.base.wrapping_add(dynamic.p_vaddr as usize) as *const [usize; 2];
        let (start, size) = self.span();
        let mut tables = Tables {
            base: self.base,
            symbols: core::ptr::null(),
            strings: core::ptr::null(),
            strings_size: 0,
            name: None,
            versions: core::ptr::null(),
            gnu_hash: core::ptr::null(),
            sysv_hash: core::ptr::null(),
        };
        loop {
            // SAFETY: the dynamic section of a loaded object, up to its DT_NULL.
            let [tag, value] = unsafe { *entry };
            // glibc has relocated the addresses in place, but not those of the read-only vDSO; musl never does.
            let address = match value.wrapping_sub(start) < size {
                true => value,
                false => self.base.wrapping_add(value),
            };
            match tag {
                0 => break,
                DT_SONAME => tables.name = Some(value),
                DT_SYMTAB => tables.symbols = address as *const _,
                DT_STRSZ => tables.strings_size = value,
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

/// The tables of a loaded object.
pub struct Tables {
    base: usize,
    symbols: *const Symbol,
    strings: *const u8,
    /// DT_STRSZ.
    strings_size: usize,
    /// DT_SONAME, an offset into `strings`.
    name: Option<usize>,
    versions: *const u16,
    gnu_hash: *const u32,
    sysv_hash: *const u32,
}

/// What a symbol stands for.
pub struct Definition {
    /// The first byte of a function's code, or of a variable.
    address: usize,
    /// How many bytes it has.
    pub size: usize,
    /// The code returns the address of the function that suits this CPU.
    is_indirect: bool,
}

impl Definition {
    /// The address of the function or variable. `hwcap` is what the code that chooses a function is given: AT_HWCAP of
    /// getauxval(3).
    pub fn address(&self, hwcap: impl FnOnce() -> usize) -> usize {
        if !self.is_indirect {
            return self.address;
        }
        // SAFETY: the dynamic linker calls it in the same way.
        unsafe {
            let choose: extern "C" fn(usize) -> usize = core::mem::transmute(self.address);
            choose(hwcap())
        }
    }
}

impl Tables {
    /// The name under which others name it as needed, DT_SONAME.
    pub fn soname(&self) -> Option<&CStr> {
        // SAFETY: an offset of the object's own into its string table.
        self.name
            .map(|offset| unsafe { CStr::from_ptr(self.strings.add(offset).cast()) })
    }

    /// The default version of `wanted`, if this object defines it.
    #[inline(never)]
    pub fn find(&self, wanted: &Name) -> Option<Definition> {
        // SAFETY: the tables of a loaded object, in the formats that elf(5) and the dynamic linker define.
        unsafe {
            if !self.gnu_hash.is_null() {
                self.find_by_gnu_hash(wanted)
            } else if !self.sysv_hash.is_null() {
                // The second word is the number of symbols. An object that has only this table is rare, so all of them are
                // looked at: 0.1 ms of a start, were it libc.
                (1..*self.sysv_hash.add(1)).find_map(|index| self.symbol(index, wanted))
            } else {
                None
            }
        }
    }

    /// # Safety
    /// `gnu_hash` is the object's DT_GNU_HASH table: bucket count, first symbol, filter words, filter shift; the Bloom
    /// filter; the buckets; the hash values, the last one of each bucket odd.
    unsafe fn find_by_gnu_hash(&self, wanted: &Name) -> Option<Definition> {
        // SAFETY: as the caller says; a bucket's last hash value is odd, so the search ends within the table.
        unsafe {
            let [buckets, first, words, shift] = *self.gnu_hash.cast::<[u32; 4]>();
            if buckets == 0 || words == 0 {
                return None;
            }
            let hash = wanted.hash;
            let filter = self.gnu_hash.add(4).cast::<BloomWord>();
            let word = *filter.add(((hash / BloomWord::BITS) & (words - 1)) as usize);
            let bit = |hash: u32| word >> (hash % BloomWord::BITS);
            if bit(hash) & bit(hash >> (shift & 31)) & 1 == 0 {
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
                    && let Some(definition) = self.symbol(index, wanted)
                {
                    return Some(definition);
                }
                if there & 1 == 1 {
                    return None;
                }
                index += 1;
            }
        }
    }

    /// What symbol `index` stands for, if it is the default version of `wanted`.
    ///
    /// # Safety
    /// There is a symbol of this index.
    unsafe fn symbol(&self, index: u32, wanted: &Name) -> Option<Definition> {
        // SAFETY: as the caller says; its name lies in the string table, its version in the table of the same length.
        unsafe {
            let symbol = &*self.symbols.add(index as usize);
            let undefined = symbol.st_shndx == 0 || symbol.st_value == 0;
            let offset = symbol.st_name as usize;
            let name = self.strings.add(offset);
            let is_wanted = match offset + size_of_val(&wanted.bytes) <= self.strings_size {
                true => wanted.is_wide(name),
                false => wanted.is(name),
            };
            if undefined || !is_wanted {
                return None;
            }
            if !self.versions.is_null() && *self.versions.add(index as usize) & VERSION_HIDDEN != 0 {
                return None;
            }
            Some(Definition {
                address: self.base.wrapping_add(symbol.st_value as usize),
                size: symbol.st_size as usize,
                is_indirect: symbol.st_info & 0xf == STT_GNU_IFUNC,
            })
        }
    }
}
