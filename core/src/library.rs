//! The library's file name, and which names of mapped files are it.

/// The file name under which the library is built, installed and preloaded; also its SONAME.
pub const LIBRARY: &str = "libnopipe.so";

/// [`LIBRARY`] as bytes: for a search of `/proc/PID/maps` and `/proc/PID/environ`.
pub const LIBRARY_BYTES: [u8; LIBRARY.len()] = {
    let mut bytes = [0; LIBRARY.len()];
    bytes.copy_from_slice(LIBRARY.as_bytes());
    bytes
};

/// Whether a mapped file is the library, by the last part of its path as `/proc/PID/maps` shows it.
///
/// The file may have been renamed (`libnopipe.so.old`) or removed (`libnopipe.so (deleted)`) since it was mapped.
pub fn is_library(file_name: &str) -> bool {
    let name = file_name.trim_end_matches(" (deleted)");
    match name.strip_prefix(LIBRARY) {
        Some(rest) => rest.is_empty() || rest.starts_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names() {
        for name in [
            "libnopipe.so",
            "libnopipe.so.old",
            "libnopipe.so.1",
            "libnopipe.so (deleted)",
            "libnopipe.so.old (deleted)",
        ] {
            assert!(is_library(name), "{name}");
        }
        for name in [
            "",
            "libnopipe.s",
            "libnopipes.so",
            "libnopipe.so2",
            "xlibnopipe.so",
            "/libnopipe.so",
        ] {
            assert!(!is_library(name), "{name}");
        }
    }

    #[test]
    fn as_bytes() {
        assert_eq!(LIBRARY_BYTES, *b"libnopipe.so");
    }
}
