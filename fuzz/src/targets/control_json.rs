//! What an earlier daemon left, the whole and then lines of changes: what is taken over can be written and read again, and applied anew.

use super::api::LIMITS;
use relvs_daemon::untrusted;

pub(super) fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').map_or(data.len(), |at| at + 1);
    let (whole, lines) = data.split_at(end);
    let Some(control) = untrusted::remembered(whole, lines) else { return };
    let written = serde_json::to_vec(&control).expect("it can be written");
    let again: relvs_control::Control = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(again.desired(), control.desired());
    let control = control.with_limits(LIMITS);
    let desired = control.desired().clone();
    if let Ok(prepared) = control.prepare(&desired, 1, 7, &|_| 3) {
        assert!(prepared.plan.is_empty(), "{}", prepared.plan);
    }
}
