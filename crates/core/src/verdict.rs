//! What becomes of a frame, and why.
//!
//! Every drop, every pass to the stack and every answer has a reason, and every reason a counter.

/// What becomes of a frame.
///
/// Tag and payload are 32 bits each: BPF's stack allows no access that is not aligned, and a smaller tag is copied by such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// The stack's.
    Pass(Reason),
    /// Nobody's.
    Drop(Reason),
    /// Out of the interface it came in on.
    Transmit,
    /// Out of the interface of this index.
    Redirect(u32),
    /// Not settled yet: the next stage has it. Nothing has been changed.
    Next(Stage),
}

impl Verdict {
    /// What the fast path says of a frame that it leaves to the slow one.
    pub const SLOW: Verdict = Verdict::Next(Stage::Parse);
}

/// The stages of the slow way. Each is a program of its own, so that the verifier takes them one by one; what one
/// knows of a packet it leaves to the next in [`crate::Tables::request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    /// Tags, options, extension headers.
    Parse = 0,
    /// An IPv4 packet with ports.
    Packet4 = 1,
    /// The same of IPv6.
    Packet6 = 2,
    /// An IPv4 packet of a NAT server.
    Reply4 = 3,
    /// The same of IPv6.
    Reply6 = 4,
    /// A later fragment of IPv4.
    Fragment4 = 5,
    /// The same of IPv6.
    Fragment6 = 6,
    /// ICMP.
    Icmp4 = 7,
    /// ICMPv6.
    Icmp6 = 8,
    /// A client's IPv4 packet, ICMP or fragment whose destination is known.
    Deliver4 = 9,
    /// The same of IPv6.
    Deliver6 = 10,
    /// An answer over IPv4.
    Answer4 = 11,
    /// The same over IPv6.
    Answer6 = 12,
    /// An IPv4 packet that the match rules are asked about.
    Match4 = 13,
    /// The same of IPv6.
    Match6 = 14,
    /// An IPv4 packet of a new flow, for which a destination is chosen.
    Open4 = 15,
    /// The same of IPv6.
    Open6 = 16,
    /// An IPv4 packet of a new flow whose client's template says where to, or is to be made.
    Persist4 = 17,
    /// The same of IPv6.
    Persist6 = 18,
    /// An IPv4 packet of a flow that settles.
    Settle4 = 19,
    /// The same of IPv6.
    Settle6 = 20,
    /// A verdict that user space is told of.
    Trace = 21,
    /// A client's IPv4 packet into a tunnel other than IPv4 in IPv4.
    Tunnel4 = 22,
    /// An IPv6 packet into a tunnel other than IPv6 in IPv6.
    Tunnel6 = 23,
    /// An ICMP error that may be about a packet of the director's own tunnel.
    Path4 = 24,
    /// The same of ICMPv6.
    Path6 = 25,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 26;
}

macro_rules! reasons {
    ($($(#[doc = $text:literal])+ $variant:ident = $name:literal,)*) => {
        /// Why a frame was passed to the stack, dropped or answered, and what else is worth a count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Reason { $($(#[doc = $text])+ $variant,)* }

        impl Reason {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in counters, metrics and the API.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// What it means, in a sentence.
            pub const fn text(self) -> &'static str {
                match self { $(Reason::$variant => concat!($($text),+).trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// Passed: neither IPv4 nor IPv6.
    NotIp = "not_ip",
    /// Passed: for no virtual service, and no reply of a NAT server.
    NotOurs = "not_ours",
    /// Passed: the frame is addressed to another machine, or to several.
    OtherHost = "other_host",
    /// Passed: neither TCP, UDP nor an ICMP error.
    Protocol = "protocol",
    /// Passed: lengths that contradict each other, or headers cut off.
    Malformed = "malformed",
    /// Passed: the IPv4 header's checksum is wrong.
    HeaderChecksum = "header_checksum",
    /// Passed: no flow, and the packet may not open one.
    NoFlow = "no_flow",
    /// Passed: a source address that no client can have.
    MartianSource = "martian_source",
    /// Passed: a fragment whose first has not been seen.
    FragmentEarly = "fragment_early",
    /// Passed: an ICMP error about no flow.
    IcmpUnrelated = "icmp_unrelated",
    /// Passed: more extension headers, or longer ones, than are looked through.
    HeaderChain = "header_chain",
    /// Dropped: the flow's destination has been removed.
    DestinationGone = "destination_gone",
    /// Dropped: the destination's next hop is not resolved.
    NextHopUnresolved = "next_hop_unresolved",
    /// Dropped: no route back to the client.
    NoRoute = "no_route",
    /// Dropped: the neighbour on the way back to the client is not resolved.
    NoNeighbour = "no_neighbour",
    /// Dropped: no room for the flow.
    TableFull = "table_full",
    /// Dropped: client and server already talk on these ports by another service.
    Collision = "collision",
    /// Dropped: a first fragment without the whole transport header.
    FragmentTiny = "fragment_tiny",
    /// Dropped: no room in front of the frame, or behind it.
    NoRoom = "no_room",
    /// Dropped: the tables contradict themselves.
    Inconsistent = "inconsistent",
    /// Dropped: too big for the way, and answers are not due (a fragment, or an ICMP error).
    TooBig = "too_big",
    /// Dropped: an answer was due, but the limit of answers a second is reached.
    AnswerLimited = "answer_limited",
    /// Answered by ICMP: the hop limit ran out.
    TimeExceeded = "time_exceeded",
    /// Answered by ICMP: no destination is available.
    NoDestination = "no_destination",
    /// Answered by ICMP: fragmentation needed, or packet too big.
    TooBigAnswered = "too_big_answered",
    /// Noted: a half-open flow gave its place to a newer one.
    Displaced = "displaced",
    /// Passed: an ICMP error about a tunnel, from which a smaller path MTU was learned.
    PathMtu = "path_mtu",
    /// Passed: the director itself is the server.
    Local = "local",
    /// Passed: no destination is available, and the packet may go where it wanted to go (cache_bypass).
    Bypassed = "bypassed",
    /// Dropped: a fragmented SCTP packet, of which a port would have to be rewritten.
    SctpFragment = "sctp_fragment",
    /// Answered by ICMP: a NAT server's packet of no flow (nat_icmp_send).
    NoFlowAnswered = "no_flow_answered",
    /// Passed: a tunnel ended here.
    Decapsulated = "decapsulated",
    /// Dropped: the checksum of a tunnel that ends here is wrong.
    TunnelChecksum = "tunnel_checksum",
    /// Dropped: the service takes no more new flows this second (new_flows_per_second).
    NewFlowsLimited = "new_flows_limited",
    /// Dropped: one in so many that would open a flow (drop_packet).
    DropPacket = "drop_packet",
}
