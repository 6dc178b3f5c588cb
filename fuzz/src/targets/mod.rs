//! What is fuzzed: every reader of what comes from outside, each as a function of bytes that fails by a panic.
//!
//! The fuzzer calls them, and so does a plain test of the workspace, with every file of fuzz/corpus.

mod addresses;
mod api;
mod control_json;
mod frames;
mod health_answers;
mod ipvsadm;
mod keepalived_conf;
mod neighbours;
mod relvs_toml;
mod vrrp_adverts;

/// One of them.
pub(crate) struct Target {
    /// Its name, which is that of its corpus.
    pub(crate) name: &'static str,
    /// Reads the bytes, and panics where something is not as it must be.
    pub(crate) run: fn(&[u8]),
}

/// All of them.
pub(crate) const TARGETS: [Target; 10] = [
    Target { name: "addresses", run: addresses::run },
    Target { name: "api", run: api::run },
    Target { name: "control_json", run: control_json::run },
    Target { name: "frames", run: frames::run },
    Target { name: "health_answers", run: health_answers::run },
    Target { name: "ipvsadm", run: ipvsadm::run },
    Target { name: "keepalived_conf", run: keepalived_conf::run },
    Target { name: "neighbours", run: neighbours::run },
    Target { name: "relvs_toml", run: relvs_toml::run },
    Target { name: "vrrp_adverts", run: vrrp_adverts::run },
];
