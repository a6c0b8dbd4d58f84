//! Envoy's access log, in its default format, in Istio's, and as JSON: the response flags.
//!
//! `[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS …`. `DC` is "downstream connection termination", `DR` "downstream remote
//! reset" (Envoy, access log format strings, RESPONSE_FLAGS). Flags of the upstream (UC, UF, …) are not the client's doing.

use memchr::memrchr;

use super::access::end_of_string;
use super::ours::{Fields, ip, without_port};
use super::record::{Found, Peer, Record, Source};
use super::time;

/// The cause for these flags, separated by commas; `None` if they name no end of the client's.
fn cause(flags: &[u8]) -> Option<&'static [u8]> {
    let has = |wanted: [&[u8]; 2]| flags.split(|&b| b == b',').any(|flag| wanted.contains(&flag));
    match flags {
        _ if has([b"DC", b"DownstreamConnectionTermination"]) => Some(b"envoy-DC"),
        _ if has([b"DR", b"DownstreamRemoteReset"]) => Some(b"envoy-DR"),
        _ => None,
    }
}

/// What a text line of Envoy says; `None` if it is none.
pub fn envoy(line: &[u8]) -> Option<Found<'_>> {
    let (time, rest) = time::utc(line.strip_prefix(b"[")?)?;
    let request = rest.strip_prefix(b"] \"")?;
    let Some(end) = end_of_string(request) else {
        return Some(Found::Broken);
    };
    let rest = &request[end + 1..];
    let mut words = rest.split(|&b| b == b' ').skip(1);
    let (Some(_code), Some(flags)) = (words.next(), words.next()) else {
        return Some(Found::Broken);
    };
    let Some(cause) = cause(flags) else {
        return Some(Found::Known);
    };
    Some(Found::Record(Record {
        time: Some(time),
        peer: peer(rest),
        ..Record::event(Source::Envoy, cause)
    }))
}

/// Istio's format ends with the cluster, two local addresses and the client's. The default format has only what
/// X-Forwarded-For says, the first in quotes that is an address: whoever sent the request may have made it up.
fn peer(fields: &[u8]) -> Peer<'_> {
    let after = memrchr(b'"', fields).map_or(fields, |at| &fields[at + 1..]);
    let client = after.split(|&b| b == b' ').nth(4).and_then(|end| ip(without_port(end)));
    if let Some(ip) = client {
        return Peer::Ip(ip);
    }
    let mut quoted = fields.split(|&b| b == b'"').skip(1).step_by(2);
    let forwarded = quoted.find_map(|text| ip(text[..memchr::memchr(b',', text).unwrap_or(text.len())].trim_ascii()));
    forwarded.map_or(Peer::Unknown, Peer::Ip)
}

/// The same from a JSON line; `None` if it has no response flags.
pub fn fields<'a>(fields: &Fields<'a>) -> Option<Found<'a>> {
    let Some(cause) = cause(fields.response_flags?.bytes) else {
        return Some(Found::Known);
    };
    let client = fields.downstream.and_then(|end| ip(without_port(end.bytes)));
    Some(Found::Record(Record {
        time: fields.time(),
        peer: client.map_or(Peer::Unknown, Peer::Ip),
        ..Record::event(Source::Envoy, cause)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left() {
        let at = "[2026-01-01T00:00:00.001Z]";
        // The examples of Envoy's and Istio's manuals, with other flags.
        for (line, expected) in [
            (
                format!(
                    "{at} \"POST /api/v1/locations HTTP/2\" 0 DC 154 0 226 100 \"10.0.35.28\" \"nsq2http\" \"cc21d9b0\" \"locations\" \"tcp://10.0.2.1:80\""
                ),
                Peer::Ip(0xffff_0a00_231c),
            ),
            (
                format!(
                    "{at} \"GET / HTTP/1.1\" 0 DC downstream_remote_disconnect - \"-\" 0 0 1 - \"-\" \"curl\" \"id\" \"httpbin:8000\" \"10.44.1.27:80\" inbound|8000|| 127.0.0.6:1 10.44.1.27:80 10.44.1.23:37652 outbound_.8000_ default"
                ),
                Peer::Ip(0xffff_0a2c_0117),
            ),
            (
                format!("{at} \"GET / HTTP/1.1\" 0 UH,DR 1 2 3 4 \"-\" \"-\" \"-\" \"-\" \"-\""),
                Peer::Unknown,
            ),
        ] {
            let Some(Found::Record(record)) = envoy(line.as_bytes()) else {
                panic!("{line}")
            };
            assert_eq!(record.peer, expected);
        }
        for flags in ["-", "UC", "UF,URX", "XDC"] {
            let line = format!("{at} \"GET /\\\" 0 DC HTTP/1.1\" 503 {flags} 1 2 3 4");
            assert_eq!(envoy(line.as_bytes()), Some(Found::Known), "{flags}");
        }
        assert_eq!(envoy(format!("{at} \"GET /").as_bytes()), Some(Found::Broken));
    }
}
