//! What a running lab can have done to it: cables pulled, frames lost, MTUs, gateways and virtual addresses moved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::lab::Lab;
use crate::layout;
use crate::node::Node;
use crate::plan::{Gateway, Port, ROUTER, SWITCH, Topology};

/// Which frames a loss concerns, seen from the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What the node sends.
    FromNode,
    /// What is sent to the node.
    ToNode,
}

impl Lab {
    /// Pulls every cable of the node: its interfaces lose their carrier; addresses and routes stay.
    ///
    /// # Errors
    /// There is no such node.
    pub fn unplug(&self, node: &str) -> Result<()> {
        self.set_cables(node, false)
    }

    /// Puts the cables back.
    ///
    /// # Errors
    /// There is no such node.
    pub fn plug(&self, node: &str) -> Result<()> {
        self.set_cables(node, true)
    }

    fn set_cables(&self, node: &str, up: bool) -> Result<()> {
        let switch = self.node(SWITCH)?;
        for port in self.node(node)?.ports() {
            switch.set_link(&port.peer(node), up)?;
        }
        Ok(())
    }

    /// Drops this many of a thousand frames between the node and the switch, at random; 0 ends it.
    ///
    /// A frame here is what the switch handles: GRO may have merged several segments of a TCP stream into one.
    ///
    /// # Errors
    /// `nft` is missing, or the kernel cannot filter on a device.
    pub fn set_loss(&self, node: &str, direction: Direction, per_mille: u16) -> Result<()> {
        ensure!(per_mille <= 1000, "loss: 0 to 1000 per mille, not {per_mille}");
        let switch = self.node(SWITCH)?;
        let (hook, word) = match direction {
            Direction::FromNode => ("ingress", "from"),
            Direction::ToNode => ("egress", "to"),
        };
        for port in self.node(node)?.ports() {
            let table = format!("netdev loss_{word}_{node}_{}", port.interface);
            // Declared first, so that deleting it never fails.
            let mut rules = format!("table {table} {{}}\ndelete table {table}\n");
            if per_mille > 0 {
                rules += &format!(
                    "table {table} {{\n chain c {{\n  type filter hook {hook} device \"{}\" priority 0;\n  \
                     numgen random mod 1000 < {per_mille} counter drop\n }}\n}}\n",
                    port.peer(node)
                );
            }
            let mut command = Command::new("nft");
            command.args(["-f", "-"]);
            switch.check_command(command, &rules)?;
        }
        Ok(())
    }

    /// Sets the MTU of one interface of a node and of the switch's end of its cable.
    ///
    /// # Errors
    /// There is no such interface, or the kernel refuses the value.
    pub fn set_mtu(&self, node: &str, interface: &str, mtu: u16) -> Result<()> {
        let node = self.node(node)?;
        let port = port(node, interface)?;
        self.node(SWITCH)?.ip(&format!("link set dev {} mtu {mtu}", port.peer(node.name())))?;
        node.ip(&format!("link set dev {interface} mtu {mtu}")).map(drop)
    }

    /// Points a LAN server's default routes to the router or to the first director.
    ///
    /// # Errors
    /// The node is not on the LAN, or the topology has no router.
    pub fn set_gateway(&self, server: &str, gateway: Gateway) -> Result<()> {
        let name = match gateway {
            Gateway::Router if self.plan().topology == Topology::TwoArmed => {
                bail!("two-armed has no router: its servers' gateway is the director")
            }
            Gateway::Router => ROUTER,
            Gateway::Director => "d1",
        };
        let hop = self.node(name)?.port_on("lan")?;
        self.set_default_route(server, hop.v4, hop.v6)
    }

    /// Points a node's default routes anywhere, for instance to a floating address of two directors.
    ///
    /// # Errors
    /// A next hop that the node cannot reach directly.
    pub fn set_default_route(&self, node: &str, v4: Ipv4Addr, v6: Ipv6Addr) -> Result<()> {
        layout::batch(self.node(node)?, &format!("route replace default via {v4}\nroute replace default via {v6}\n"))
    }

    /// Gives a director a virtual address, on the interface where clients look for it, as keepalived does.
    ///
    /// On lo it would do for ARP, but not for IPv6: the kernel answers neighbour solicitations only for the receiving interface's own addresses.
    ///
    /// # Errors
    /// The node has no interface on that segment, or the address is there already.
    pub fn add_vip(&self, director: &str, vip: IpAddr) -> Result<()> {
        self.change_vip(director, vip, "add")
    }

    /// Takes a virtual address away from a director.
    ///
    /// # Errors
    /// It does not have it.
    pub fn remove_vip(&self, director: &str, vip: IpAddr) -> Result<()> {
        self.change_vip(director, vip, "delete")
    }

    fn change_vip(&self, director: &str, vip: IpAddr, verb: &str) -> Result<()> {
        let node = self.node(director)?;
        let interface = &node.port_on(&self.plan().vip_segment().name)?.interface;
        let command = match vip {
            IpAddr::V4(vip) => format!("address {verb} {vip}/32 dev {interface}"),
            IpAddr::V6(vip) if verb == "add" => format!("address add {vip}/128 dev {interface} nodad preferred_lft 0"),
            IpAddr::V6(vip) => format!("address {verb} {vip}/128 dev {interface}"),
        };
        node.ip(&command).map(drop)
    }
}

fn port<'a>(node: &'a Node, interface: &str) -> Result<&'a Port> {
    let found = node.ports().iter().find(|port| port.interface == interface);
    found.with_context(|| format!("{}: no interface {interface}", node.name()))
}
