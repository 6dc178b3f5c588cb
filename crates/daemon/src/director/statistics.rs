//! Counters between the tables, the sums that `relvs-control` keeps, and the API.

use super::{Director, Error};
use relvs_api::{Counters, Rates};
use relvs_control::{Control, Counted, Figures};
use relvs_dataplane::Side as _;

impl Director {
    /// What the tables have counted of every destination of `control`.
    pub(super) fn counted(&self, control: &Control) -> Result<Counted, Error> {
        let of = |number| self.kernel.counters(number).map(figures);
        control.destinations().map(|(number, key, ..)| Ok((number, (key, of(number)?)))).collect()
    }

    /// Every two seconds: the rates, unless run_estimation is 0, which leaves them as they are.
    pub(crate) fn estimate(&mut self) -> Result<(), Error> {
        if self.control.desired().settings.run_estimation != 0 {
            let counted = self.counted(&self.control)?;
            self.statistics.estimate(&counted);
        }
        Ok(())
    }
}

/// As the sums have them.
pub(super) fn figures(c: relvs_dataplane::Counters) -> Figures {
    Figures {
        flows: c.flows,
        packets_in: c.packets_in,
        bytes_in: c.bytes_in,
        packets_out: c.packets_out,
        bytes_out: c.bytes_out,
    }
}

/// As the API has them.
pub(super) fn counters(f: Figures) -> Counters {
    Counters {
        flows: f.flows,
        packets_in: f.packets_in,
        bytes_in: f.bytes_in,
        packets_out: f.packets_out,
        bytes_out: f.bytes_out,
    }
}

/// As the API has them.
pub(super) fn rates(f: Figures) -> Rates {
    Rates {
        flows: f.flows,
        packets_in: f.packets_in,
        bytes_in: f.bytes_in,
        packets_out: f.packets_out,
        bytes_out: f.bytes_out,
    }
}
