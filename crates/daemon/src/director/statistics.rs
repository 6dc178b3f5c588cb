//! Counters between the tables, the sums that `relvs-control` keeps, and the API.

use super::{Director, Error};
use relvs_api::{Counters, Rates};
use relvs_control::{Control, Counted, Figures};
use relvs_dataplane::Side as _;

impl Director {
    /// What the tables have counted of every destination of `control` that has counted anything.
    pub(super) fn counted(&self, control: &Control) -> Result<Counted, Error> {
        let mut counted = Vec::new();
        let end = control.destinations_end();
        self.kernel.counters_below(end, &mut |number, found| {
            if let Some(key) = control.service_of(number) {
                counted.push((number, (key, figures(found))));
            }
        })?;
        Ok(counted.into_iter().collect())
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
