//! What the machine as a whole cannot do: its kernel, its memory, and what it was not allowed to ask.

use super::{Finding, Place, machine::View};
use relvs_dataplane::Sizes;

/// The first kernel that takes the programs.
const KERNEL: (u32, u32) = (5, 17);
const MEGABYTE: u64 = 1 << 20;

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(version) = view.machine.kernel.filter(|version| *version < KERNEL) {
        found.push(Finding::error(
            Place::File,
            format!("this kernel is {}.{}, and the programs need {}.{}", version.0, version.1, KERNEL.0, KERNEL.1),
            "boot a newer one",
        ));
    }
    if let Some(why) = &view.machine.unasked {
        let message = format!("nobody was asked whether servers are there and who answers for the VIPs: {why}");
        found.push(Finding::warning(Place::File, message, "or look at the file alone, by --offline"));
    }
    for lack in view.machine.daemon.iter().flat_map(|daemon| daemon.lacking(view.state)) {
        found.push(Finding::warning(Place::File, lack.message, lack.remedy));
    }
    found.extend(memory(view));
    found
}

fn memory(view: &View<'_>) -> Option<Finding> {
    let (available, total) = view.machine.memory.filter(|_| !view.machine.has_tables)?;
    let flows = view.state.director.flows;
    let bytes = Sizes::for_flows(flows).bytes();
    if bytes <= available {
        return None;
    }
    let mut fitting = flows;
    while fitting > 1 && Sizes::for_flows(fitting).bytes() > available {
        fitting /= 2;
    }
    let (wanted, available, total) = (bytes.div_ceil(MEGABYTE), available / MEGABYTE, total / MEGABYTE);
    let message = format!(
        "tables for {flows} flows take {wanted} MB of memory that is never given back, and {available} of {total} MB are to be had"
    );
    let remedy = format!("write flows = {fitting} or less");
    Some(Finding::error(Place::Flows, message, remedy))
}
