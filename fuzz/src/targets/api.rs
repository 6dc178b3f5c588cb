//! Bodies of the control socket's requests, read as it reads them: what is accepted can be written and read again, and
//! applied or refused.

use relvs_api::{Changes, Configuration};
use relvs_control::{Control, Desired, Limits};
use relvs_daemon::untrusted;

/// Small tables: what does not fit is refused, as it is in large ones.
pub(super) const LIMITS: Limits =
    Limits { sets: 64, services: 32, bands: 128, ring: 1 << 13, rules: 64, destinations: 128 };

pub(super) fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    if kind % 2 == 0 {
        let Ok(wanted) = untrusted::body::<Configuration>(body) else { return };
        let written = serde_json::to_vec(&wanted).expect("it can be written");
        assert_eq!(untrusted::body::<Configuration>(&written).ok().as_ref(), Some(&wanted));
        lay_out(&wanted);
        return;
    }
    let Ok(changes) = untrusted::body::<Changes>(body) else { return };
    let written = serde_json::to_vec(&changes).expect("it can be written");
    assert_eq!(untrusted::body::<Changes>(&written).ok().as_ref(), Some(&changes));
    let mut control = Control::new(LIMITS);
    // One after the other, so that later ones meet what earlier ones left.
    for edit in &changes.changes {
        if let Ok(edited) = control.desired().edited(std::slice::from_ref(edit)) {
            apply(&mut control, &edited.desired);
        }
    }
    let _ = control.desired().edited(&changes.changes);
}

/// Applies a whole configuration to empty tables, and takes everything away again.
pub(super) fn lay_out(wanted: &Configuration) {
    let Configuration { settings, timeouts, rules, services, .. } = wanted.clone();
    let mut control = Control::new(LIMITS);
    let desired = Desired { settings, timeouts, rules, ..services.into() };
    apply(&mut control, &desired);
    apply(&mut control, &Desired::default());
}

fn apply(control: &mut Control, desired: &Desired) {
    let half = (control.revision() % 2) as u32;
    if let Ok(prepared) = control.prepare(desired, half, 7, &|_| 3) {
        assert_eq!(prepared.plan.to_string().is_empty(), prepared.plan.is_empty());
        assert!(control.plan(desired) == prepared.plan);
        control.commit(prepared);
        assert!(control.plan(desired).is_empty());
        assert_eq!(control.desired(), desired);
    }
}
