//! What the kernel reports of a TCP connection: `struct tcp_info` of linux/tcp.h, from the bytes that
//! getsockopt(TCP_INFO) filled in, tcp(7).
//!
//! The struct grows with the kernel, at its end only. A field that this kernel does not fill in is `None`. Of a
//! connection that was reset or closed it still answers, `tcp_get_info` in net/ipv4/tcp.c.

use core::mem::offset_of;
use libc::tcp_info;

/// A state of a connection, include/net/tcp_states.h.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State(pub u8);

impl State {
    /// Connected, both ways open.
    pub const ESTABLISHED: State = State(1);
    /// Connecting: the SYN is on its way.
    pub const SYN_SENT: State = State(2);
    /// The program has shut down its writing, the peer has not acknowledged the FIN.
    pub const FIN_WAIT1: State = State(4);
    /// The program has shut down its writing, the peer has acknowledged the FIN.
    pub const FIN_WAIT2: State = State(5);
    /// Reset, refused, or over.
    pub const CLOSE: State = State(7);
    /// The peer has shut down its writing.
    pub const CLOSE_WAIT: State = State(8);
    /// The peer has shut down its writing, then the program; the peer has not acknowledged the FIN.
    pub const LAST_ACK: State = State(9);
    /// Both have shut down their writing at once; the peer has not acknowledged the FIN.
    pub const CLOSING: State = State(11);

    /// Whether the program itself has ended its writing, by shutdown(SHUT_WR), and the connection is not over.
    pub fn is_own_shutdown(self) -> bool {
        self.is_fin_unacknowledged() || self == State::FIN_WAIT2
    }

    /// Whether the program's FIN is on its way.
    pub fn is_fin_unacknowledged(self) -> bool {
        matches!(self, State::FIN_WAIT1 | State::CLOSING | State::LAST_ACK)
    }
}

/// The bytes of a `struct tcp_info`.
#[derive(Clone, Copy)]
pub struct TcpInfo<'a> {
    bytes: &'a [u8],
}

impl<'a> TcpInfo<'a> {
    /// How many bytes to ask for: up to and with tcpi_bytes_retrans (Linux 4.19), the last field that is read here.
    pub const SIZE: usize = offset_of!(tcp_info, tcpi_bytes_retrans) + size_of::<u64>();

    /// From the bytes that getsockopt filled in, no more than the length that it gave back.
    pub fn new(filled: &'a [u8]) -> Self {
        TcpInfo { bytes: filled }
    }

    fn field<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }

    fn u32_at(&self, offset: usize) -> Option<u32> {
        self.field(offset).map(u32::from_ne_bytes)
    }

    fn u64_at(&self, offset: usize) -> Option<u64> {
        self.field(offset).map(u64::from_ne_bytes)
    }

    /// tcpi_state.
    pub fn state(&self) -> Option<State> {
        let [state] = self.field(offset_of!(tcp_info, tcpi_state))?;
        Some(State(state))
    }

    /// Bytes that stand for our FIN in what the kernel counts as unacknowledged (SIOCOUTQ): 1 while it is on its way.
    pub fn own_fin(&self) -> u64 {
        self.state().is_some_and(State::is_fin_unacknowledged).into()
    }

    /// tcpi_bytes_acked (Linux 4.1). It counts the SYN of a socket that connected actively, and a FIN.
    pub fn acknowledged(&self) -> Option<u64> {
        self.u64_at(offset_of!(tcp_info, tcpi_bytes_acked))
    }

    /// The same, as far as it shows whether the peer has acknowledged anything at all. Before Linux 4.1 it is 0 if no round
    /// trip was measured: the SYN is acknowledged and measured first (`tcp_ack` in net/ipv4/tcp_input.c), unless it was sent
    /// twice and there are no timestamps.
    pub fn seen_acknowledged(&self) -> Option<u64> {
        self.acknowledged().or(match self.rtt_us() {
            None => Some(0),
            Some(_) => None,
        })
    }

    /// Bytes of the program that the peer's kernel has acknowledged, where `undelivered` are not: all that was written
    /// less those. Written is what was sent once (tcpi_bytes_sent less tcpi_bytes_retrans) and what is still to be sent
    /// (tcpi_notsent_bytes, which counts a FIN of ours that was not sent). Before Linux 4.19 it is what was acknowledged.
    pub fn delivered(&self, undelivered: u64) -> Option<u64> {
        let sent = self.u64_at(offset_of!(tcp_info, tcpi_bytes_sent));
        let resent = self.u64_at(offset_of!(tcp_info, tcpi_bytes_retrans));
        let unsent = self.u32_at(offset_of!(tcp_info, tcpi_notsent_bytes));
        match (sent, resent, unsent) {
            (Some(sent), Some(resent), Some(unsent)) => {
                let written = sent.saturating_add(u64::from(unsent).saturating_sub(self.own_fin()));
                Some(written.saturating_sub(resent.saturating_add(undelivered)))
            }
            _ => self.acknowledged(),
        }
    }

    /// tcpi_rtt, the smoothed round trip in microseconds; `None` if it was never measured.
    pub fn rtt_us(&self) -> Option<u64> {
        let rtt = self.u32_at(offset_of!(tcp_info, tcpi_rtt))?;
        (rtt > 0).then_some(rtt.into())
    }

    /// Milliseconds since the peer was last heard: the lesser of tcpi_last_data_recv and tcpi_last_ack_recv.
    pub fn idle_ms(&self) -> Option<u64> {
        let data = self.u32_at(offset_of!(tcp_info, tcpi_last_data_recv))?;
        let ack = self.u32_at(offset_of!(tcp_info, tcpi_last_ack_recv))?;
        Some(data.min(ack).into())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What Linux 6.18 on x86-64 gave, as hexadecimal.
    fn recorded(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<u32> = hexadecimal.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
    }

    /// 500 bytes that the peer has read, then it closed; 100 more were sent, and it answered RST.
    const CLOSED_BY_PEER: &str = "07000000 0007aa01 e01c0300 409c0000 00800000 18020000 00000000 00000000 00000000 \
        00000000 00000000 14000000 00000000 78000000 44000000 ffff0000 cbff0000 0d000000 07000000 ffffff7f 0b000000 \
        cbff0000 03000000 00000000 cbff0000 00000000 76212989 0e000000 ffffffff ffffffff f4010000 00000000 01000000 \
        00000000 03000000 05000000 00000000 06000000 00000000 02000000 55558545 01000000 204e0000 00000000 00000000 \
        00000000 00000000 00000000 02000000 00000000 58020000 00000000 00000000 00000000";

    /// 10 bytes that were acknowledged, then shutdown(SHUT_WR), whose FIN was not.
    const OWN_SHUTDOWN: &str = "04000000 0007aa01 e01c0300 00000000 00800000 18020000 01000000 00000000 00000000 \
        00000000 00000000 14000000 00000000 14000000 14000000 ffff0000 cbff0000 0c000000 07000000 ffffff7f 0b000000 \
        cbff0000 03000000 00000000 cbff0000 00000000 2336f592 0f000000 ffffffff ffffffff 0a000000 00000000 00000000 \
        00000000 02000000 03000000 00000000 05000000 00000000 01000000 0000a086 01000000 204e0000 00000000 00000000 \
        00000000 00000000 00000000 02000000 00000000 0a000000 00000000 00000000 00000000";

    /// A connect without waiting that was refused.
    const REFUSED: &str = "07000000 00000001 40420f00 00000000 0c020000 58000000 00000000 00000000 00000000 \
        00000000 00000000 8caf0d00 00000000 8caf0d00 8caf0d00 ffff0000 d7ff0000 00000000 90d00300 ffffff7f 0a000000 \
        d7ff0000 03000000 00000000 00000000 00000000 ffffffff ffffffff ffffffff ffffffff 00000000 00000000 00000000 \
        00000000 01000000 01000000 00000000 ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 00000000 \
        00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000";

    #[test]
    fn closed_by_the_peer() {
        let bytes = recorded(CLOSED_BY_PEER);
        let info = TcpInfo::new(&bytes);
        assert_eq!((info.state(), info.own_fin()), (Some(State::CLOSE), 0));
        assert_eq!((info.acknowledged(), info.delivered(100)), (Some(500), Some(500)));
        assert_eq!((info.rtt_us(), info.idle_ms()), (Some(13), Some(68)));
    }

    #[test]
    fn own_shutdown() {
        let bytes = recorded(OWN_SHUTDOWN);
        let info = TcpInfo::new(&bytes);
        assert_eq!((info.state(), info.own_fin()), (Some(State::FIN_WAIT1), 1));
        assert_eq!((info.acknowledged(), info.delivered(0)), (Some(10), Some(10)));
        // A FIN behind 50 bytes that the window does not let out: tcpi_notsent_bytes counts it, SIOCOUTQ too.
        let mut bytes = bytes;
        bytes[offset_of!(tcp_info, tcpi_notsent_bytes)] = 51;
        assert_eq!(TcpInfo::new(&bytes).delivered(50), Some(10));
    }

    #[test]
    fn refused() {
        let bytes = recorded(REFUSED);
        let info = TcpInfo::new(&bytes);
        assert_eq!((info.state(), info.acknowledged()), (Some(State::CLOSE), Some(0)));
        assert_eq!(info.rtt_us(), None, "there was no round trip");
    }

    #[test]
    fn what_was_sent_twice_counts_once() {
        let mut bytes = recorded(CLOSED_BY_PEER);
        bytes[offset_of!(tcp_info, tcpi_bytes_retrans)] = 200;
        assert_eq!(TcpInfo::new(&bytes).delivered(100), Some(300));
    }

    /// The layout is the kernel's, the same on every CPU: each field lies at a multiple of its size.
    #[test]
    fn offsets_of_the_kernel() {
        assert_eq!(
            [
                offset_of!(tcp_info, tcpi_state),
                offset_of!(tcp_info, tcpi_last_data_recv),
                offset_of!(tcp_info, tcpi_last_ack_recv),
                offset_of!(tcp_info, tcpi_rtt),
                offset_of!(tcp_info, tcpi_bytes_acked),
                offset_of!(tcp_info, tcpi_notsent_bytes),
                offset_of!(tcp_info, tcpi_bytes_sent),
                offset_of!(tcp_info, tcpi_bytes_retrans),
                TcpInfo::SIZE,
            ],
            [0, 52, 56, 68, 120, 144, 200, 208, 216]
        );
    }

    /// Linux 4.0 ends before tcpi_bytes_acked, 4.18 before tcpi_bytes_sent.
    #[test]
    fn older_kernels_fill_in_less() {
        let bytes = recorded(CLOSED_BY_PEER);
        let info = |length: usize| TcpInfo::new(&bytes[..length]);
        assert_eq!((info(120).acknowledged(), info(120).delivered(100)), (None, None));
        assert_eq!((info(120).rtt_us(), info(120).idle_ms()), (Some(13), Some(68)));
        assert_eq!(info(200).delivered(100), Some(500));
        assert_eq!(info(0).state(), None);
        // Linux 3.10: whether anything was acknowledged at all.
        assert_eq!(info(104).seen_acknowledged(), None);
        assert_eq!(info(200).seen_acknowledged(), Some(500));
        let refused = recorded(REFUSED);
        assert_eq!(TcpInfo::new(&refused[..104]).seen_acknowledged(), Some(0));
    }

    #[test]
    fn states_after_an_own_shutdown() {
        let which = |is: fn(State) -> bool| -> Vec<u8> { (0..=255).filter(|&state| is(State(state))).collect() };
        assert_eq!(which(State::is_own_shutdown), [4, 5, 9, 11]);
        assert_eq!(which(State::is_fin_unacknowledged), [4, 9, 11]);
    }
}
