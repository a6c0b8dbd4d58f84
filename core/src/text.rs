//! Texts of tables, put together at compile time.
//!
//! A `&str` in a static is an address, which the dynamic linker has to relocate at each start of a program: 20
//! instructions. So a table keeps all its texts in one, and a [`Piece`] for each: where it is in there.

use core::ops::Range;

/// Text of `N` bytes under construction. One of size 0 takes nothing and only measures.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

/// Where a text is within a longer one.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    start: u16,
    len: u16,
}

impl Piece {
    pub(crate) const EMPTY: Piece = Piece { start: 0, len: 0 };

    /// The piece of `text`, which is what its [`Text`] became.
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or("")
    }

    /// Whether the piece of `text` is `other`. As bytes: whether it is cut between characters does not matter.
    pub(crate) fn is(self, text: &str, other: &[u8]) -> bool {
        usize::from(self.len) == other.len() && text.as_bytes().get(self.range()) == Some(other)
    }

    fn range(self) -> Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.len)
    }
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        assert!(N <= u16::MAX as usize, "a piece could not say where it is");
        Text { bytes: [0; N], len: 0 }
    }

    /// Bytes appended, whether they fitted or not.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn push(&mut self, text: &str) {
        let mut i = 0;
        while i < text.len() {
            if self.len < N {
                self.bytes[self.len] = text.as_bytes()[i];
            }
            self.len += 1;
            i += 1;
        }
    }

    /// What was appended since the text had `start` bytes.
    pub(crate) const fn since(&self, start: usize) -> Piece {
        Piece {
            start: start as u16,
            len: (self.len - start) as u16,
        }
    }

    /// The whole text. For constants only: unless the text was given its exact size, the compiler stops here.
    pub(crate) const fn as_str(&self) -> &str {
        assert!(self.len == N, "measured with other parts");
        match core::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            // Whole texts in a row are one.
            Err(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_built_and_taken_apart() {
        const fn build<const N: usize>() -> (Text<N>, Piece) {
            let mut text = Text::new();
            text.push("a, ");
            let start = text.len();
            text.push("é");
            let piece = text.since(start);
            text.push("!");
            (text, piece)
        }
        const TEXT: &str = build::<{ build::<0>().0.len() }>().0.as_str();
        assert_eq!(TEXT, "a, é!");
        assert_eq!(build::<0>().1.of(TEXT), "é");
        assert_eq!(Piece::EMPTY.of(TEXT), "");
        let piece = build::<0>().1;
        assert!(piece.is(TEXT, "é".as_bytes()) && !piece.is(TEXT, b"ab") && !piece.is(TEXT, b"a"));
    }
}
