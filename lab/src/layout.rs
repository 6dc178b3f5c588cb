//! A plan carried out: namespaces, bridges, cables, addresses, routes and kernel settings.
//!
//! Rules for XDP on veth that this keeps (measured, see the plan's MTU too): every end has transmit checksum offload off, so that no frame
//! with an unfinished checksum reaches an XDP program; every switch port has GRO on, so that what a program redirects or sends back is
//! received there. Segmentation offload goes with it: frames on the wire, and in captures, are whole and MTU-sized.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result};

use crate::netns;
use crate::node::Node;
use crate::plan::{NodePlan, Plan, Role, SWITCH};

/// Makes everything in `plan`. On an error what exists so far stays, for the caller to remove.
pub(crate) fn build(plan: &Plan, node: impl Fn(&str) -> Result<Node>) -> Result<()> {
    let switch = node(SWITCH)?;
    let mut nodes = Vec::new();
    netns::create(switch.namespace())?;
    settle(&switch, &[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")])?;
    for planned in &plan.nodes {
        let node = node(&planned.name)?;
        netns::create(node.namespace())?;
        settle(&node, &settings(planned))?;
        nodes.push(node);
    }
    batch(&switch, &switch_commands(plan, &nodes))?;
    for (planned, node) in plan.nodes.iter().zip(&nodes) {
        batch(node, &node_commands(plan, planned)?)?;
        for port in &planned.ports {
            offloads(node, &port.interface, &["tx", "off", "tso", "off"])?;
            offloads(&switch, &port.peer(&planned.name), &["tx", "off", "tso", "off", "gro", "on"])?;
        }
    }
    Ok(())
}

/// Settings in force before the first interface exists, so that `default` reaches every one of them.
fn settings(node: &NodePlan) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        // Addresses are usable at once, and nothing but this plan makes a route.
        ("ipv6/conf/all/accept_dad", "0"),
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/all/accept_ra", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
        ("ipv6/conf/all/accept_redirects", "0"),
        ("ipv6/conf/default/accept_redirects", "0"),
        ("ipv4/conf/all/accept_redirects", "0"),
        ("ipv4/conf/default/accept_redirects", "0"),
        // A redirect would send the servers of a one-armed NAT around their director.
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv6/conf/all/keep_addr_on_down", "1"),
        ("ipv6/conf/default/keep_addr_on_down", "1"),
        // A minute of 1,000 new connections a second without a port used twice.
        ("ipv4/ip_local_port_range", "1024 65535"),
    ];
    // The kernel takes the larger of `all` and the interface's own value. What Debian sets is the servers' start, whatever machine this is.
    let (all, default) = if node.forwards() { ("0", "0") } else { ("0", "2") };
    settings.extend([("ipv4/conf/all/rp_filter", all), ("ipv4/conf/default/rp_filter", default)]);
    let forwarding = if node.forwards() { "1" } else { "0" };
    settings.extend([("ipv4/ip_forward", forwarding), ("ipv6/conf/all/forwarding", forwarding)]);
    settings
}

fn settle(node: &Node, settings: &[(&str, &str)]) -> Result<()> {
    node.with(|| {
        for (key, value) in settings {
            let path = format!("/proc/sys/net/{key}");
            std::fs::write(&path, value).with_context(|| format!("{path} = {value}"))?;
        }
        Ok::<_, anyhow::Error>(())
    })?
    .with_context(|| format!("{}: kernel settings", node.name()))
}

fn switch_commands(plan: &Plan, nodes: &[Node]) -> String {
    let mut text = String::from("link set dev lo up\n");
    for segment in &plan.segments {
        // Without snooping: neighbour discovery is multicast, and nobody here sends listener reports in time.
        let _ =
            writeln!(text, "link add name {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0", segment.name);
    }
    for (planned, node) in plan.nodes.iter().zip(nodes) {
        for port in &planned.ports {
            let mtu = plan.segment(&port.segment).map_or(1500, |segment| segment.mtu);
            let (peer, mac) = (port.peer(&planned.name), mac_text(port.mac));
            let _ = writeln!(
                text,
                "link add name {peer} mtu {mtu} type veth peer name {} mtu {mtu} address {mac} netns {}",
                port.interface,
                node.namespace()
            );
            let _ = writeln!(text, "link set dev {peer} master {} up", port.segment);
        }
    }
    for segment in &plan.segments {
        let _ = writeln!(text, "link set dev {} mtu {} up", segment.name, segment.mtu);
    }
    text
}

fn node_commands(plan: &Plan, node: &NodePlan) -> Result<String> {
    let mut text = String::from("link set dev lo up\n");
    for port in &node.ports {
        let segment = plan.segment(&port.segment).with_context(|| format!("no segment {}", port.segment))?;
        let interface = &port.interface;
        writeln!(text, "address add {}/{} dev {interface}", port.v4, segment.v4.prefix_len())?;
        writeln!(text, "address add {}/{} dev {interface} nodad", port.v6, segment.v6.prefix_len())?;
        writeln!(text, "link set dev {interface} up")?;
    }
    for route in &node.routes {
        let (v4, v6) = match &route.to {
            Some(name) => {
                let segment = plan.segment(name).with_context(|| format!("no segment {name}"))?;
                (segment.v4.to_string(), segment.v6.to_string())
            }
            None => ("default".to_owned(), "default".to_owned()),
        };
        writeln!(text, "route replace {v4} via {}", route.via_v4)?;
        writeln!(text, "route replace {v6} via {}", route.via_v6)?;
    }
    Ok(text)
}

/// One `ip` process for all the commands, which end at the first that fails.
pub(crate) fn batch(node: &Node, commands: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]);
    node.check_command(command, commands).map(drop)
}

fn offloads(node: &Node, interface: &str, features: &[&str]) -> Result<()> {
    let arguments = ["-K", interface].into_iter().chain(features.iter().copied());
    node.check("ethtool", arguments).map(drop)
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The switch as a node: no ports of its own, no routes.
pub(crate) fn switch() -> NodePlan {
    NodePlan { name: SWITCH.to_owned(), role: Role::Switch, ports: Vec::new(), routes: Vec::new() }
}
