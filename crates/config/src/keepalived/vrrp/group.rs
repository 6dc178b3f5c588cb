//! `vrrp_sync_group`.

use super::{Sources, notify, track::track};
use crate::{
    keepalived::{Globals, Statement, keywords::Context, reading::Reading},
    report::Fault,
};
use relvs_model::vrrp::{Notify, SyncGroup};
use std::collections::BTreeSet;

/// Reads a group, of which only members that there are count.
pub(in crate::keepalived) fn group(
    statement: &Statement,
    sources: &Sources,
    globals: &Globals,
    instances: &BTreeSet<String>,
    reading: &mut Reading<'_>,
) -> Option<SyncGroup> {
    let name = reading.word(statement, 0, "a name")?.to_owned();
    let mut group = SyncGroup {
        name,
        notify: Notify { smtp_alert: globals.alert_vrrp, ..Notify::default() },
        ..SyncGroup::default()
    };
    for line in reading.block(statement) {
        let Some(keyword) = reading.keyword(Context::SyncGroup, line) else { continue };
        match keyword {
            "group" => {
                for member in reading.block(line) {
                    for word in std::iter::once(&member.keyword).chain(&member.arguments) {
                        if instances.contains(&word.text) {
                            group.members.push(word.text.clone());
                        } else {
                            let fault = Fault::new(format!("there is no vrrp_instance {}", word.text));
                            reading.fault(word.place, fault.help("correct the name; it is left out"));
                        }
                    }
                }
            }
            // Obsolete: tracking of members with weights.
            "global_tracking" | "sync_group_tracking_weight" => {
                group.tracking_weight = reading.boolean(line).unwrap_or(true);
            }
            _ => {
                let _ = notify(keyword, line, &mut group.notify, reading)
                    || track(keyword, line, sources, &mut group.track, reading);
            }
        }
    }
    if !group.tracking_weight && group.track.iter().any(|tracked| tracked.weight != 0) {
        let fault = Fault::new(format!("the weights of the group {} count for each of its instances", group.name));
        reading.warning(statement.keyword.place, fault.help("add `sync_group_tracking_weight` if that is meant"));
        group.tracking_weight = true;
    }
    if group.members.is_empty() {
        let fault = Fault::new(format!("the group {} has no member", group.name));
        reading.fault(statement.keyword.place, fault.help("name its instances in `group { }`; it is left out"));
        return None;
    }
    Some(group)
}
