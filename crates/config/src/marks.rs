//! What must hold between match rules and the services of their marks.

use crate::draft::RuleDraft;
use crate::report::{Fault, Report};
use crate::rules::Accepted;
use relvs_model::{Rule, ServiceKey};
use std::collections::BTreeSet;

/// The rules that hold, in their order. A mark without the other half is worth a warning.
pub(crate) fn accept(drafts: Vec<RuleDraft>, services: &[Accepted], report: &mut Report) -> Vec<Rule> {
    let mut given: BTreeSet<(u32, bool)> = BTreeSet::new();
    let mut accepted = Vec::new();
    for RuleDraft { rule, place, broken } in drafts {
        let families: Vec<bool> = [true, false].into_iter().filter(|ipv4| rule.is_of(*ipv4)).collect();
        given.extend(families.iter().map(|ipv4| (rule.mark, *ipv4)));
        if broken {
            continue;
        }
        if families.is_empty() {
            let fault = Fault::new("the sources of this rule are all of another address family than its destinations");
            report.error(&place, fault.help("write a rule for each family"));
            continue;
        }
        let is_its = |key: ServiceKey| families.iter().any(|ipv4| key == ServiceKey::mark(rule.mark, !ipv4));
        if !services.iter().any(|service| is_its(service.service.key)) {
            let key = ServiceKey::mark(rule.mark, families == [false]);
            let fault = Fault::new(format!("there is no service of {key}"));
            report.warning(&place, fault.help("its packets go on as if no rule had matched"));
        }
        accepted.push(rule);
    }
    for Accepted { service, place, .. } in services {
        let ServiceKey::Mark(mark) = service.key else { continue };
        if !given.contains(&(mark.mark, !mark.six)) {
            let fault = Fault::new(format!("no rule gives {}", service.key));
            report.warning(place, fault.help("add a [[rule]]: marks of netfilter come too late to be seen"));
        }
    }
    accepted
}
