//! A plain byte search (Horspool, 1980): memmem(3) is in libc, and code without libc needs one too.

/// A text to search for, with the table that says how far to move on.
pub struct Needle<const N: usize> {
    text: [u8; N],
    /// For the last byte of a window: how far it is from its next place in the needle.
    skip: [u8; 256],
}

impl<const N: usize> Needle<N> {
    /// Fills the table; call it at compile time. The needle has 1 to 255 bytes.
    pub const fn new(text: &[u8; N]) -> Self {
        assert!(N > 0 && N < 256);
        let mut skip = [N as u8; 256];
        let mut i = 0;
        while i < N - 1 {
            skip[text[i] as usize] = (N - 1 - i) as u8;
            i += 1;
        }
        Needle { text: *text, skip }
    }

    /// Whether the needle occurs in `bytes`, right after one of the bytes in `before`.
    pub fn is_in_after(&self, before: &[u8], bytes: &[u8]) -> bool {
        let mut at = 1;
        while let Some(window) = bytes.get(at..at + N) {
            let last = window.last().copied().unwrap_or(0);
            let is_it = self.text.last() == Some(&last) && window == self.text;
            if is_it && bytes.get(at - 1).is_some_and(|byte| before.contains(byte)) {
                return true;
            }
            at += usize::from(self.skip.get(usize::from(last)).copied().unwrap_or(1));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDLE: Needle<4> = Needle::new(b"ab/a");

    fn naive(bytes: &[u8]) -> bool {
        bytes.windows(5).any(|window| window == b"/ab/a" || window == b"bab/a")
    }

    #[test]
    fn as_every_window_looked_at_says() {
        // All texts of ten letters out of three.
        for number in 0..3_usize.pow(10) {
            let text: Vec<u8> = (0..10).map(|i| b"/ab"[number / 3_usize.pow(i) % 3]).collect();
            assert_eq!(NEEDLE.is_in_after(b"/b", &text), naive(&text), "{text:?}");
        }
    }

    #[test]
    fn short_and_long() {
        let is_in = |bytes: &[u8]| NEEDLE.is_in_after(b"/", bytes);
        assert!(!is_in(b"") && !is_in(b"/ab/") && !is_in(b"ab/a") && is_in(b"/ab/a") && !is_in(b"bab/a"));
        let mut long = vec![b'/'; 10_000];
        assert!(!is_in(&long));
        long.extend(b"ab/a");
        assert!(is_in(&long));
        assert!(Needle::new(b"x").is_in_after(b"a", b"aax"));
    }
}
