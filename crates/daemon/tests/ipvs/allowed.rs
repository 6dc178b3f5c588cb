//! The differences to IPVS that are meant: docs/differences.md says of each why. Nothing else may differ.
//!
//! One that shows in listings alone is taken out of IPVS's before they are compared, line by line, and all else of the
//! step is compared. Of the others a named case shows that they are there; generated cases do not do what they are about.

use crate::{
    answer::{Answer, Connection, Figures, Look},
    case::{Case, Flow, Step},
    frame,
};
use std::{collections::BTreeSet, net::SocketAddr};

/// An invalidated template stays in IPVS's listing, with ports that no packet has, until its time is over.
pub(crate) const TEMPLATE_INVALIDATED: &str = "template-invalidated";
/// A server with another method is another one.
pub(crate) const METHOD_CHANGE: &str = "method-change";
/// A command that changes nothing does nothing.
pub(crate) const EDIT_WITHOUT_CHANGE: &str = "edit-without-change";
/// Timeouts hold at once, for flows that are there too.
pub(crate) const TIMEOUTS_AT_ONCE: &str = "timeouts-at-once";
/// What the director's own stack answers as a server is not seen.
pub(crate) const LOCAL_HALF_SEEN: &str = "local-half-seen";
/// IPVS meets its own port unreachable and its stack's reset, and takes them for packets of a connection that is over.
pub(crate) const OWN_ANSWERS: &str = "own-answers";

/// All of them.
pub(crate) const ALL: [&str; 6] =
    [TEMPLATE_INVALIDATED, METHOD_CHANGE, EDIT_WITHOUT_CHANGE, TIMEOUTS_AT_ONCE, LOCAL_HALF_SEEN, OWN_ANSWERS];

/// The port of an invalidated template, of its service and its server.
const NO_PORT: u16 = 65535;

/// What the director itself answered to packets of connections that there had been.
#[derive(Debug, Default)]
pub(crate) struct OwnAnswers {
    /// Lengths of "port unreachable".
    errors: Vec<u64>,
    /// Flows that were reset.
    resets: BTreeSet<Flow>,
}

impl OwnAnswers {
    /// Before this step of a case.
    pub(crate) fn before(case: &Case, ipvs: &[Answer], at: usize) -> Self {
        let mut known = BTreeSet::<Flow>::new();
        let mut own = OwnAnswers::default();
        for (step, answer) in case.steps[..at].iter().zip(ipvs) {
            let Step::Client(flow, sent) = step else { continue };
            match answer {
                Answer::Server { .. } => {
                    known.insert(*flow);
                    own.resets.remove(flow);
                }
                Answer::Unreachable if known.contains(flow) => {
                    let packet = frame::from_client(*flow, *sent).len() - frame::ETHERNET;
                    own.errors.push(packet as u64 + if flow.service.is_ipv6() { 40 + 8 } else { 20 + 8 });
                }
                Answer::Reset if known.contains(flow) => drop(own.resets.insert(*flow)),
                _ => {}
            }
        }
        own
    }

    /// Whether a line is the same, or IPVS has some errors more, all of one length.
    pub(crate) fn same(&self, ipvs: &Figures, relvs: &Figures) -> bool {
        let ([a, b, out, c, bytes], [d, e, out_here, f, bytes_here]) = (ipvs.figures, relvs.figures);
        let more = out.wrapping_sub(out_here);
        let by = |length: &u64| more <= self.errors.len() as u64 && bytes.wrapping_sub(bytes_here) == more * length;
        ipvs.of == relvs.of
            && (a, b, c) == (d, e, f)
            && ((more, bytes) == (0, bytes_here) || self.errors.iter().any(by))
    }
}

/// What IPVS's look is without what relvs's need not have; and of how many lines of which difference.
///
/// The flows of an invalidated template are relvs's next one's for the same client and service, if there is one: then a
/// flow of either may have assured it.
pub(crate) fn without(ipvs: &Look, relvs: &Look, own: &OwnAnswers) -> (Look, [(&'static str, usize); 2]) {
    let invalidated = |line: &Connection| (line.client.1, line.service.1, line.server.1) == (0, NO_PORT, NO_PORT);
    let next_of = |line: &Connection, old: &Connection| {
        let name = |c: &Connection| (c.protocol.clone(), c.client, c.service.0);
        invalidated(old) && name(line) == name(old)
    };
    let mut look = Look { servers: ipvs.servers.clone(), connections: Vec::new() };
    let mut counts = [(TEMPLATE_INVALIDATED, 0), (OWN_ANSWERS, 0)];
    for line in &ipvs.connections {
        // It counts for its server, if that is there.
        let server = look.servers.iter_mut().find(|s| s.server.ip() == line.server.0);
        let at = |(address, port)| SocketAddr::new(address, port);
        let same = |flow: &Flow| (flow.client, flow.service) == (at(line.client), at(line.service));
        if invalidated(line) {
            counts[0].1 += 1;
            server.into_iter().for_each(|server| server.persistent -= 1);
        } else if line.state == "CLOSE" && own.resets.iter().any(same) {
            counts[1].1 += 1;
            server.into_iter().for_each(|server| server.inactive -= 1);
        } else {
            let mut line = line.clone();
            if line.state == "NONE" && ipvs.connections.iter().any(|old| next_of(&line, old)) {
                let assured = Connection { state: "ASSURED".to_owned(), ..line.clone() };
                let there =
                    |c: &&Connection| (c.client, c.service, c.server) == (line.client, line.service, line.server);
                if relvs.connections.iter().find(there).is_some_and(|c| c.state == assured.state) {
                    counts[0].1 += 1;
                    line = assured;
                }
            }
            look.connections.push(line);
        }
    }
    (look, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_tells_of_each() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/differences.md");
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let missing: Vec<_> = ALL.iter().filter(|id| !text.contains(&format!("`{id}`"))).collect();
        assert!(missing.is_empty(), "{path} does not tell of {missing:?}");
    }
}
