//! What the machine must have besides Rust, and how Debian and Ubuntu call it.
//!
//! Installs only what is missing and says what for; on other systems, and without privilege, it names what is missing.

use crate::{bpf, shell};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// A program that must be there, the Debian package that brings it, and what for.
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    purpose: &'static str,
}

const BUILD: &[Need] = &[Need { program: "cc", packages: &["gcc", "libc6-dev"], purpose: "linking" }];

const TEST: &[Need] = &[
    Need { program: "ip", packages: &["iproute2"], purpose: "the lab's namespaces, links and routes" },
    Need { program: "ethtool", packages: &["ethtool"], purpose: "the lab's links: checksum and receive offloads" },
    Need { program: "sysctl", packages: &["procps"], purpose: "the lab's real servers: arp_ignore, rp_filter" },
    Need { program: "nginx", packages: &["nginx"], purpose: "real servers; its service is not started" },
    Need { program: "curl", packages: &["curl"], purpose: "real clients" },
    Need {
        program: "keepalived",
        packages: &["keepalived"],
        purpose: "a VRRP router to talk with; its service is not started",
    },
    Need { program: "dnsmasq", packages: &["dnsmasq-base"], purpose: "health checks of a real DNS server" },
    Need { program: "aiosmtpd", packages: &["python3-aiosmtpd"], purpose: "health checks of a real mail server" },
    Need { program: "systemd-analyze", packages: &["systemd"], purpose: "the service manager of the package's tests" },
    Need { program: "promtool", packages: &["prometheus"], purpose: "judging metrics; its service is not started" },
    Need { program: "mandoc", packages: &["mandoc"], purpose: "faults in manual pages" },
];

/// What Debian packages are built with.
const DEB: &[Need] = &[
    Need { program: "dpkg-shlibdeps", packages: &["dpkg-dev"], purpose: "which libraries a package depends on" },
    Need { program: "xz", packages: &["xz-utils"], purpose: "compressing a package" },
];

/// What the tests against a real kernel IPVS want. Not every system has it: without it they are skipped.
const ORACLE: &[Need] = &[
    Need { program: "linux.uml", packages: &["user-mode-linux"], purpose: "a kernel with IPVS to compare with" },
    Need { program: "ipvsadm", packages: &["ipvsadm"], purpose: "its configuration" },
    Need { program: "modprobe", packages: &["kmod"], purpose: "its modules" },
    Need { program: "iptables-legacy", packages: &["iptables"], purpose: "its marks" },
];

/// What relvs is measured beside, and the client that asks.
const BESIDE: &[Need] = &[
    Need { program: "ip", packages: &["iproute2"], purpose: "the lab's namespaces, links and routes" },
    Need { program: "ethtool", packages: &["ethtool"], purpose: "the lab's links: checksum and receive offloads" },
    Need { program: "sysctl", packages: &["procps"], purpose: "the lab's real servers: arp_ignore, rp_filter" },
    Need { program: "nft", packages: &["nftables"], purpose: "the kernel's NAT to compare with" },
    Need { program: "nginx", packages: &["nginx"], purpose: "real servers; its service is not started" },
    Need {
        program: "/usr/lib/nginx/modules/ngx_stream_module.so",
        packages: &["libnginx-mod-stream"],
        purpose: "nginx as a proxy to compare with",
    },
    Need { program: "haproxy", packages: &["haproxy"], purpose: "a proxy to compare with; its service is not started" },
    Need { program: "wrk", packages: &["wrk"], purpose: "the client" },
];

/// Installs what is missing for building, testing or rebuilding the BPF object; for all of them without a name.
pub(crate) fn setup(what: Option<&str>) -> Result<()> {
    match what {
        Some("build") => programs(&[BUILD]),
        Some("test") => programs(&[BUILD, TEST]),
        Some("deb") => programs(&[BUILD, DEB]),
        Some("bpf") => {
            programs(&[BUILD])?;
            bpf::toolchain().map(|_| ())
        }
        Some("oracle") => oracle(),
        Some("beside") => programs(&[BUILD, BESIDE]),
        None => {
            programs(&[BUILD, TEST])?;
            oracle()?;
            bpf::toolchain().map(|_| ())
        }
        Some(other) => bail!("setup: `{other}` is none of build, test, deb, oracle, bpf, beside"),
    }
}

fn programs(needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> =
        needs.iter().copied().flatten().filter(|need| shell::find(need.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        println!("missing: {} (for {})", need.program, need.purpose);
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    install(&packages)
}

/// Installs what the tests against a real IPVS want, if this system has it. Under CI it must.
fn oracle() -> Result<()> {
    match programs(&[ORACLE]) {
        Err(error) if std::env::var_os("CI").is_none_or(|value| value != "true") => {
            println!("{error:#}: the tests against a real kernel IPVS are skipped");
            Ok(())
        }
        outcome => outcome,
    }
}

// Debian starts a service when it installs one. The policy file is Debian's way to forbid that; where one exists
// already it stays, and where none does it goes again, whatever happens. `disable` is for the next boot.
const INSTALL: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get -o DPkg::Lock::Timeout=300 -qq update || echo 'apt-get update failed: going on with the lists that are here'
apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@" </dev/null >/dev/null
for package; do
    case $package in nginx | prometheus | keepalived | haproxy)
        if [ -d /run/systemd/system ]; then systemctl --quiet disable "$package"; fi ;;
    esac
done
"#;

/// Installs Debian packages, or says what to type.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if shell::find("apt-get").is_none() {
        bail!(
            "missing on this machine (the names are Debian's): {list}; install them with its own package manager, \
             only Debian and Ubuntu are done by themselves"
        );
    }
    let Some(mut sh) = shell::as_root(Path::new("/bin/sh")) else {
        bail!("not root, and sudo wants a password; type: sudo apt-get install --no-install-recommends {list}");
    };
    println!("installing the Debian packages {list}");
    let status = sh.args(["-c", INSTALL, "install"]).args(packages).status()?;
    if !status.success() {
        bail!("apt-get could not install {list}: see above");
    }
    Ok(())
}

/// Installs the formatter and the linter where they are missing: rustup brings them, Debian has packages.
pub(crate) fn lints() -> Result<()> {
    let tools = [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")];
    let missing: Vec<&str> =
        tools.into_iter().filter(|(program, _)| shell::find(program).is_none()).map(|(_, part)| part).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing: {}", missing.join(", "));
    match rust_packages(RUST_MINOR, &missing)? {
        Some(list) => install(&list.iter().map(String::as_str).collect::<Vec<_>>()),
        None => bail!("install them with rustup: rustup component add {}", missing.join(" ")),
    }
}

/// The oldest Rust that compiles user space: 1.N, as the workspace's manifest says.
const RUST_MINOR: u32 = 88;

/// The oldest Rust that compiles the BPF crate: 1.N.
pub(crate) const BPF_RUST_MINOR: u32 = 96;

/// The Debian or Ubuntu packages that bring these parts of a Rust 1.`minor` or newer; `None` where there are none.
///
/// Debian keeps a recent Rust for its browsers (rustc-web), Ubuntu one package for each version (rustc-1.96).
pub(crate) fn rust_packages(minor: u32, parts: &[&str]) -> Result<Option<Vec<String>>> {
    if shell::find("apt-cache").is_none() {
        return Ok(None);
    }
    let search = || shell::read(Command::new("apt-cache").args(["search", "--names-only", RUSTC]));
    if search()?.is_empty()
        && let Some(mut update) = shell::as_root(Path::new("/usr/bin/apt-get"))
    {
        // A fresh container has no lists yet.
        shell::run(update.args(["-o", "DPkg::Lock::Timeout=300", "-qq", "update"]))?;
    }
    let found = search()?;
    let mut compilers: Vec<&str> = found.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let policy = shell::read(Command::new("apt-cache").arg("policy").args(&compilers))?;
    compilers.retain(|name| candidate(&policy, name).and_then(rust_minor) >= Some(minor));
    let Some(compiler) =
        compilers.into_iter().max_by_key(|name| (*name == "rustc-web", candidate_minor(&policy, name)))
    else {
        return Ok(None);
    };
    Ok(Some(parts.iter().map(|part| rust_package(compiler, part)).collect()))
}

/// As a regular expression of apt-cache.
const RUSTC: &str = r"^rustc(-web|-1\.[0-9]+)?$";

/// The name of one part of Rust beside a compiler's package.
fn rust_package(compiler: &str, part: &str) -> String {
    let suffix = compiler.strip_prefix("rustc").unwrap_or_default();
    match part {
        "source" => format!("rust{suffix}-src"),
        "rustfmt" if suffix == "-web" => "rustfmt-web".into(),
        "clippy" => format!("rust{suffix}-clippy"),
        part => format!("{part}{suffix}"),
    }
}

/// N of "1.N.0", with whatever follows.
pub(crate) fn rust_minor(version: &str) -> Option<u32> {
    let digits = version.strip_prefix("1.")?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn candidate_minor(policy: &str, package: &str) -> Option<u32> {
    candidate(policy, package).and_then(rust_minor)
}

/// The version that apt would install, from the output of `apt-cache policy`.
fn candidate<'a>(policy: &'a str, package: &str) -> Option<&'a str> {
    let head = format!("{package}:");
    let entry = policy.lines().skip_while(|line| *line != head).skip(1);
    entry.take_while(|line| line.starts_with(' ')).find_map(|line| line.trim().strip_prefix("Candidate: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    // As apt-cache prints it on Debian 12, and as it would for a package without a candidate.
    const POLICY: &str = "\
rustc:
  Installed: (none)
  Candidate: 1.63.0+dfsg1-2
  Version table:
     1.63.0+dfsg1-2 500
        500 http://packages.example/debian bookworm/main amd64 Packages
rustc-web:
  Installed: 1.85.0+dfsg3-1~deb12u3
  Candidate: 1.96.0+dfsg1-1~deb12u2
  Version table:
     1.96.0+dfsg1-1~deb12u2 500
rustc-1.99:
  Installed: (none)
  Candidate: (none)
";

    #[test]
    fn the_version_that_apt_would_install() {
        assert_eq!(candidate_minor(POLICY, "rustc"), Some(63));
        assert_eq!(candidate_minor(POLICY, "rustc-web"), Some(96));
        assert_eq!(candidate_minor(POLICY, "rustc-1.99"), None);
        assert_eq!(candidate_minor(POLICY, "rustc-1.98"), None);
        assert_eq!(rust_minor("1.97.0-nightly"), Some(97));
        assert_eq!(rust_minor("2.1.0"), None);
    }

    #[test]
    fn the_parts_go_with_their_compiler() {
        let names =
            |compiler| ["rustc", "cargo", "source", "rustfmt", "clippy"].map(|part| rust_package(compiler, part));
        assert_eq!(names("rustc"), ["rustc", "cargo", "rust-src", "rustfmt", "rust-clippy"]);
        assert_eq!(names("rustc-web"), ["rustc-web", "cargo-web", "rust-web-src", "rustfmt-web", "rust-web-clippy"]);
        assert_eq!(
            names("rustc-1.96"),
            ["rustc-1.96", "cargo-1.96", "rust-1.96-src", "rustfmt-1.96", "rust-1.96-clippy"]
        );
    }

    #[test]
    fn an_unknown_purpose_is_refused() {
        assert!(setup(Some("everything")).unwrap_err().to_string().contains("build, test, deb, oracle, bpf, beside"));
    }
}
