//! `relvs plan` and `relvs apply` of keepalived.conf: what would change is shown, then done, and nothing else moves.

use super::{server, start, up, write};
use crate::bed::{Bed, PATIENCE, assert_shares, text, until};
use crate::configuration::tcp;
use relvs_lab::{Shape, Topology, traffic::Load};
use relvs_model::Method;

/// No server is down because the machine is busy.
const PATIENT: &str = "delay_loop 0.3\n delay_before_retry 0.3\n retry 5\n connect_timeout 10\n";

/// The service of IPv6 stays as it is.
fn conf(bed: &Bed, scheduler: &str, weight: u32, more: &str) -> String {
    let service = |vip, scheduler: &str, weight| {
        let checked = |weight| format!("weight {weight}\n TCP_CHECK {{\n }}");
        let servers = server(bed, "s1", vip, &checked(1)) + &server(bed, "s2", vip, &checked(weight));
        format!(
            "virtual_server {vip} 80 {{\n {PATIENT} lb_algo {scheduler}\n lb_kind DR\n protocol TCP\n{more}{servers}}}\n"
        )
    };
    let [vip, six] = bed.vips;
    service(vip, scheduler, weight) + &service(six, "wrr", 1).replace(more, "")
}

#[test]
fn a_file_is_planned_then_applied_and_the_rest_goes_on() {
    let like = [tcp(80, "wrr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let shape = Shape::new(Topology::OneArmed).servers(2);
    let Some(bed) = start(&shape, &like, "", |bed| conf(bed, "wrr", 1, "")) else { return };
    until("all servers were asked", || up(&bed) == [true; 4]);
    let [target, six] = bed.targets(80);
    assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);
    bed.requests(six, 4);
    let before = bed.status();
    let file = bed.lab.directory().join("keepalived.conf").display().to_string();
    let run = |words: &[&str]| {
        let output = bed.director.relvs(words).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(run(&["plan", &file]), (Some(0), "nothing changes\n".to_owned(), String::new()));

    // Lines for another host count for it alone.
    let new = conf(&bed, "wlc", 3, "@other persistence_timeout 50\n");
    write(&bed, &new);
    let (code, shown, said) = run(&["plan", &file]);
    assert_eq!((code, said.as_str()), (Some(3), ""), "{shown}");
    let part = format!("~ service {target}/tcp\n~   scheduler wrr -> wlc\n");
    assert!(shown.contains(&part) && shown.contains("weight 1 -> 3"), "{shown}");
    assert!(!shown.contains(&six.to_string()) && !shown.contains("persistence"), "{shown}");
    let (code, other, _) = run(&["plan", &file, "-i", "other"]);
    assert!(code == Some(3) && other.contains("persistence"), "{other}");
    assert_eq!(bed.status().revision, before.revision, "a plan changes nothing");

    let load = Load::new(six).time(PATIENCE * 10).rate(50, 2).start(bed.client()).unwrap();
    assert_eq!(run(&["apply", &file]), (Some(0), shown, String::new()));
    let after = bed.status();
    assert_eq!(after.revision, before.revision + 1);
    assert_eq!(run(&["plan", &file]), (Some(0), "nothing changes\n".to_owned(), String::new()));
    let since = |status: &relvs_api::Status| -> Vec<u64> {
        let checks = status.checks.iter().filter(|checks| checks.service.address() == Some(six.ip()));
        checks.flat_map(|checks| &checks.servers).map(|server| server.since_ms).collect()
    };
    assert_eq!((since(&after), since(&after).len()), (since(&before), 2), "checks of the other service went on");

    // What is wrong is said with its place, and what is not known as a whole is not applied.
    write(&bed, &new.replace("lb_algo wlc", "lb_algo wcl"));
    let (code, _, said) = run(&["plan", &file]);
    assert!(
        code == Some(0) && said.starts_with(&format!("{file}:")) && said.contains("`wcl` is no scheduler"),
        "{said}"
    );
    write(&bed, &format!("{new}include keepalived.conf\n"));
    for verb in ["plan", "apply"] {
        let (code, shown, said) = run(&[verb, &file]);
        assert_eq!((code, shown.as_str()), (Some(1), ""), "{said}");
        assert!(said.contains("include each other"), "{said}");
    }
    assert_eq!(bed.status().revision, after.revision);
    let report = load.stop().unwrap();
    assert!(report.failed() == 0 && report.ok > 0, "{report}");
}
