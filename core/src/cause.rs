//! Why a call failed: from its errno, and from what the kernel says of the pipe or socket afterwards. Whether the file
//! that has the descriptor's number can have failed at all.

use crate::tcp_info::State;

/// Why a call failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cause {
    /// ECONNRESET: the peer sent RST.
    Reset,
    /// EPIPE on a connection that the peer had closed or reset.
    Closed,
    /// ETIMEDOUT.
    Timeout,
    /// EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN.
    Unreachable,
    /// The connect failed, whatever the error is that the write returns; or EPIPE on a socket that never connected.
    NeverConnected,
    /// EPIPE after the program's own shutdown(SHUT_WR).
    SelfShutdown,
    /// EPIPE on a pipe or FIFO.
    ReaderGone,
}

/// What the cause depends on beside the errno, by the kind of the descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Facts {
    /// A pipe or FIFO.
    Pipe,
    /// A socket of AF_UNIX.
    Unix {
        /// poll(2) shows POLLHUP or POLLERR.
        hung_up: bool,
    },
    /// A socket of TCP or MPTCP.
    Tcp(Tcp),
    /// A datagram socket, of any family. Nobody at the other end can end it.
    Datagram,
    /// Any other socket.
    Other,
}

/// The facts of TCP and MPTCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tcp {
    /// tcpi_state; `None` if TCP_INFO did not answer.
    pub state: Option<State>,
    /// [`TcpInfo::seen_acknowledged`](crate::tcp_info::TcpInfo::seen_acknowledged).
    pub acknowledged: Option<u64>,
    /// Whether the kernel knows a peer; `None` if it does not say: emulators and sandboxes refuse SO_PEERNAME.
    pub peer_known: Option<bool>,
    /// A connect of this socket that failed, or did not wait, was remembered with its target.
    pub target_remembered: bool,
}

impl Tcp {
    /// Whether the connect that was remembered has failed: the event then names its target.
    ///
    /// A refused connect leaves the state CLOSE and nothing acknowledged; one that got through has its SYN acknowledged,
    /// which tcpi_bytes_acked counts. The missing peer does not show it: SO_PEERNAME still answers after a connect that
    /// did not wait.
    pub fn connect_failed(&self) -> bool {
        self.target_remembered && self.state == Some(State::CLOSE) && self.acknowledged == Some(0)
    }

    /// Whether the socket is closed, and the kernel knows no peer: a connect that waited has failed, or there was none.
    fn is_closed_without_peer(&self) -> bool {
        self.state == Some(State::CLOSE) && self.peer_known == Some(false)
    }
}

impl Cause {
    /// The number of causes.
    pub const COUNT: usize = Cause::ReaderGone as usize + 1;

    /// All causes, in the order of their numbers.
    pub const ALL: [Cause; Self::COUNT] = [
        Cause::Reset,
        Cause::Closed,
        Cause::Timeout,
        Cause::Unreachable,
        Cause::NeverConnected,
        Cause::SelfShutdown,
        Cause::ReaderGone,
    ];

    /// The cause of a call that failed with `errno`, an error that [says that the other end is gone](says_gone).
    pub fn of(errno: i32, facts: &Facts) -> Cause {
        match (errno, facts) {
            // A pipe without a reader is the one reason, pipe_write in fs/pipe.c.
            (_, Facts::Pipe) => Cause::ReaderGone,
            // A connect that did not wait leaves its error to the first write, whichever it is: nobody has vanished.
            (_, Facts::Tcp(tcp)) if tcp.connect_failed() => Cause::NeverConnected,
            // A connect that sends at once (MSG_FASTOPEN) fails with the error itself.
            (
                libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENETDOWN | libc::EHOSTDOWN,
                Facts::Tcp(tcp),
            ) if tcp.is_closed_without_peer() => Cause::NeverConnected,
            // An error that the peer, a router or our own network reported: the kernel returns it once (sk_err).
            (libc::ECONNRESET, _) => Cause::Reset,
            (libc::ETIMEDOUT, _) => Cause::Timeout,
            (libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENETDOWN | libc::EHOSTDOWN, _) => Cause::Unreachable,
            // EPIPE: nothing can be sent any more. It does not say who has ended that.
            //
            // A closed peer has shut down both ways, which poll(2) shows as POLLHUP, unix_poll in net/unix/af_unix.c. If
            // only our writing was, we did it (or, rarely, the peer shut down its reading).
            (_, Facts::Unix { hung_up: false }) => Cause::SelfShutdown,
            (_, Facts::Unix { hung_up: true }) => Cause::Closed,
            (_, Facts::Datagram) => Cause::SelfShutdown,
            // SO_PEERNAME goes on answering after a reset or a close. It does not where there never was a connection: no
            // connect at all, or a refused one that waited.
            (_, Facts::Tcp(tcp)) if tcp.peer_known == Some(false) => Cause::NeverConnected,
            // Our FIN was sent, and the peer may well be there: tcp_shutdown in net/ipv4/tcp.c.
            (_, Facts::Tcp(tcp)) if tcp.state.is_some_and(State::is_own_shutdown) => Cause::SelfShutdown,
            // The peer closed, and answered what was written after that by RST; or it sent RST, which was reported.
            (_, Facts::Tcp(_)) => Cause::Closed,
            (_, Facts::Other) => Cause::Closed,
        }
    }

    /// The cause of this number.
    pub fn from_number(number: u64) -> Option<Cause> {
        Self::ALL.into_iter().find(|&cause| cause as u64 == number)
    }

    /// The value of the field `cause`.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Reset => "reset",
            Cause::Closed => "closed",
            Cause::Timeout => "timeout",
            Cause::Unreachable => "unreachable",
            Cause::NeverConnected => "never-connected",
            Cause::SelfShutdown => "self-shutdown",
            Cause::ReaderGone => "reader-gone",
        }
    }

    /// The words that a text line begins with. Only a peer that was there and is gone is called vanished.
    pub fn message(self) -> &'static str {
        match self {
            Cause::Reset | Cause::Closed | Cause::Timeout | Cause::Unreachable => "peer vanished",
            Cause::NeverConnected => "write without connection",
            Cause::SelfShutdown => "write after own shutdown",
            Cause::ReaderGone => "pipe reader gone",
        }
    }
}

/// Whether a write that failed with `errno` says that the other end is gone: send(2), write(2), tcp(7), ip(7). Any other
/// error is between the program and the kernel.
pub fn says_gone(errno: i32) -> bool {
    matches!(
        errno,
        libc::EPIPE
            | libc::ECONNRESET
            | libc::ETIMEDOUT
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ENETDOWN
            | libc::EHOSTDOWN
    )
}

/// What has a descriptor's number when a failed call is looked into: another thread may have closed the one that failed,
/// and the number may be another file's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing: the number is free.
    Free,
    /// Neither a pipe nor a socket.
    File,
    /// A pipe or FIFO.
    Pipe,
    /// A socket that has one peer until its end: SOCK_STREAM, SOCK_SEQPACKET, SCTP.
    Connection,
    /// A socket of UDP.
    Udp {
        /// connect(2) has given it a peer.
        connected: bool,
    },
    /// A datagram socket of AF_UNIX.
    UnixDatagram,
    /// A socket that has no peer: raw(7), packet(7), icmp(7), and families that are not known here.
    Peerless,
}

/// Who a failed call is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suspect {
    /// The pipe or socket that has the number, if nothing can be written to it any more.
    DeadEnd,
    /// The socket that has the number. It goes on living after this error.
    Living,
    /// Nobody's end: a network is down, an address cannot be reached, a file cannot be written. Like ECONNREFUSED.
    Nobody,
    /// A file that had this number before.
    Former,
}

impl Suspect {
    /// Who failed with `errno`, an error that [says that the other end is gone](says_gone), where `kind` has the number.
    pub fn of(errno: i32, kind: Kind) -> Suspect {
        let is_epipe = errno == libc::EPIPE;
        // ip(7), netdevice(7): the way to an address, whoever lives there.
        let is_about_the_way = !matches!(errno, libc::EPIPE | libc::ECONNRESET | libc::ETIMEDOUT);
        match kind {
            Kind::Free => Suspect::Former,
            // Files of network file systems and devices know timeouts and hosts, but no peer that resets.
            Kind::File if matches!(errno, libc::EPIPE | libc::ECONNRESET) => Suspect::Former,
            Kind::File => Suspect::Nobody,
            // pipe_write in fs/pipe.c knows none of the other errors.
            Kind::Pipe if is_epipe => Suspect::DeadEnd,
            Kind::Pipe => Suspect::Former,
            // sk_err is set where the connection ends: tcp_reset, tcp_write_err.
            Kind::Connection => Suspect::DeadEnd,
            // After an own shutdown(2) of both directions.
            _ if is_epipe => Suspect::DeadEnd,
            Kind::Udp { connected: true } if is_about_the_way => Suspect::Living,
            // A peer that has connected to somebody else: unix_dgram_disconnected in net/unix/af_unix.c.
            Kind::UnixDatagram if errno == libc::ECONNRESET => Suspect::Living,
            Kind::Udp { .. } | Kind::Peerless if is_about_the_way => Suspect::Nobody,
            Kind::Udp { .. } | Kind::UnixDatagram | Kind::Peerless => Suspect::Former,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::event::errno_name;

    const GONE: [i32; 7] = [
        libc::EPIPE,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::ECONNRESET,
        libc::ETIMEDOUT,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
    ];

    /// Every combination of facts of TCP.
    fn all_of_tcp() -> impl Iterator<Item = Tcp> {
        let states = (0..=13).map(|state| Some(State(state))).chain([None]);
        states.flat_map(|state| {
            [None, Some(0), Some(1), Some(u64::MAX)]
                .into_iter()
                .flat_map(move |acknowledged| {
                    [None, Some(false), Some(true)].into_iter().flat_map(move |peer_known| {
                        [false, true].map(|target_remembered| Tcp {
                            state,
                            acknowledged,
                            peer_known,
                            target_remembered,
                        })
                    })
                })
        })
    }

    fn all_facts() -> impl Iterator<Item = Facts> {
        let unix = [true, false].map(|hung_up| Facts::Unix { hung_up });
        let others = [Facts::Pipe, Facts::Other, Facts::Datagram].into_iter().chain(unix);
        others.chain(all_of_tcp().map(Facts::Tcp))
    }

    #[test]
    fn errors_that_say_gone() {
        let saying: Vec<i32> = (-4096..4096).filter(|&errno| says_gone(errno)).collect();
        assert_eq!(saying, GONE);
        // An event shows each of them by its name.
        assert!(GONE.iter().all(|&errno| errno_name(errno).is_some()));
        for other in [
            0,
            libc::EAGAIN,
            libc::EINTR,
            libc::ENOTCONN,
            libc::ECONNREFUSED,
            libc::ECONNABORTED,
            libc::EBADF,
        ] {
            assert!(!says_gone(other), "{other}");
        }
    }

    /// Whatever the facts of a socket: an error other than EPIPE is its own explanation, unless there was no connection.
    #[test]
    fn an_error_of_the_network_is_the_cause() {
        for facts in all_facts().filter(|&facts| facts != Facts::Pipe) {
            let closed = |tcp: Tcp| tcp.state == Some(State(7));
            let failed = matches!(facts, Facts::Tcp(tcp)
                if closed(tcp) && tcp.target_remembered && tcp.acknowledged == Some(0));
            let was_none = failed || matches!(facts, Facts::Tcp(tcp) if closed(tcp) && tcp.peer_known == Some(false));
            let unless = |never, cause| if never { Cause::NeverConnected } else { cause };
            assert_eq!(Cause::of(libc::ECONNRESET, &facts), unless(failed, Cause::Reset));
            assert_eq!(Cause::of(libc::ETIMEDOUT, &facts), unless(was_none, Cause::Timeout));
            for errno in [libc::EHOSTUNREACH, libc::ENETUNREACH, libc::ENETDOWN, libc::EHOSTDOWN] {
                assert_eq!(Cause::of(errno, &facts), unless(was_none, Cause::Unreachable));
            }
        }
    }

    /// Where the kernel does not say whether there was a peer, only a connect that is known to have failed shows that there
    /// was none.
    #[test]
    fn silence_about_a_peer_claims_nothing() {
        for tcp in all_of_tcp().filter(|tcp| tcp.peer_known.is_none() && !tcp.connect_failed()) {
            for errno in GONE {
                assert_ne!(Cause::of(errno, &Facts::Tcp(tcp)), Cause::NeverConnected, "{tcp:?}");
            }
        }
    }

    /// A peer that was there and is gone leaves SO_PEERNAME and its acknowledgements, so no such error is lost to
    /// `never-connected`.
    #[test]
    fn a_peer_that_was_there_has_vanished() {
        for tcp in
            all_of_tcp().filter(|tcp| tcp.peer_known != Some(false) && tcp.acknowledged.is_some_and(|bytes| bytes > 0))
        {
            for errno in GONE {
                assert_ne!(Cause::of(errno, &Facts::Tcp(tcp)), Cause::NeverConnected, "{tcp:?}");
            }
        }
    }

    /// All combinations of an error and of what has the number.
    #[test]
    fn who_failed() {
        use Suspect::{DeadEnd as Dead, Former as Past, Living as Live, Nobody as None};
        // In the order of GONE: EPIPE, ENETDOWN, ENETUNREACH, ECONNRESET, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH.
        let table = [
            (Kind::Free, [Past; 7]),
            (Kind::File, [Past, None, None, Past, None, None, None]),
            (Kind::Pipe, [Dead, Past, Past, Past, Past, Past, Past]),
            (Kind::Connection, [Dead; 7]),
            (
                Kind::Udp { connected: true },
                [Dead, Live, Live, Past, Past, Live, Live],
            ),
            (
                Kind::Udp { connected: false },
                [Dead, None, None, Past, Past, None, None],
            ),
            (Kind::UnixDatagram, [Dead, Past, Past, Live, Past, Past, Past]),
            (Kind::Peerless, [Dead, None, None, Past, Past, None, None]),
        ];
        for (kind, expected) in table {
            assert_eq!(GONE.map(|errno| Suspect::of(errno, kind)), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_pipe_has_one_cause() {
        for errno in GONE {
            assert_eq!(Cause::of(errno, &Facts::Pipe), Cause::ReaderGone);
        }
    }

    #[test]
    fn unix_and_others() {
        let of = |facts| Cause::of(libc::EPIPE, &facts);
        assert_eq!(of(Facts::Unix { hung_up: true }), Cause::Closed);
        assert_eq!(of(Facts::Unix { hung_up: false }), Cause::SelfShutdown);
        assert_eq!(of(Facts::Other), Cause::Closed);
        assert_eq!(of(Facts::Datagram), Cause::SelfShutdown);
    }

    /// All combinations, as a table of what was measured.
    #[test]
    fn broken_tcp() {
        for tcp in all_of_tcp() {
            let refused = tcp.target_remembered && tcp.state == Some(State(7)) && tcp.acknowledged == Some(0);
            let state = tcp.state.map_or(0, |state| state.0);
            let expected = match (refused, tcp.peer_known, state) {
                (true, _, _) | (_, Some(false), _) => Cause::NeverConnected,
                (_, _, 4 | 5 | 9 | 11) => Cause::SelfShutdown,
                _ => Cause::Closed,
            };
            assert_eq!(Cause::of(libc::EPIPE, &Facts::Tcp(tcp)), expected, "{tcp:?}");
            assert_eq!(tcp.connect_failed(), refused, "{tcp:?}");
        }
    }

    #[test]
    fn numbers_and_names() {
        for (number, cause) in (0..).zip(Cause::ALL) {
            assert_eq!(Cause::from_number(number), Some(cause));
            assert_eq!(
                Cause::ALL.iter().filter(|other| other.name() == cause.name()).count(),
                1
            );
        }
        assert_eq!(Cause::from_number(Cause::COUNT as u64), None);
    }
}
