//! What the privileged tests share.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::Path;

use relvs_lab::{Lab, Shape};

/// A lab, or `None` (with a printed line) where one cannot be built.
pub(crate) fn lab(shape: &Shape) -> Option<Lab> {
    if let Some(reason) = relvs_lab::skip_reason() {
        println!("skipped: {reason}");
        return None;
    }
    Some(Lab::build(shape).unwrap())
}

/// Names of the lab's namespaces that exist.
pub(crate) fn namespaces(lab: &str) -> Vec<String> {
    let prefix = format!("relvs-{lab}-");
    let Ok(entries) = std::fs::read_dir("/run/netns") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

/// Whether a process with that id is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Fails when anything of the lab is left.
pub(crate) fn assert_gone(lab: &str) {
    assert_eq!(namespaces(lab), Vec::<String>::new());
    assert!(!Path::new("/run/relvs-lab").join(lab).exists());
    assert!(!Path::new("/run/relvs-lab").join(format!("{lab}.json")).exists());
    assert!(relvs_lab::registry::list().unwrap().iter().all(|found| found.name != lab));
}
