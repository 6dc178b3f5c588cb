//! A topology as text: every switch a line, what is plugged into it below.

use std::fmt::Write;

use crate::lab::Lab;
use crate::plan::{NodePlan, Plan, Role};

impl Lab {
    /// The topology with interfaces and addresses, for people.
    #[must_use]
    pub fn picture(&self) -> String {
        draw(self.plan())
    }
}

fn draw(plan: &Plan) -> String {
    let mut text = String::new();
    for segment in &plan.segments {
        let title = format!("{} {} {} mtu {}", segment.name, segment.v4, segment.v6, segment.mtu);
        let _ = writeln!(text, "══ {title} {}", "═".repeat(78_usize.saturating_sub(title.chars().count() + 4)));
        let ports = plan.nodes.iter().flat_map(|node| node.ports.iter().map(move |port| (node, port)));
        for (node, port) in ports.filter(|(_, port)| port.segment == segment.name) {
            let label = format!("{} {}", node.name, port.interface);
            let _ = writeln!(text, "   ├─ {label:<8} {:<15} {:<20} {}", port.v4, port.v6, remark(plan, node));
        }
    }
    let (v4, v6) = plan.vip(0);
    let _ = writeln!(text, "   virtual addresses of d1: {v4} {v6}");
    text
}

fn remark(plan: &Plan, node: &NodePlan) -> String {
    let gateway = node.routes.iter().find(|route| route.to.is_none()).and_then(|route| {
        let owns = |other: &&NodePlan| other.ports.iter().any(|port| port.v4 == route.via_v4);
        plan.nodes.iter().find(owns).map(|other| other.name.as_str())
    });
    let role = match node.role {
        Role::Client => "client",
        Role::Router => "router",
        Role::Switch => "switch",
        Role::Director => "director",
        Role::Server => "server",
    };
    gateway.map_or_else(|| role.to_owned(), |gateway| format!("{role}, gateway {gateway}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Shape, Topology};

    #[test]
    fn every_port_is_drawn_once() {
        for topology in [Topology::OneArmed, Topology::TwoArmed, Topology::Wan] {
            let plan = Shape::new(topology).plan().unwrap();
            let text = draw(&plan);
            for node in &plan.nodes {
                for port in &node.ports {
                    assert_eq!(text.matches(&format!(" {} ", port.v4)).count(), 1, "{text}");
                    assert!(text.contains(&port.v6.to_string()));
                }
            }
        }
    }
}
