//! Whose words a configuration file is written in.

use std::path::Path;

/// Whose words a configuration file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// relvs.toml
    Relvs,
    /// keepalived.conf
    Keepalived,
}

impl Format {
    /// By its name: what ends in `.toml` is relvs.toml, anything else keepalived.conf.
    pub fn of(path: &Path) -> Format {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
            Format::Relvs
        } else {
            Format::Keepalived
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_format() {
        for (name, format) in [
            ("/etc/relvs/relvs.toml", Format::Relvs),
            ("x.TOML", Format::Relvs),
            ("/etc/keepalived/keepalived.conf", Format::Keepalived),
            ("toml", Format::Keepalived),
            ("relvs.toml.rpmnew", Format::Keepalived),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
