//! What an ELF file says of itself, elf(5): for which CPU it is, and what loads it.

use std::fs::File;

use nopipe_core::stats;
use object::elf::{DT_SONAME, EM_386, EM_AARCH64, EM_ARM, EM_X86_64, FileHeader32, FileHeader64, PT_INTERP};
use object::read::ReadRef;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Sym};
use object::{Endianness, FileKind, ReadCache};

/// The longest name of a dynamic linker, in bytes; the kernel's own limit is PATH_MAX.
const LONGEST: u64 = 4096;

/// A program or a shared library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elf {
    pub target: Target,
    /// The dynamic linker that it asks for (PT_INTERP); `None` for a static program, and for a shared library.
    pub linker: Option<String>,
    /// The name that a shared library has given itself (DT_SONAME).
    pub soname: Option<String>,
    /// It has the counters of libnopipe.so.
    pub has_counters: bool,
    /// It was built by Go.
    pub is_go: bool,
}

/// Of which kind of CPU a file's code is. A process can only load what has the same target as its program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// 32 or 64.
    pub bits: u8,
    /// The number in the header (EM_*).
    pub machine: u16,
}

impl Target {
    /// As file(1) calls it, in short.
    pub fn name(self) -> String {
        match (self.machine, self.bits) {
            (EM_X86_64, 64) => "x86-64".into(),
            (EM_X86_64, _) => "x32".into(),
            (EM_386, _) => "i386".into(),
            (EM_AARCH64, _) => "aarch64".into(),
            (EM_ARM, _) => "arm".into(),
            (machine, bits) => format!("{bits}-bit code for CPU {machine}"),
        }
    }

    /// The name that Debian's library folders have for it; `None` if we build no library for it.
    pub fn folder(self) -> Option<&'static str> {
        match (self.machine, self.bits) {
            (EM_X86_64, 64) => Some("x86_64-linux-gnu"),
            (EM_386, 32) => Some("i386-linux-gnu"),
            (EM_AARCH64, 64) => Some("aarch64-linux-gnu"),
            _ => None,
        }
    }
}

impl Elf {
    /// Reads a file; `None` if it is no ELF file, or a damaged one. Only what is needed is read: a program may be large.
    pub fn read(file: File) -> Option<Elf> {
        Self::parse(&ReadCache::new(file))
    }

    fn parse<'data, R: ReadRef<'data>>(data: R) -> Option<Elf> {
        match FileKind::parse(data).ok()? {
            FileKind::Elf32 => parse::<FileHeader32<Endianness>, _>(data),
            FileKind::Elf64 => parse::<FileHeader64<Endianness>, _>(data),
            _ => None,
        }
    }
}

fn parse<'data, Header, R>(data: R) -> Option<Elf>
where
    Header: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Header::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let headers = header.program_headers(endian, data).ok()?;
    let linker = headers.iter().find(|header| header.p_type(endian) == PT_INTERP);
    let linker = linker.and_then(|header| {
        let length = header.p_filesz(endian).into().min(LONGEST);
        let name = data.read_bytes_at(header.p_offset(endian).into(), length).ok()?;
        let name = name.split(|&b| b == 0).next()?;
        Some(String::from_utf8_lossy(name).into_owned())
    });
    // What follows is in the sections: a program without them is judged without.
    let sections = header.sections(endian, data).ok();
    let is_go = sections.as_ref().is_some_and(|sections| {
        let mut names = sections
            .iter()
            .filter_map(|section| sections.section_name(endian, section).ok());
        names.any(|name| name == b".note.go.buildid" || name == b".go.buildinfo")
    });
    let soname = sections.as_ref().and_then(|sections| {
        let (entries, link) = sections.dynamic(endian, data).ok()??;
        let strings = sections.strings(endian, data, link).ok()?;
        let entry = entries.iter().find(|entry| entry.tag32(endian) == Some(DT_SONAME))?;
        let name = strings.get(u32::try_from(entry.d_val(endian).into()).ok()?).ok()?;
        Some(String::from_utf8_lossy(name).into_owned())
    });
    let symbols = sections.and_then(|sections| sections.symbols(endian, data, object::elf::SHT_DYNSYM).ok());
    let has_counters = symbols.is_some_and(|symbols| {
        let is_it = |symbol: &Header::Sym| symbol.name(endian, symbols.strings()) == Ok(stats::SYMBOL.as_bytes());
        symbols
            .iter()
            .any(|symbol| !symbol.is_undefined(endian) && is_it(symbol))
    });
    Some(Elf {
        target: Target {
            bits: if header.is_type_64() { 64 } else { 32 },
            machine: header.e_machine(endian),
        },
        linker,
        soname,
        has_counters,
        is_go,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn this_test_and_what_is_no_program() {
        let own = std::env::current_exe().unwrap();
        let elf = Elf::read(File::open(own).unwrap()).unwrap();
        assert!(elf.linker.as_ref().unwrap().starts_with("/lib"), "{elf:?}");
        assert_eq!((elf.target.bits, elf.has_counters, elf.is_go), (64, false, false));
        assert_eq!(
            elf.target.folder().is_some(),
            cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
        );

        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01\x01garbage"] {
            fs::write(file.path(), text).unwrap();
            assert_eq!(Elf::read(File::open(file.path()).unwrap()), None, "{text:?}");
        }
    }

    #[test]
    fn cut_anywhere() {
        let data = fs::read(std::env::current_exe().unwrap()).unwrap();
        for length in (0..2000).chain((2000..data.len()).step_by(data.len() / 50)) {
            // It must not panic; the sections lie at the end.
            let _ = Elf::parse(&data[..length]);
        }
    }

    #[test]
    fn without_its_linker() {
        let mut data = fs::read(std::env::current_exe().unwrap()).unwrap();
        let header = FileHeader64::<Endianness>::parse(&*data).unwrap();
        let (table, size) = (
            header.e_phoff.get(Endianness::Little) as usize,
            header.e_phentsize.get(Endianness::Little),
        );
        let headers = header.program_headers(Endianness::Little, &*data).unwrap();
        let interp = headers
            .iter()
            .position(|h| h.p_type(Endianness::Little) == PT_INTERP)
            .unwrap();
        data[table + interp * usize::from(size)] = 0;
        assert_eq!(Elf::parse(&*data).unwrap().linker, None);
    }
}
