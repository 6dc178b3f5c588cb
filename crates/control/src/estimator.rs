//! Rates as IPVS estimates them (ip_vs_est.c): every two seconds a quarter of what is new, so that about eight seconds
//! count.
//!
//! It reads no clock: the caller calls [`Estimator::sample`] every [`PERIOD_S`] seconds. A rate is kept as a fixed-point
//! number, and rounded when it is shown, as IPVS does; so the figures are the same to the last digit.

use serde::{Deserialize, Serialize};

/// Seconds between two samples.
pub const PERIOD_S: u64 = 2;

/// Fraction bits of flows and packets a second.
const FINE: u32 = 10;
/// Fraction bits of bytes a second.
const COARSE: u32 = 5;

/// What is counted of a server, a service, or all services; or how much of it there is in a second. Bytes are of IP
/// packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Flows opened.
    pub flows: u64,
    /// Packets towards servers.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Packets back to clients, of NAT.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

impl Figures {
    /// Each of them with its like.
    fn with(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Figures {
            flows: join(self.flows, other.flows),
            packets_in: join(self.packets_in, other.packets_in),
            bytes_in: join(self.bytes_in, other.bytes_in),
            packets_out: join(self.packets_out, other.packets_out),
            bytes_out: join(self.bytes_out, other.bytes_out),
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, u64::wrapping_add)
    }

    /// What there is more than in `base`, or nothing.
    #[must_use]
    pub fn since(self, base: Self) -> Self {
        self.with(base, u64::saturating_sub)
    }
}

/// The estimator of one server, one service, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimator {
    last: Figures,
    /// Rates with their fraction bits.
    scaled: Figures,
}

impl Estimator {
    /// No rate yet, from these counters on.
    pub fn begin(counted: Figures) -> Self {
        Estimator { last: counted, scaled: Figures::default() }
    }

    /// Takes the counters as they are now, two seconds after the last time.
    pub fn sample(&mut self, counted: Figures) {
        let new = counted.with(self.last, u64::wrapping_sub);
        self.last = counted;
        let (fine, coarse) = (FINE - PERIOD_S.ilog2(), COARSE - PERIOD_S.ilog2());
        let average = &mut self.scaled;
        average.flows = follow(average.flows, new.flows << fine);
        average.packets_in = follow(average.packets_in, new.packets_in << fine);
        average.packets_out = follow(average.packets_out, new.packets_out << fine);
        average.bytes_in = follow(average.bytes_in, new.bytes_in << coarse);
        average.bytes_out = follow(average.bytes_out, new.bytes_out << coarse);
    }

    /// A second's flows, packets and bytes.
    pub fn rates(&self) -> Figures {
        Figures {
            flows: shown(self.scaled.flows, FINE),
            packets_in: shown(self.scaled.packets_in, FINE),
            bytes_in: shown(self.scaled.bytes_in, COARSE),
            packets_out: shown(self.scaled.packets_out, FINE),
            bytes_out: shown(self.scaled.bytes_out, COARSE),
        }
    }
}

/// The average, a quarter of the difference nearer to the rate. What is left of a quarter is rounded down, so that a
/// rate of nothing is reached.
fn follow(average: u64, rate: u64) -> u64 {
    let difference = rate.wrapping_sub(average).cast_signed();
    average.wrapping_add_signed(difference >> 2)
}

/// To the nearest number, a half down.
fn shown(scaled: u64, bits: u32) -> u64 {
    (scaled + (1 << (bits - 1)) - 1) >> bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(flows: u64) -> Figures {
        Figures { flows, ..Figures::default() }
    }

    /// 100 flows a second: what `ipvsadm -L --rate` shows after 2, 4, 6 ... seconds. The average is scaled by 1024:
    /// 25600, 44800, 59200, 70000, 78100.
    #[test]
    fn a_constant_rate_is_approached_by_quarters() {
        let mut estimator = Estimator::begin(flows(5_000));
        let shown: Vec<u64> = (1..=5)
            .map(|step| {
                estimator.sample(flows(5_000 + step * 200));
                estimator.rates().flows
            })
            .collect();
        assert_eq!(shown, [25, 44, 58, 68, 76]);
        for step in 6..60 {
            estimator.sample(flows(5_000 + step * 200));
        }
        assert_eq!(estimator.rates(), flows(100));
    }

    #[test]
    fn a_rate_dies_away_to_nothing() {
        let mut estimator = Estimator::begin(flows(0));
        estimator.sample(flows(2));
        // A flow a second, a quarter of it: 256 of 1024, which is less than a half.
        assert_eq!((estimator.rates(), estimator.scaled.flows), (flows(0), 256));
        let mut last = estimator.scaled.flows;
        let mut steps = 0;
        while estimator.scaled.flows > 0 {
            estimator.sample(flows(2));
            assert!(estimator.scaled.flows < last);
            last = estimator.scaled.flows;
            steps += 1;
        }
        assert!(steps < 30, "{steps}");
    }

    #[test]
    fn each_figure_has_its_own_scale() {
        let mut estimator = Estimator::default();
        // In a quarter of a two-second step: 250, 500, 1000, 125 and 8.
        let counted = Figures { flows: 2_000, packets_in: 4_000, bytes_in: 8_000, packets_out: 1_000, bytes_out: 64 };
        estimator.sample(counted);
        let expected = Figures { flows: 250, packets_in: 500, bytes_in: 1_000, packets_out: 125, bytes_out: 8 };
        assert_eq!(estimator.rates(), expected);
    }

    /// ip_vs_read_estimator adds 0x1ff and 0xf before it cuts the fraction off.
    #[test]
    fn a_half_is_rounded_down() {
        assert_eq!((shown(512, FINE), shown(513, FINE), shown(1536, FINE), shown(1537, FINE)), (0, 1, 1, 2));
        assert_eq!((shown(16, COARSE), shown(17, COARSE), shown(48, COARSE), shown(49, COARSE)), (0, 1, 1, 2));
    }

    /// A rate that falls rounds towards less, as a signed shift in C does: 10 less a quarter of 10 is 7, not 8.
    #[test]
    fn a_falling_rate_rounds_down() {
        assert_eq!(follow(10, 0), 7);
        assert_eq!(follow(1, 0), 0);
        assert_eq!(follow(0, 3), 0);
        assert_eq!(follow(u64::MAX >> 1, 0), (u64::MAX >> 1) - (1 << 61));
    }
}
