//! Calls and jumps in code, the same on x86-64 and i386: Intel's manual, volume 2, CALL and JMP.

/// How many bytes a call has that [`called_from`] knows.
const CALL: usize = 5;

/// The function that a call instruction just before the address `next` enters, if there is one: `e8` and a distance.
/// `before`: the code that ends there. (A call by a pointer does not show where it goes.)
pub fn called_from(next: usize, before: &[u8]) -> Option<usize> {
    let (_, call) = before.split_at_checked(before.len().wrapping_sub(CALL))?;
    match *call {
        [0xe8, a, b, c, d] => Some(next.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]) as isize)),
        _ => None,
    }
}

/// Where the function at `start`, whose code is `code`, jumps at once: `e9` and a distance, or `eb` and a short one. An
/// `endbr` may come first, which marks a target of calls by pointers.
pub fn jump_target(start: usize, code: &[u8]) -> Option<usize> {
    let (start, code) = match *code {
        [0xf3, 0x0f, 0x1e, 0xfa | 0xfb, ref rest @ ..] => (start.wrapping_add(4), rest),
        _ => (start, code),
    };
    let (length, distance) = match *code {
        [0xe9, a, b, c, d, ..] => (5, i32::from_le_bytes([a, b, c, d]) as isize),
        [0xeb, a, ..] => (2, isize::from(a as i8)),
        _ => return None,
    };
    Some(start.wrapping_add(length).wrapping_add_signed(distance))
}

/// How many words `code` takes off the stack before it returns, if it does nothing else: POP, ADD of a constant to the
/// stack pointer, RET.
pub fn words_taken_off(mut code: &[u8]) -> Option<usize> {
    let mut words = 0;
    loop {
        // REX prefixes; as instructions (i386) they are INC and DEC, which no function ends with.
        let rest = match *code {
            [0x41 | 0x48, ref rest @ ..] => rest,
            _ => code,
        };
        (words, code) = match *rest {
            [0xc3, ..] => return Some(words),
            [0x58..=0x5f, ref rest @ ..] => (words + 1, rest),
            [0x83, 0xc4, bytes @ 0..0x80, ref rest @ ..] => (words + usize::from(bytes) / size_of::<usize>(), rest),
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn ends_of_functions() {
        assert_eq!(words_taken_off(&[0xc3]), Some(0));
        assert_eq!(words_taken_off(&[0x5b, 0xc3, 0x90]), Some(1));
        assert_eq!(
            words_taken_off(&[0x48, 0x83, 0xc4, 0x18, 0x41, 0x5e, 0x5d, 0xc3]),
            Some(5)
        );
        assert_eq!(words_taken_off(&[0x48, 0x83, 0xc4, 0xf8, 0xc3]), None);
        assert_eq!(words_taken_off(&[0x5b]), None);
        assert_eq!(words_taken_off(&[0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0xc3]), None);
        assert_eq!(words_taken_off(&[]), None);
    }

    #[test]
    fn calls() {
        assert_eq!(called_from(0x1005, &[0xe8, 0xfb, 0xff, 0xff, 0xff]), Some(0x1000));
        assert_eq!(called_from(0x1005, &[0xe8, 0xe8, 0x10, 0, 0, 0]), Some(0x1015));
        assert_eq!(called_from(0x1005, &[0xe8, 0x10, 0, 0, 0, 0x90]), None);
        assert_eq!(called_from(0x1005, &[0xff, 0x15, 0x10, 0, 0, 0]), None);
        assert_eq!(called_from(0x1004, &[0xe8, 0, 0, 0]), None);
        assert_eq!(called_from(0x1000, &[]), None);
    }

    #[test]
    fn jumps() {
        assert_eq!(jump_target(0x1000, &[0xe9, 0xfb, 0xff, 0xff, 0xff]), Some(0x1000));
        assert_eq!(jump_target(0x1000, &[0xeb, 0xfe, 0x90]), Some(0x1000));
        assert_eq!(jump_target(0x1000, &[0xf3, 0x0f, 0x1e, 0xfa, 0xeb, 0x0a]), Some(0x1010));
        assert_eq!(jump_target(0x1000, &[0x53, 0xeb, 0x0a]), None);
        assert_eq!(jump_target(0x1000, &[0xe9, 0, 0, 0]), None);
        assert_eq!(jump_target(0x1000, &[]), None);
    }
}
