//! libFuzzer's entry: the target that RELVS_FUZZ_TARGET names. `./x fuzz` builds and runs it.
#![no_main]

mod targets;

use std::sync::OnceLock;
use targets::{TARGETS, Target};

static TARGET: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("RELVS_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("RELVS_FUZZ_TARGET={name}: there is no such target"))
    });
    (target.run)(data);
});
