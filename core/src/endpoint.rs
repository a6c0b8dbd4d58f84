//! One end of a connection: from the bytes of a `struct sockaddr` to the text that an operator reads.

use crate::line::{Line, Writer};

const AF_UNIX: u16 = libc::AF_UNIX as u16;
const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;

/// Where the name of a unix socket begins, unix(7).
const SUN_PATH: usize = core::mem::offset_of!(libc::sockaddr_un, sun_path);

/// One end of a connection, as text: `203.0.113.7:51234`, `[2001:db8::1]:443`, `/run/app.sock`, `@abstract`,
/// `unnamed` (a unix socket without a name), `pipe:[4711]`, `unknown`.
#[derive(Clone, Copy)]
pub struct Endpoint {
    text: Line<112>,
    /// Where in `text` the address alone is; empty if there is no address to search for.
    address: (u8, u8),
    port: Option<u16>,
}

impl Endpoint {
    /// An end about which nothing could be found out.
    pub fn unknown() -> Self {
        Self::named("unknown")
    }

    /// A pipe, named as `/proc/PID/fd` shows it.
    pub fn pipe(inode: u64) -> Self {
        let mut end = Self::named("pipe:[");
        end.text.push_u64(inode);
        end.text.push(']');
        end
    }

    /// From the bytes that the kernel filled in, of length `bytes.len()`: ip(7), ipv6(7), unix(7).
    /// A v4-mapped IPv6 address is shown as IPv4.
    pub fn from_sockaddr(bytes: &[u8]) -> Self {
        let Some(family) = bytes.first_chunk::<2>().map(|b| u16::from_ne_bytes(*b)) else {
            // unix(7): an unnamed socket's address may be just its family, or nothing at all.
            return Self::unknown();
        };
        match family {
            AF_INET => Self::ipv4(bytes).unwrap_or(Self::unknown()),
            AF_INET6 => Self::ipv6(bytes).unwrap_or(Self::unknown()),
            AF_UNIX => Self::unix(bytes.get(SUN_PATH..).unwrap_or(&[])),
            _ => Self::unknown(),
        }
    }

    fn named(name: &str) -> Self {
        let mut text = Line::new();
        text.push_str(name);
        Endpoint {
            text,
            address: (0, 0),
            port: None,
        }
    }

    fn ipv4(bytes: &[u8]) -> Option<Self> {
        let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
        let ip: &[u8; 4] = bytes.get(4..)?.first_chunk()?;
        Some(Self::inet_v4(ip, port))
    }

    fn inet_v4(ip: &[u8; 4], port: u16) -> Self {
        let mut end = Self::named("");
        push_ipv4(end.text.writer(), ip);
        end.address = (0, end.text.len() as u8);
        end.text.push(':');
        end.text.push_u64(port.into());
        end.port = Some(port);
        end
    }

    fn ipv6(bytes: &[u8]) -> Option<Self> {
        let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
        let ip: &[u8; 16] = bytes.get(8..)?.first_chunk()?;
        let scope = u32::from_ne_bytes(*bytes.get(24..)?.first_chunk()?);
        if let Some((&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], v4)) = ip.split_first_chunk::<12>() {
            return Some(Self::inet_v4(v4.first_chunk()?, port));
        }
        let mut end = Self::named("[");
        push_ipv6(end.text.writer(), ip);
        if scope != 0 {
            end.text.push('%');
            end.text.push_u64(scope.into());
        }
        end.address = (1, end.text.len() as u8);
        end.text.push_str("]:");
        end.text.push_u64(port.into());
        end.port = Some(port);
        Some(end)
    }

    fn unix(path: &[u8]) -> Self {
        let mut end = Self::named("");
        match path.split_first() {
            None => return Self::named("unnamed"),
            Some((0, name)) => {
                end.text.push('@');
                end.text.push_lossy(name);
            }
            Some(_) => {
                let length = path.iter().position(|&b| b == 0).unwrap_or(path.len());
                end.text.push_lossy(path.get(..length).unwrap_or(&[]));
            }
        }
        end.address = (0, end.text.len() as u8);
        end
    }

    /// The whole text, with the port.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// The address alone; `None` if there is no address to search for.
    pub fn address(&self) -> Option<&str> {
        let (from, to) = (self.address.0.into(), self.address.1.into());
        self.text.as_str().get(from..to).filter(|a| !a.is_empty())
    }

    /// The port, for IP.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

fn push_ipv4(mut out: Writer<'_>, ip: &[u8; 4]) {
    for (i, octet) in ip.iter().enumerate() {
        if i > 0 {
            out.push('.');
        }
        out.push_u64((*octet).into());
    }
}

/// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first if equal) as `::`.
fn push_ipv6(mut out: Writer<'_>, ip: &[u8; 16]) {
    let group = |i: usize| match ip.get(i * 2..).and_then(|b| b.first_chunk()) {
        Some(pair) => u16::from_be_bytes(*pair),
        None => 0,
    };
    let (mut start, mut length) = (0, 0);
    let mut i = 0;
    while i < 8 {
        let zeros = (i..8).take_while(|&j| group(j) == 0).count();
        if zeros > length {
            (start, length) = (i, zeros);
        }
        i += zeros.max(1);
    }
    let gap = if length >= 2 { start..start + length } else { 8..8 };
    for i in 0..8 {
        if i == gap.start && !gap.is_empty() {
            out.push_str("::");
        }
        if gap.contains(&i) {
            continue;
        }
        if i > 0 && i != gap.end {
            out.push(':');
        }
        out.push_hex(group(i).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockaddr_in6(ip: std::net::Ipv6Addr, port: u16, scope: u32) -> Vec<u8> {
        let mut bytes = AF_INET6.to_ne_bytes().to_vec();
        bytes.extend(port.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(ip.octets());
        bytes.extend(scope.to_ne_bytes());
        bytes
    }

    #[test]
    fn ipv4() {
        let end = Endpoint::from_sockaddr(&[2, 0, 0xc8, 0x22, 203, 0, 113, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(end.text(), "203.0.113.7:51234");
        assert_eq!((end.address(), end.port()), (Some("203.0.113.7"), Some(51234)));
    }

    #[test]
    fn ipv6_as_the_standard_library_writes_it() {
        for ip in [
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "1:0:0:2::3",
            "1:0:2:0:3:0:4:0",
            "fe80::1:0:0:2",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "0:0:1::",
            "64:ff9b::1",
        ] {
            let ip: std::net::Ipv6Addr = ip.parse().unwrap();
            let end = Endpoint::from_sockaddr(&sockaddr_in6(ip, 443, 0));
            assert_eq!(end.text(), format!("[{ip}]:443"));
            assert_eq!(end.address(), Some(ip.to_string().as_str()));
        }
        let end = Endpoint::from_sockaddr(&sockaddr_in6("fe80::1".parse().unwrap(), 1, 2));
        assert_eq!(end.text(), "[fe80::1%2]:1");
    }

    #[test]
    fn v4_mapped_is_ipv4() {
        let end = Endpoint::from_sockaddr(&sockaddr_in6("::ffff:192.0.2.1".parse().unwrap(), 80, 0));
        assert_eq!(end.text(), "192.0.2.1:80");
    }

    #[test]
    fn unix() {
        assert_eq!(Endpoint::from_sockaddr(b"\x01\0").text(), "unnamed");
        assert_eq!(Endpoint::from_sockaddr(b"\x01\0/run/x\0\0").text(), "/run/x");
        assert_eq!(Endpoint::from_sockaddr(b"\x01\0\0name").text(), "@name");
        assert_eq!(Endpoint::from_sockaddr(b"\x01\0").address(), None);
        let longest = [&b"\x01\0"[..], &[b'p'; 108]].concat();
        assert_eq!(
            Endpoint::from_sockaddr(&longest).address(),
            Some("p".repeat(108).as_str())
        );
    }

    #[test]
    fn cut_short() {
        for length in 0..28 {
            let bytes = sockaddr_in6("2001:db8::1".parse().unwrap(), 80, 0);
            assert_eq!(Endpoint::from_sockaddr(&bytes[..length]).text(), "unknown");
        }
    }
}
