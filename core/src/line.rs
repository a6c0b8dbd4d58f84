//! A text buffer of fixed size on the stack. It truncates, and counts what did not fit.

/// Up to `N` bytes of text.
#[derive(Clone, Copy)]
pub struct Line<const N: usize> {
    buf: [u8; N],
    len: usize,
    lost: usize,
}

impl<const N: usize> Line<N> {
    /// An empty line.
    pub const fn new() -> Self {
        Line {
            buf: [0; N],
            len: 0,
            lost: 0,
        }
    }

    /// Appends `text`, up to the last whole character that fits.
    pub fn push_str(&mut self, text: &str) {
        self.writer().push_str(text);
    }

    /// Appends one character.
    pub fn push(&mut self, c: char) {
        self.writer().push(c);
    }

    /// Appends `n` in decimal.
    pub fn push_u64(&mut self, n: u64) {
        self.writer().push_u64(n);
    }

    /// Appends `n` in decimal with at least `width` digits, zeros in front.
    pub fn push_padded(&mut self, n: u64, width: u32) {
        self.writer().push_padded(n, width);
    }

    /// Appends `n` in lower-case hexadecimal without leading zeros.
    pub fn push_hex(&mut self, n: u64) {
        self.writer().push_hex(n);
    }

    /// Appends bytes that are not text, all or nothing; [`Line::as_str`] may return an empty string from then on.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.writer().push_bytes(bytes);
    }

    /// Appends bytes that should be UTF-8; each byte that is not becomes `?`.
    pub fn push_lossy(&mut self, bytes: &[u8]) {
        self.writer().push_lossy(bytes);
    }

    /// Cuts the line to at most `len` bytes; what is cut counts as lost. `len` must lie between two characters.
    pub fn truncate(&mut self, len: usize) {
        self.writer().truncate(len);
    }

    /// Replaces the content by bytes that `fill` puts into the buffer; it returns how many.
    pub fn fill<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        self.lost = 0;
        self.len = fill(&mut self.buf)?.min(N);
        Ok(())
    }

    /// Keeps only `length` bytes from byte `start` on, or what there is of them.
    pub fn keep(&mut self, start: usize, length: usize) {
        let length = length.min(self.len.saturating_sub(start));
        for i in 0..length {
            if let Some(&byte) = self.buf.get(start + i)
                && let Some(to) = self.buf.get_mut(i)
            {
                *to = byte;
            }
        }
        self.len = length;
        self.lost = 0;
    }

    /// A writer that appends to the line.
    pub fn writer(&mut self) -> Writer<'_> {
        Writer {
            buf: &mut self.buf,
            len: &mut self.len,
            lost: &mut self.lost,
        }
    }

    /// A writer that appends to the line, up to `room` bytes in all.
    pub fn writer_up_to(&mut self, room: usize) -> Writer<'_> {
        let room = room.min(N);
        Writer {
            buf: self.buf.get_mut(..room).unwrap_or_default(),
            len: &mut self.len,
            lost: &mut self.lost,
        }
    }

    /// Makes the line empty; nothing counts as lost.
    pub fn clear(&mut self) {
        (self.len, self.lost) = (0, 0);
    }

    /// The text, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// Bytes in the line.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that did not fit.
    pub fn lost(&self) -> usize {
        self.lost
    }
}

/// Writes into a [`Line`] of any size: code that takes this is compiled only once.
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: &'a mut usize,
    lost: &'a mut usize,
}

impl Writer<'_> {
    /// Appends `text`, up to the last whole character that fits.
    #[inline(never)]
    pub fn push_str(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut take = bytes.len().min(self.buf.len() - self.len().min(self.buf.len()));
        while take > 0 && bytes.get(take).is_some_and(|b| b & 0xc0 == 0x80) {
            take -= 1;
        }
        let end = *self.len + take;
        if let (Some(to), Some(from)) = (self.buf.get_mut(*self.len..end), bytes.get(..take)) {
            to.copy_from_slice(from);
            *self.len = end;
            *self.lost += bytes.len() - take;
        }
    }

    /// Appends one character.
    pub fn push(&mut self, c: char) {
        if c.is_ascii() {
            // The usual case, without the detour of encode_utf8.
            match self.buf.get_mut(*self.len) {
                Some(to) => {
                    *to = c as u8;
                    *self.len += 1;
                }
                None => *self.lost += 1,
            }
        } else {
            self.push_str(c.encode_utf8(&mut [0; 4]));
        }
    }

    /// Appends `n` in decimal.
    #[inline(never)]
    pub fn push_u64(&mut self, n: u64) {
        // The first digit's unit: most numbers are short, and a division takes long.
        let mut unit = 1_u64;
        while n / 10 >= unit {
            unit *= 10;
        }
        let mut rest = n;
        while unit > 0 {
            self.push((b'0' + (rest / unit) as u8) as char);
            rest %= unit;
            unit /= 10;
        }
    }

    /// Appends `n` in decimal with at least `width` digits, zeros in front.
    #[inline(never)]
    pub fn push_padded(&mut self, n: u64, width: u32) {
        let mut unit = 10_u64.pow(width.min(19).saturating_sub(1));
        while unit > 1 && n < unit {
            self.push('0');
            unit /= 10;
        }
        self.push_u64(n);
    }

    /// Appends `n` in lower-case hexadecimal without leading zeros.
    #[inline(never)]
    pub fn push_hex(&mut self, n: u64) {
        let digits = (64 - n.leading_zeros()).div_ceil(4).max(1);
        for place in (0..digits).rev() {
            let digit = (n >> (place * 4)) as u8 & 0xf;
            self.push((if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }) as char);
        }
    }

    /// Appends bytes that are not text, all or nothing; [`Line::as_str`] may return an empty string from then on.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        match self.buf.get_mut(*self.len..*self.len + bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                *self.len += bytes.len();
            }
            None => *self.lost += bytes.len(),
        }
    }

    /// Appends bytes that should be UTF-8; each byte that is not becomes `?`.
    #[inline(never)]
    pub fn push_lossy(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            self.push_str(chunk.valid());
            for _ in chunk.invalid() {
                self.push('?');
            }
        }
    }

    /// Cuts the line to at most `len` bytes; what is cut counts as lost. `len` must lie between two characters.
    pub fn truncate(&mut self, len: usize) {
        if len < *self.len {
            *self.lost += *self.len - len;
            *self.len = len;
        }
    }

    /// Bytes written.
    pub fn len(&self) -> usize {
        *self.len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        *self.len == 0
    }

    /// Bytes that did not fit.
    pub fn lost(&self) -> usize {
        *self.lost
    }

    /// The number of bytes that the line can hold in all.
    pub fn room(&self) -> usize {
        self.buf.len()
    }
}

impl<const N: usize> core::fmt::Debug for Line<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(f: impl FnOnce(&mut Line<64>)) -> String {
        let mut line = Line::new();
        f(&mut line);
        line.as_str().into()
    }

    #[test]
    fn numbers() {
        for n in [0, 1, 9, 10, 99, 100, 12345, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(text(|l| l.push_u64(n)), n.to_string());
            assert_eq!(text(|l| l.push_hex(n)), format!("{n:x}"));
            assert_eq!(text(|l| l.push_padded(n, 6)), format!("{n:06}"));
        }
    }

    #[test]
    fn filled_and_cut() {
        let mut line = Line::<8>::new();
        line.push_str("too long for it");
        let filled = line.fill(|buffer| {
            buffer[..5].copy_from_slice(b"a/b/c");
            Ok::<_, ()>(5)
        });
        assert_eq!((filled, line.as_str(), line.lost()), (Ok(()), "a/b/c", 0));
        line.keep(2, 1);
        assert_eq!(line.as_str(), "b");
        line.keep(0, 9);
        assert_eq!(line.as_str(), "b");
        line.keep(5, 1);
        assert!(line.is_empty());
        assert_eq!(line.fill(|_| Err("no")), Err("no"));
    }

    #[test]
    fn truncates_between_characters_and_counts() {
        let mut line = Line::<4>::new();
        line.push_str("abcé");
        assert_eq!((line.as_str(), line.lost()), ("abc", 2));
        line.push_str("de");
        assert_eq!((line.as_str(), line.lost()), ("abcd", 3));
        line.push('x');
        assert_eq!((line.as_str(), line.lost()), ("abcd", 4));
    }

    #[test]
    fn lossy() {
        assert_eq!(text(|l| l.push_lossy(b"a\xff\xc3\xa9b")), "a?éb");
    }
}
