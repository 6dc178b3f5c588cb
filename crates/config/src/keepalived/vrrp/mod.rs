//! `vrrp_instance`, `vrrp_sync_group`, and what they track.

mod address;
mod group;
mod instance;
mod route;
mod source;
mod strict;
mod track;

pub(super) use group::group;
pub(super) use instance::instance;
pub(super) use source::{file, process, script};

use super::{
    Place, Statement,
    reading::{Reading, keep},
};
use relvs_model::vrrp::Notify;
use std::collections::BTreeMap;

/// The names that may be tracked, with the weight that counts if the one who tracks says none.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) scripts: BTreeMap<String, (i16, bool)>,
    pub(super) files: BTreeMap<String, (i16, bool)>,
    pub(super) processes: BTreeMap<String, (i16, bool)>,
    /// Where scripts are defined.
    pub(super) defined: Places,
}

/// Where instances and groups are written, by their names.
pub(super) type Places = BTreeMap<String, Place>;

/// Takes what is told to whom; of an instance or a group. Gives whether the keyword was about that.
fn notify(keyword: &str, line: &Statement, notify: &mut Notify, reading: &mut Reading<'_>) -> bool {
    let script = match keyword {
        "notify_master" => &mut notify.master,
        "notify_backup" => &mut notify.backup,
        "notify_fault" => &mut notify.fault,
        "notify_stop" => &mut notify.stop,
        "notify_deleted" => &mut notify.deleted,
        "notify_master_rx_lower_pri" => &mut notify.master_rx_lower_pri,
        "notify" => &mut notify.any,
        "notify_priority_changes" => {
            notify.priority_changes = reading.boolean(line).unwrap_or(notify.priority_changes);
            return true;
        }
        "smtp_alert" => {
            notify.smtp_alert = reading.boolean(line).unwrap_or(notify.smtp_alert);
            return true;
        }
        _ => return false,
    };
    keep(script, reading.script(line));
    true
}
