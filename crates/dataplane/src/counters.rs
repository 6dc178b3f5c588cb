//! Counters of a destination, and sums of them.

/// What went to a destination and came back. Bytes are of IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counters {
    /// Flows opened.
    pub flows: u64,
    /// Packets towards the server.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Packets back to clients; only NAT sees them.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

impl Counters {
    pub(crate) fn of(words: &[u64; 8]) -> Self {
        let [flows, packets_in, bytes_in, packets_out, bytes_out, ..] = *words;
        Counters { flows, packets_in, bytes_in, packets_out, bytes_out }
    }
}

/// The sum.
pub fn total(counters: impl IntoIterator<Item = Counters>) -> Counters {
    counters.into_iter().fold(Counters::default(), |a, b| Counters {
        flows: a.flows + b.flows,
        packets_in: a.packets_in + b.packets_in,
        bytes_in: a.bytes_in + b.bytes_in,
        packets_out: a.packets_out + b.packets_out,
        bytes_out: a.bytes_out + b.bytes_out,
    })
}
