//! The BPF object: built by `cargo xtask bpf`, committed, embedded.

/// The programs, for the loader. Aligned as an ELF file wants it.
pub fn embedded() -> &'static [u8] {
    aya::include_bytes_aligned!("../bpf/relvs.bpf.o")
}

/// The SHA-256 of its bytes and what it was built with, as `cargo xtask bpf` wrote it.
pub const MANIFEST: &str = include_str!("../bpf/relvs.bpf.toml");
