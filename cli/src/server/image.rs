//! Finds a symbol of a shared object in the memory of another process.
//!
//! Only memory is read, not the file: it may have been replaced or removed since, or be in a container.

use std::fs::File;
use std::os::unix::fs::FileExt;

use object::elf::{DT_GNU_HASH, DT_STRTAB, DT_SYMTAB, FileHeader32, FileHeader64, PT_DYNAMIC, PT_LOAD, SHN_UNDEF};
use object::pod::slice_from_bytes;
use object::read::elf::{Dyn, FileHeader, GnuHashTable, ProgramHeader, Sym};
use object::{Endianness, FileKind};

const PAGE: usize = 4096;
/// No libnopipe.so is larger, in bytes. The memory of another process cannot be trusted.
const LARGEST: usize = 16 << 20;

/// A symbol's address in the process, and its size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub address: u64,
    pub size: usize,
}

/// The symbol `name` of the shared object whose first page is mapped at `base`; `None` if it has none or is damaged.
pub fn find_symbol(memory: &File, base: u64, name: &str) -> Option<Place> {
    let head = read_pages(memory, base, PAGE);
    match FileKind::parse(&*head).ok()? {
        FileKind::Elf32 => find::<FileHeader32<Endianness>>(memory, base, &head, name),
        FileKind::Elf64 => find::<FileHeader64<Endianness>>(memory, base, &head, name),
        _ => None,
    }
}

fn find<Elf: FileHeader<Endian = Endianness>>(memory: &File, base: u64, head: &[u8], name: &str) -> Option<Place> {
    let header = Elf::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let headers = header.program_headers(endian, head).ok()?;
    let span = |header: &Elf::ProgramHeader| {
        let start: u64 = header.p_vaddr(endian).into();
        start.checked_add(header.p_memsz(endian).into())
    };
    let loaded = headers.iter().filter(|header| header.p_type(endian) == PT_LOAD);
    let end = usize::try_from(loaded.filter_map(span).max()?).ok()?;
    let image = read_pages(memory, base, end.min(LARGEST));

    let dynamic = headers.iter().find(|header| header.p_type(endian) == PT_DYNAMIC)?;
    let dynamic = image.get(usize::try_from(dynamic.p_vaddr(endian).into()).ok()?..)?;
    let count = dynamic.len() / size_of::<Elf::Dyn>();
    let (dynamic, _) = slice_from_bytes::<Elf::Dyn>(dynamic, count).ok()?;
    let offset_of = |tag| {
        let mut entries = dynamic.iter().take_while(|entry| entry.d_tag(endian).into() != 0);
        let value: u64 = entries
            .find(|entry| entry.tag32(endian) == Some(tag))?
            .d_val(endian)
            .into();
        // glibc replaces these by addresses in place, musl does not.
        usize::try_from(value.checked_sub(base).unwrap_or(value)).ok()
    };
    let table = GnuHashTable::<Elf>::parse(endian, image.get(offset_of(DT_GNU_HASH)?..)?).ok()?;
    let count = table.symbol_table_length(endian)? as usize;
    let (symbols, _) = slice_from_bytes::<Elf::Sym>(image.get(offset_of(DT_SYMTAB)?..)?, count).ok()?;
    let names = image.get(offset_of(DT_STRTAB)?..)?;
    let symbol = symbols
        .iter()
        .filter(|symbol| symbol.st_shndx(endian) != SHN_UNDEF)
        .find(|symbol| is_name(names, symbol.st_name(endian), name.as_bytes()))?;
    Some(Place {
        address: base.checked_add(symbol.st_value(endian).into())?,
        size: usize::try_from(symbol.st_size(endian).into()).ok()?,
    })
}

/// Whether the name at `offset` of the string table is `name`. No more of the table is looked at than that: its names need
/// not end, and all may be one.
fn is_name(table: &[u8], offset: u32, name: &[u8]) -> bool {
    let rest = table.get(offset as usize..).and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| rest.first() == Some(&0))
}

/// Reads `length` bytes from `base` on. Pages that cannot be read, such as the gaps between segments, are zero.
fn read_pages(memory: &File, base: u64, length: usize) -> Vec<u8> {
    let mut image = vec![0; length];
    for (page, start) in image.chunks_mut(PAGE).zip((base..).step_by(PAGE)) {
        if memory.read_exact_at(page, start).is_err() {
            page.fill(0);
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn in_this_process() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let libc = maps.lines().find(|line| line.ends_with("/libc.so.6")).unwrap();
        let base = u64::from_str_radix(libc.split('-').next().unwrap(), 16).unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        let environ = find_symbol(&memory, base, "environ").unwrap();
        assert_eq!(environ.size, size_of::<usize>());
        assert!(environ.address > base);
        assert_eq!(find_symbol(&memory, base, "nopipe_stats"), None);
        assert_eq!(find_symbol(&memory, 0, "environ"), None);
    }

    #[test]
    fn names() {
        let table = b"\0one\0two";
        assert!(is_name(table, 1, b"one"));
        for (offset, name) in [
            (0, "one"),
            (1, "on"),
            (2, "one"),
            (5, "two"),
            (9, ""),
            (u32::MAX, "one"),
        ] {
            assert!(!is_name(table, offset, name.as_bytes()), "{offset} {name}");
        }
    }
}
