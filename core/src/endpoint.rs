//! One end of a connection: from the bytes of a `struct sockaddr` to the text that an operator reads.

use crate::line::{Line, Writer};

const AF_UNIX: u16 = libc::AF_UNIX as u16;
const AF_INET: u16 = libc::AF_INET as u16;
const AF_INET6: u16 = libc::AF_INET6 as u16;

/// Where the name of a unix socket begins, unix(7).
const SUN_PATH: usize = core::mem::offset_of!(libc::sockaddr_un, sun_path);

/// One end of a connection, as text: `203.0.113.7:51234`, `[2001:db8::1]:443`, `/run/app.sock`, `@abstract`,
/// `unnamed` (a unix socket without a name), `pipe:[4711]`, `unknown`.
pub struct Endpoint {
    text: Line<112>,
    /// Where in `text` the address alone is; empty if there is no address to search for.
    address: (u8, u8),
    port: Option<u16>,
}

impl Endpoint {
    /// No end: the text is empty.
    pub const fn none() -> Self {
        Endpoint {
            text: Line::new(),
            address: (0, 0),
            port: None,
        }
    }

    /// From the bytes that the kernel filled in, see [`Endpoint::set`].
    pub fn from_sockaddr(bytes: &[u8]) -> Self {
        let mut end = Self::none();
        end.set(bytes);
        end
    }

    /// Becomes none.
    pub fn clear(&mut self) {
        self.name("");
    }

    /// Becomes an end about which nothing could be found out.
    pub fn set_unknown(&mut self) {
        self.name("unknown");
    }

    /// Becomes a pipe, named as `/proc/PID/fd` shows it.
    pub fn set_pipe(&mut self, inode: u64) {
        self.name("pipe:[");
        self.text.push_u64(inode);
        self.text.push(']');
    }

    /// Becomes what the kernel filled in, of length `bytes.len()`: ip(7), ipv6(7), unix(7). A v4-mapped IPv6 address is
    /// shown as IPv4. (In place: an endpoint is too large to be passed around on a small stack.)
    #[inline(never)]
    pub fn set(&mut self, bytes: &[u8]) {
        // unix(7): an unnamed socket's address may be just its family, or nothing at all.
        let family = bytes.first_chunk::<2>().map(|b| u16::from_ne_bytes(*b));
        let known = match family {
            Some(AF_INET) => self.set_ipv4(bytes),
            Some(AF_INET6) => self.set_ipv6(bytes),
            Some(AF_UNIX) => {
                self.set_unix(bytes.get(SUN_PATH..).unwrap_or(&[]));
                Some(())
            }
            _ => None,
        };
        if known.is_none() {
            self.set_unknown();
        }
    }

    fn name(&mut self, name: &str) {
        self.text.clear();
        self.text.push_str(name);
        self.address = (0, 0);
        self.port = None;
    }

    fn set_ipv4(&mut self, bytes: &[u8]) -> Option<()> {
        let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
        let ip: &[u8; 4] = bytes.get(4..)?.first_chunk()?;
        self.set_inet_v4(ip, port);
        Some(())
    }

    fn set_inet_v4(&mut self, ip: &[u8; 4], port: u16) {
        self.name("");
        push_ipv4(self.text.writer(), ip);
        self.address = (0, self.text.len() as u8);
        self.text.push(':');
        self.set_port(port);
    }

    fn set_port(&mut self, port: u16) {
        self.text.push_u64(port.into());
        self.port = Some(port);
    }

    fn set_ipv6(&mut self, bytes: &[u8]) -> Option<()> {
        let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
        let ip: &[u8; 16] = bytes.get(8..)?.first_chunk()?;
        let scope = u32::from_ne_bytes(*bytes.get(24..)?.first_chunk()?);
        if let Some((&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], v4)) = ip.split_first_chunk::<12>() {
            self.set_inet_v4(v4.first_chunk()?, port);
            return Some(());
        }
        self.name("[");
        push_ipv6(self.text.writer(), ip);
        if scope != 0 {
            self.text.push('%');
            self.text.push_u64(scope.into());
        }
        self.address = (1, self.text.len() as u8);
        self.text.push_str("]:");
        self.set_port(port);
        Some(())
    }

    fn set_unix(&mut self, path: &[u8]) {
        match path.split_first() {
            None => return self.name("unnamed"),
            Some((0, name)) => {
                self.name("@");
                self.text.push_lossy(name);
            }
            Some(_) => {
                self.name("");
                let length = path.iter().position(|&b| b == 0).unwrap_or(path.len());
                self.text.push_lossy(path.get(..length).unwrap_or(&[]));
            }
        }
        self.address = (0, self.text.len() as u8);
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
