//! `/proc/self/fdinfo/FD` of a pidfd, pidfd_open(2), proc_pid_fdinfo(5): the number of its process.

/// The process that a pidfd refers to, in the pid namespace of that /proc, from the text of its fdinfo. `None` if it is
/// no pidfd, if the process was reaped (-1), if that /proc does not show it (0), or if the text was cut before its end.
pub fn pid(text: &[u8]) -> Option<i32> {
    let mut lines = text.split_inclusive(|&byte| byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(b"Pid:\t"))?;
    let digits = line.strip_suffix(b"\n")?;
    let mut number = 0_i32;
    for digit in digits {
        let value = i32::from(digit.checked_sub(b'0').filter(|&value| value < 10)?);
        number = number.checked_mul(10)?.checked_add(value)?;
    }
    Some(number).filter(|&number| number > 0)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Linux 6.18.
    fn recorded(number: &str) -> Vec<u8> {
        format!("pos:\t0\nflags:\t02000002\nmnt_id:\t4\nino:\t231550\nPid:\t{number}\nNSpid:\t{number}\n").into_bytes()
    }

    #[test]
    fn numbers() {
        for (number, expected) in [
            ("4386", Some(4386)),
            ("1", Some(1)),
            ("2147483647", Some(i32::MAX)),
            ("0", None),
            ("-1", None),
            ("", None),
            ("2147483648", None),
            ("99999999999999999999", None),
            ("12x", None),
        ] {
            assert_eq!(pid(&recorded(number)), expected, "{number:?}");
        }
    }

    #[test]
    fn no_pidfd() {
        // A socket, an epoll instance that watches descriptor 7.
        for text in [
            "pos:\t0\nflags:\t02\nmnt_id:\t10\nino:\t9\n",
            "tfd:\t7 events:\t19\nNSpid:\t5\n",
            "",
        ] {
            assert_eq!(pid(text.as_bytes()), None);
        }
    }

    /// A number that was cut would be another process's.
    #[test]
    fn cut_short() {
        let text = recorded("4386");
        let whole = text.windows(5).position(|part| part == b"4386\n").unwrap() + 5;
        for length in 0..text.len() {
            assert_eq!(pid(&text[..length]), (length >= whole).then_some(4386), "{length}");
        }
    }
}
