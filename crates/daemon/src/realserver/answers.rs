//! Who answers for a VIP on the links of this host, and what that means.
//!
//! Source: RFC 5227 for the question; the LVS-HOWTO's "ARP problem" for what a wrong answer does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    panic::resume_unwind,
    thread,
    time::Duration,
};

use relvs_model::Method;
use relvs_net::{Link, Mac, Neighbour, mac_text};

use super::{Line, how_to_set_up};

/// How many links are asked at once; further ones wait.
const PROBES_AT_ONCE: usize = 32;

/// What this host is to a VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A real server: the VIP is on lo.
    Server,
    /// The VIP is on an interface of a link: a director, or a mistake.
    Owner,
    /// Any other host.
    Onlooker,
}

/// Who answered for which VIP on which interface's link.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) vip: IpAddr,
    interface: String,
    pub(crate) index: u32,
    pub(crate) macs: Result<Vec<Mac>, relvs_net::Error>,
}

/// Asks all links about all VIPs.
pub(super) fn ask(vips: &BTreeSet<IpAddr>, links: &[&Link], time: Duration) -> Vec<Answer> {
    let questions: Vec<(IpAddr, &Link)> =
        vips.iter().flat_map(|vip| links.iter().map(move |link| (*vip, *link))).collect();
    ask_each(&questions, time)
}

/// Asks each link about its VIP, many at once: each question takes the whole time.
pub(crate) fn ask_each(questions: &[(IpAddr, &Link)], time: Duration) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(questions.len());
    for some in questions.chunks(PROBES_AT_ONCE) {
        thread::scope(|scope| {
            let probe = |&(vip, link): &(IpAddr, &Link)| {
                let (interface, index) = (link.name.clone(), link.index);
                scope.spawn(move || Answer { vip, interface, index, macs: relvs_net::probe(index, vip, time) })
            };
            let threads: Vec<_> = some.iter().map(probe).collect();
            for thread in threads {
                answers.push(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
        });
    }
    answers
}

/// One VIP as this host sees it.
pub(super) struct View<'a> {
    pub(super) vip: IpAddr,
    pub(super) role: Role,
    pub(super) method: Method,
    /// The MAC addresses of this host and their interfaces' names.
    pub(super) own: &'a BTreeMap<Mac, &'a str>,
    pub(super) neighbours: &'a [Neighbour],
}

impl View<'_> {
    /// What the answers mean for the VIP.
    pub(super) fn judge(&self, answers: &[Answer]) -> Vec<Line> {
        let vip = self.vip;
        let mut lines = Vec::new();
        let mut heard = false;
        for answer in answers.iter().filter(|answer| answer.vip == vip) {
            match &answer.macs {
                Ok(macs) => {
                    heard |= !macs.is_empty();
                    lines.extend(self.judge_link(answer, macs));
                }
                Err(error) => lines.push(Line::warning(format!("{}: cannot ask for {vip}: {error}", answer.interface))),
            }
        }
        if heard {
            return lines;
        }
        lines.push(match (self.role, self.method) {
            (Role::Owner, _) => Line::ok(format!("no other host answers for {vip}")),
            (Role::Server, Method::Tun) => {
                Line::ok(format!("no host answers for {vip} here; right if the director is on another network"))
            }
            (Role::Server | Role::Onlooker, _) => Line::warning(format!("no host answers for {vip} here"))
                .remedy("right if its clients are on another link; if not, see that the director runs and has it"),
        });
        lines
    }

    fn judge_link(&self, answer: &Answer, macs: &[Mac]) -> Vec<Line> {
        let (vip, link) = (self.vip, &answer.interface);
        let (own, others): (Vec<&Mac>, Vec<&Mac>) = macs.iter().partition(|mac| self.own.contains_key(*mac));
        let mut lines: Vec<Line> = own
            .iter()
            .map(|mac| {
                let name = self.own.get(*mac).copied().unwrap_or_default();
                Line::error(format!("{link}: this host itself answers for {vip}, by {name} ({})", mac_text(mac)))
                    .remedy(format!(
                        "{name} is on the same link: {}, without --interface",
                        how_to_set_up(vip, self.method)
                    ))
            })
            .collect();
        let right = usize::from(self.role != Role::Owner);
        if others.len() > right {
            let (expected, except) = match self.role {
                Role::Owner => ("; only this host should", ""),
                Role::Server | Role::Onlooker => {
                    (" and is not alone; only the director should", "unless it is the director, ")
                }
            };
            lines.extend(others.iter().map(|mac| {
                Line::error(format!("{link}: {} answers for {vip}{expected}", self.host(answer.index, mac)))
                    .remedy(format!("{except}there: {}", how_to_set_up(vip, self.method)))
            }));
        } else if let [mac] = others[..] {
            lines.push(Line::ok(format!(
                "{link}: {} alone answers for {vip}; it should be the director",
                self.host(answer.index, mac)
            )));
        }
        lines
    }

    /// A MAC address, with the IP addresses by which the kernel knows it.
    fn host(&self, interface: u32, mac: &Mac) -> String {
        let known =
            self.neighbours.iter().filter(|n| n.interface == interface && n.mac == Some(*mac) && n.address != self.vip);
        let names: Vec<String> = known.map(|n| n.address.to_string()).collect();
        if names.is_empty() { mac_text(mac) } else { format!("{} ({})", mac_text(mac), names.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realserver::Level;

    const VIP: &str = "192.0.2.100";
    const OWN: Mac = [2, 0, 0, 0, 0, 1];
    const DIRECTOR: Mac = [2, 0, 0, 0, 0, 9];
    const SERVER: Mac = [2, 0, 0, 0, 0, 5];

    fn judged(role: Role, method: Method, macs: &[Mac]) -> Vec<Line> {
        let own = [(OWN, "eth1")].into();
        let known = Neighbour {
            interface: 2,
            address: "10.0.0.5".parse().unwrap(),
            mac: Some(SERVER),
            state: relvs_net::NeighbourState::Stale,
        };
        let view = View { vip: VIP.parse().unwrap(), role, method, own: &own, neighbours: &[known] };
        let answer = |index, interface: &str, macs: &[Mac]| Answer {
            vip: VIP.parse().unwrap(),
            interface: interface.into(),
            index,
            macs: Ok(macs.to_vec()),
        };
        view.judge(&[answer(2, "eth0", macs), answer(3, "eth1", &[])])
    }

    fn levels(lines: &[Line]) -> Vec<Level> {
        lines.iter().map(|line| line.level).collect()
    }

    #[test]
    fn one_answer_is_the_directors_and_a_second_is_named_with_its_remedy() {
        for role in [Role::Server, Role::Onlooker] {
            assert_eq!(levels(&judged(role, Method::Dr, &[DIRECTOR])), [Level::Ok]);
            let two = judged(role, Method::Dr, &[SERVER, DIRECTOR]);
            assert_eq!(levels(&two), [Level::Error, Level::Error]);
            let line = two[0].to_string();
            assert!(line.starts_with("error    eth0: 02:00:00:00:00:05 (10.0.0.5) answers for 192.0.2.100"), "{line}");
            assert!(line.contains("relvs realserver up --method dr --vip 192.0.2.100"), "{line}");
        }
    }

    #[test]
    fn the_owner_must_be_alone() {
        assert_eq!(levels(&judged(Role::Owner, Method::Dr, &[])), [Level::Ok]);
        assert_eq!(levels(&judged(Role::Owner, Method::Dr, &[SERVER])), [Level::Error]);
    }

    #[test]
    fn silence_is_right_for_a_tunnel_and_doubtful_otherwise() {
        assert_eq!(levels(&judged(Role::Server, Method::Tun, &[])), [Level::Ok]);
        assert_eq!(levels(&judged(Role::Server, Method::Dr, &[])), [Level::Warning]);
        assert_eq!(levels(&judged(Role::Onlooker, Method::Tun, &[])), [Level::Warning]);
    }

    #[test]
    fn an_answer_of_ones_own_is_an_error_even_beside_the_directors() {
        let lines = judged(Role::Server, Method::Dr, &[OWN, DIRECTOR]);
        assert_eq!(levels(&lines), [Level::Error, Level::Ok]);
        assert!(lines[0].text.contains("eth1"), "{}", lines[0]);
    }
}
