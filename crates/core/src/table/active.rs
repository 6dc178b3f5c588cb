//! The line that says which half of the service tables is in use, and how. Changing its first word is the switch.
//!
//! The settings are those of net.ipv4.vs that change what a packet meets; their names are IPVS's.

use crate::world::Block;

/// Word 0: the switch. Word `MULTIPLIER + half`: the odd multiplier that places that half's service entries.
pub const SWITCH: usize = 0;
/// See [`SWITCH`].
pub const MULTIPLIER: usize = 1;
/// Word `RULES_OF + half`: how many match rules that half has.
pub const RULES_OF: usize = 3;
/// Word of the second until which user space wants to be told of decisions: see [`TRACE`].
pub const TRACE_UNTIL: usize = 5;

/// Word of drop_packet's rate: one in so many packets that would open a flow is dropped.
pub const DROP_RATE: usize = 6;

/// Bit of the switch: the second half is in use.
pub const SECOND: u64 = 1;
/// Bit of the switch: some destination uses NAT, so a frame may be a reply.
pub const NAT: u64 = 2;
/// Bit of the switch: a flow may be of a mark's service, so an unknown packet is matched against rules.
pub const RULES: u64 = 4;
/// Bit of the switch: some service or NAT server has port 0, which is any.
pub const ANY_PORT: u64 = 8;

/// Bit of the switch: user space wants to be told of decisions, so every frame takes the slow way.
pub const TRACE: u64 = 1 << 4;

/// conn_reuse_mode is not 0: a connection that begins on the ports of one that is over is scheduled anew.
pub const REUSE: u64 = 1 << 8;
/// conn_reuse_mode has its second bit: of DR and TUN those that wait for a FIN are over too.
pub const REUSE_FIN_WAIT: u64 = 1 << 9;
/// expire_nodest_conn: a flow without its destination ends.
pub const EXPIRE_NODEST_CONN: u64 = 1 << 10;
/// expire_quiescent_template: a client leaves a server of weight 0.
pub const EXPIRE_QUIESCENT_TEMPLATE: u64 = 1 << 11;
/// sloppy_tcp: any TCP segment but a RST opens a flow.
pub const SLOPPY_TCP: u64 = 1 << 12;
/// sloppy_sctp: any SCTP chunk opens a flow.
pub const SLOPPY_SCTP: u64 = 1 << 13;
/// cache_bypass: what a mark's service has no destination for goes where it wanted to go.
pub const CACHE_BYPASS: u64 = 1 << 14;
/// nat_icmp_send: a NAT server's packet of no flow is answered.
pub const NAT_ICMP_SEND: u64 = 1 << 15;
/// schedule_icmp: an ICMP error about no flow goes where a flow would.
pub const SCHEDULE_ICMP: u64 = 1 << 16;
/// drop_packet is 3: see [`DROP_RATE`].
pub const DROP_PACKET: u64 = 1 << 17;
/// All settings of the switch.
pub const SETTINGS: u64 = 0x3ff << 8;

/// What one look at the line says.
#[derive(Clone, Copy, Debug)]
pub struct Active {
    /// 0 or 1.
    pub half: u32,
    /// The switch, with its bits.
    pub switch: u64,
    /// Places the service entries of this half.
    pub multiplier: u64,
}

impl Active {
    /// Whether a bit is set.
    #[inline(always)]
    pub const fn has(&self, bit: u64) -> bool {
        self.switch & bit != 0
    }
}

/// Reads the line.
#[inline(always)]
pub fn read<B: Block>(line: B) -> Active {
    let switch = line.load(SWITCH);
    let second = switch & SECOND != 0;
    let multiplier = if second { line.load(MULTIPLIER + 1) } else { line.load(MULTIPLIER) };
    Active { half: u32::from(second), switch, multiplier }
}
