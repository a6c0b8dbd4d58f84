//! Whether a program loads a preloaded library: static and privileged programs do not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use object::elf::{ET_DYN, ET_EXEC, FileHeader32, FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};

/// Why the dynamic linker would not load the library into the program at `path`, see ld.so(8), "Secure-execution mode".
///
/// `None` if it would, or if that is unknown: the file cannot be read, or is not an ELF program.
pub fn obstacle(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let privileged = |why: &str| {
        Some(format!(
            "{} {why}: the dynamic linker ignores LD_PRELOAD",
            path.display()
        ))
    };
    if mode & 0o6000 != 0 {
        return privileged("is setuid or setgid");
    }
    if rustix::fs::getxattr(path, "security.capability", &mut [0; 64][..]).is_ok() {
        return privileged("has file capabilities");
    }
    let data = fs::read(path).ok()?;
    is_static(&data)?.then(|| format!("{} is linked statically: it loads no shared library", path.display()))
}

/// Whether an ELF program asks for no dynamic linker. `None` if `data` is not an ELF program.
fn is_static(data: &[u8]) -> Option<bool> {
    match FileKind::parse(data).ok()? {
        FileKind::Elf32 => asks_for_no_linker::<FileHeader32<Endianness>>(data),
        FileKind::Elf64 => asks_for_no_linker::<FileHeader64<Endianness>>(data),
        _ => None,
    }
}

fn asks_for_no_linker<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Option<bool> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    if ![ET_EXEC, ET_DYN].contains(&header.e_type(endian)) {
        return None;
    }
    let headers = header.program_headers(endian, data).ok()?;
    Some(headers.iter().all(|header| header.p_type(endian) != PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        let own = std::env::current_exe().unwrap();
        assert_eq!(obstacle(&own), None);
        assert_eq!(obstacle(Path::new("/nonexistent")), None);
        assert_eq!(is_static(b"#!/bin/sh\n"), None);

        // This test's own program, without its PT_INTERP.
        let mut data = fs::read(&own).unwrap();
        assert_eq!(is_static(&data), Some(false));
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
        assert_eq!(is_static(&data), Some(true));

        let setuid = tempfile::NamedTempFile::new().unwrap();
        fs::set_permissions(setuid.path(), fs::Permissions::from_mode(0o4755)).unwrap();
        assert!(obstacle(setuid.path()).unwrap().contains("setuid"));
    }
}
