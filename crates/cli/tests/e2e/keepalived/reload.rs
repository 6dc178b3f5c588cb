//! SIGHUP with keepalived.conf: whole or not at all, and nothing else moves.

use super::{PACE, server, start, up, write};
use crate::bed::{Bed, assert_shares, until};
use crate::configuration::tcp;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

fn conf(bed: &Bed, weight: u32, more: &str) -> String {
    let [vip, six] = bed.vips;
    let of = |vip, weight| {
        let lines = format!("weight {weight}\n TCP_CHECK {{\n }}");
        server(bed, "s1", vip, "weight 1\n TCP_CHECK {\n }") + &server(bed, "s2", vip, &lines)
    };
    format!(
        "virtual_server {vip} 80 {{\n {PACE} lb_algo wrr\n lb_kind DR\n protocol TCP\n{}}}\n\
         virtual_server {six} 80 {{\n {PACE} lb_algo wrr\n lb_kind DR\n protocol TCP\n{}}}\n{more}",
        of(vip, weight),
        of(six, 1)
    )
}

#[test]
fn a_bad_file_changes_nothing_and_a_good_one_what_it_changes() {
    let like = [tcp(80, "wrr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let shape = Shape::new(Topology::OneArmed).servers(2);
    // What keepalived goes on without at the start is no reason to refuse the next file.
    let Some(bed) = start(&shape, &like, "", |bed| conf(bed, 1, "lb_alog rr\n")) else { return };
    assert!(bed.director.log().contains("error: unknown keyword `lb_alog`"), "{}", bed.director.log());
    until("all servers were asked", || up(&bed) == [true; 4]);
    let target = bed.targets(80)[0];
    assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);

    let before = bed.status();
    let wrong = [
        ("virtual_server 192.0.2.1 80 {\n", "this block is never closed"),
        ("global_defs {\n rooter_id X\n}\n", "unknown keyword `rooter_id`"),
        ("include_check\ninclude none.conf\n", "none.conf"),
        ("$A=$A\n$A\n", "A"),
    ];
    for (more, why) in wrong {
        write(&bed, &conf(&bed, 3, more));
        let log = bed.hangup();
        assert!(log.contains("the configuration was refused") && log.contains(why), "{more}: {log}");
        let place = format!("{}:", bed.lab.directory().join("keepalived.conf").display());
        assert!(log.contains(&place) && log.contains(": error: "), "{more}: {log}");
        let after = bed.status();
        assert_eq!((after.revision, after.services.len()), (before.revision, 2));
        let weights = |status: &relvs_api::Status| -> Vec<u32> {
            status.services.iter().flat_map(|service| &service.servers).map(|server| server.weight).collect()
        };
        assert_eq!(weights(&after), weights(&before), "{more}");
    }
    std::fs::remove_file(bed.lab.directory().join("keepalived.conf")).unwrap();
    let log = bed.hangup();
    assert!(log.contains("the configuration was refused"), "{log}");

    write(&bed, &conf(&bed, 3, "lb_alog rr\n"));
    let log = bed.hangup();
    assert!(log.contains("configuration read again"), "{log}");
    let applied: Vec<&str> = log.lines().filter(|line| line.contains("applied: ")).collect();
    assert!(applied.len() == 2 && applied[1].contains("weight 1 -> 3"), "{log}");
    assert!(!log.contains("lb_alog"), "it was said at the start: {log}");
    assert_shares(&bed.requests(target, 20), &[("s1", 5), ("s2", 15)]);
    assert_eq!(up(&bed), [true; 4]);
}
