//! The symbols of loaded objects, by the tables that the dynamic linker uses: elf(5), and the GNU hash table where there is one.
//!
//! It knows no product: whoever wants a function gives its name and that name's hash.
//!
//! unsafe: reads the tables of loaded objects.
#![allow(unsafe_code, reason = "as the head says")]

use crate::libc::auxval;
use core::ffi::CStr;
use core::ops::Range;

/// The name of a function that is looked for: at most 23 bytes, and its GNU hash.
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
        self.bytes.split(|&b| b == 0).next().unwrap_or(b"")
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
const DT_HASH: u64 = 4;
const DT_SONAME: u64 = 14;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_VERSYM: u64 = 0x6fff_fff0;
const STT_GNU_IFUNC: u8 = 10;
/// In a version index: this is not the default version of its name.
const VERSION_HIDDEN: u16 = 0x8000;

/// A loaded object.
pub struct Object<'a> {
    /// What is added to the addresses in its file.
    pub base: usize,
    /// Its program headers.
    pub headers: &'a [libc::Elf64_Phdr],
}

impl Object<'_> {
    /// Whether `address` lies in one of its segments.
    pub fn contains(&self, address: usize) -> bool {
        self.headers.iter().any(|h| {
            let start = self.base.wrapping_add(h.p_vaddr as usize);
            h.p_type == libc::PT_LOAD && address.wrapping_sub(start) < h.p_memsz as usize
        })
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

    /// Where the object's tables are; `None` if it has no symbols.
    pub fn tables(&self) -> Option<Tables> {
        let dynamic = self.headers.iter().find(|h| h.p_type == libc::PT_DYNAMIC)?;
        let mut entry = self.base.wrapping_add(dynamic.p_vaddr as usize) as *const [u64; 2];
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
            let address = match value as usize {
                offset if offset < self.base => self.base + offset,
                address => address,
            };
            match tag {
                0 => break,
                DT_SONAME => tables.name = Some(value as usize),
                DT_SYMTAB => tables.symbols = address as *const _,
                DT_STRSZ => tables.strings_size = value as usize,
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
    symbols: *const libc::Elf64_Sym,
    strings: *const u8,
    /// DT_STRSZ.
    strings_size: usize,
    /// DT_SONAME, an offset into `strings`.
    name: Option<usize>,
    versions: *const u16,
    gnu_hash: *const u32,
    sysv_hash: *const u32,
}

/// A function's code.
pub struct Code {
    /// Its first byte.
    pub address: usize,
    /// How many bytes it has.
    pub size: usize,
}

impl Tables {
    /// The name under which others name it as needed, DT_SONAME.
    pub fn soname(&self) -> Option<&CStr> {
        // SAFETY: an offset of the object's own into its string table.
        self.name
            .map(|offset| unsafe { CStr::from_ptr(self.strings.add(offset).cast()) })
    }

    /// The code of the default version of function `wanted`, if this object defines it.
    pub fn find(&self, wanted: &Name) -> Option<Code> {
        // SAFETY: the tables of a loaded object, in the formats that elf(5) and the dynamic linker define.
        unsafe {
            if !self.gnu_hash.is_null() {
                self.find_by_gnu_hash(wanted)
            } else if !self.sysv_hash.is_null() {
                // The second word is the number of symbols. Few objects have only this table, and none of them is
                // large.
                (1..*self.sysv_hash.add(1)).find_map(|index| self.symbol(index, wanted))
            } else {
                None
            }
        }
    }

    /// # Safety
    /// `gnu_hash` is the object's DT_GNU_HASH table: bucket count, first symbol, filter words, filter shift; the Bloom
    /// filter; the buckets; the hash values, the last one of each bucket odd.
    unsafe fn find_by_gnu_hash(&self, wanted: &Name) -> Option<Code> {
        // SAFETY: as the caller says; a bucket's last hash value is odd, so the search ends within the table.
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
    unsafe fn symbol(&self, index: u32, wanted: &Name) -> Option<Code> {
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
            let mut address = self.base.wrapping_add(symbol.st_value as usize);
            if symbol.st_info & 0xf == STT_GNU_IFUNC {
                let choose: extern "C" fn(u64) -> usize = core::mem::transmute(address);
                address = choose(auxval(libc::AT_HWCAP));
            }
            Some(Code {
                address,
                size: symbol.st_size as usize,
            })
        }
    }
}
