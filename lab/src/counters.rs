//! Interface counters as the kernel shows them in /proc/net/dev, read inside the node.
//!
//! What XDP drops, sends back or redirects on a veth is not in the receive count of every driver mode: compare like with like.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// One interface's counts since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames dropped on receipt.
    pub rx_dropped: u64,
    /// Frames dropped on sending.
    pub tx_dropped: u64,
}

impl Counters {
    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            rx_packets: self.rx_packets.saturating_sub(earlier.rx_packets),
            rx_bytes: self.rx_bytes.saturating_sub(earlier.rx_bytes),
            tx_packets: self.tx_packets.saturating_sub(earlier.tx_packets),
            tx_bytes: self.tx_bytes.saturating_sub(earlier.tx_bytes),
            rx_dropped: self.rx_dropped.saturating_sub(earlier.rx_dropped),
            tx_dropped: self.tx_dropped.saturating_sub(earlier.tx_dropped),
        }
    }
}

/// Every interface of the calling thread's namespace.
pub(crate) fn read() -> Result<BTreeMap<String, Counters>> {
    const FILE: &str = "/proc/thread-self/net/dev";
    Ok(parse(&std::fs::read_to_string(FILE).context(FILE)?))
}

/// proc_net_dev(5): two lines of headings, then `name: ` and 8 receive and 8 transmit columns.
fn parse(text: &str) -> BTreeMap<String, Counters> {
    text.lines()
        .filter_map(|line| {
            let (name, columns) = line.split_once(':')?;
            let column: Vec<u64> = columns.split_whitespace().map_while(|word| word.parse().ok()).collect();
            let counters = Counters {
                rx_bytes: *column.first()?,
                rx_packets: *column.get(1)?,
                rx_dropped: *column.get(3)?,
                tx_bytes: *column.get(8)?,
                tx_packets: *column.get(9)?,
                tx_dropped: *column.get(11)?,
            };
            Some((name.trim().to_owned(), counters))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_the_man_page() {
        let text = "Inter-|   Receive  | Transmit\n face |bytes packets |bytes\n  eth0: 100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16\n";
        let all = parse(text);
        let expected =
            Counters { rx_bytes: 100, rx_packets: 2, rx_dropped: 4, tx_bytes: 900, tx_packets: 10, tx_dropped: 12 };
        assert_eq!(all.get("eth0"), Some(&expected));
        assert_eq!(all.len(), 1);
    }
}
