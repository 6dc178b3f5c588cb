//! The results for people: tables, then whether it held. Colours only where they are asked for.

use std::io::{self, Write};

use super::results::{Bypass, Case, Count, DirectorAway, Download, Results, ServerAway, Shares};
use crate::table::write_table;

/// Writes them; `colours` for a terminal.
///
/// # Errors
/// `out` cannot be written.
pub fn show(out: &mut dyn Write, results: &Results, colours: bool) -> io::Result<()> {
    let mut page = Vec::new();
    cases(&mut page, &results.cases)?;
    bypasses(&mut page, &results.cases)?;
    for fault in &results.server_away {
        server_away(&mut page, fault)?;
    }
    for fault in &results.director_away {
        director_away(&mut page, fault)?;
    }
    for note in &results.notes {
        writeln!(page, "\nnote: {note}")?;
    }
    writeln!(page)?;
    for failure in &results.failures {
        writeln!(page, "FAILED: {failure}")?;
    }
    if results.held {
        writeln!(page, "everything held, in {:.0} s", results.seconds)?;
    } else {
        writeln!(page, "{} FAILED, in {:.0} s", results.failures.len(), results.seconds)?;
    }
    let text = String::from_utf8_lossy(&page);
    out.write_all(if colours { coloured(&text) } else { text.into_owned() }.as_bytes())
}

fn cases(page: &mut dyn Write, cases: &[Case]) -> io::Result<()> {
    let heading = [
        "method",
        "family",
        "requests",
        "lost",
        "s1 : s2 : s3",
        "100 MB down",
        "up",
        "UDP",
        "lost",
        "s1 : s2 : s3",
        "checks",
    ];
    let row = |case: &Case| {
        let seconds = |moved: &Option<_>| moved.as_ref().map_or_else(|| "-".to_owned(), in_seconds);
        let scheduled = format!("{} {}", colons(&case.http), case.scheduler);
        let held = if case.failures.is_empty() { "held" } else { "FAILED" };
        vec![
            case.method.clone(),
            case.family.to_owned(),
            case.http.sent.to_string(),
            case.http.lost.to_string(),
            scheduled,
            seconds(&case.download),
            seconds(&case.upload),
            case.udp.sent.to_string(),
            case.udp.lost.to_string(),
            colons(&case.udp),
            held.to_owned(),
        ]
    };
    writeln!(page)?;
    write_table(page, &heading, &cases.iter().map(row).collect::<Vec<_>>())?;
    for case in cases.iter().filter(|case| case.scheduler == "wrr") {
        let weights: Vec<String> = case.weights.values().map(ToString::to_string).collect();
        writeln!(page, "{} {}: wrr with weights {}", case.method, case.family, weights.join(" : "))?;
    }
    writeln!(
        page,
        "checks: nothing lost, shares exact, contents identical; DR and TUN: replies past the director, the VIP claimed by d1 alone"
    )
}

fn bypasses(page: &mut dyn Write, cases: &[Case]) -> io::Result<()> {
    let row = |case: &Case, seen: &Bypass| {
        vec![
            format!("{} {}", case.method, case.family),
            seen.to_client.to_string(),
            seen.replies_at_director.to_string(),
            seen.into_director.to_string(),
            seen.forwarded.to_string(),
            format!("{} by {}", case.vip, seen.vip_claimed_by.join(", ")),
        ]
    };
    let rows: Vec<_> = cases.iter().filter_map(|case| Some(row(case, case.bypass.as_ref()?))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(page)?;
    let heading = ["packets", "to the client", "replies at d1", "into d1", "forwarded by d1", "VIP claimed (ARP, NDP)"];
    write_table(page, &heading, &rows)
}

fn server_away(page: &mut dyn Write, fault: &ServerAway) -> io::Result<()> {
    writeln!(
        page,
        "\na server away ({}): {} requests, {} lost; {}",
        fault.methods.join(", "),
        fault.requests,
        fault.lost,
        whole(&fault.downloads)
    )?;
    let row = |phase: &super::results::Phase| {
        let of = |server: &str| phase.answered.get(server).copied().unwrap_or(0).to_string();
        vec![phase.what.clone(), of("s1"), of("s2"), of("s3"), phase.lost.to_string()]
    };
    let rows: Vec<_> = fault.phases.iter().map(row).collect();
    write_table(page, &["answered while", "s1", "s2", "s3", "lost"], &rows)?;
    let of_it = fault.downloads.iter().filter(|download| download.server == fault.server);
    let ends: Vec<String> = of_it.map(|download| format!("{:.1}", download.ended_after_seconds)).collect();
    writeln!(page, "downloads from {} ended {} s after its weight went to 0", fault.server, ends.join(", "))
}

fn director_away(page: &mut dyn Write, fault: &DirectorAway) -> io::Result<()> {
    let [before, adopted, end] = fault.flows;
    writeln!(
        page,
        "\nthe director away ({}): killed under {} requests/s, no daemon for {:.1} s\n  {} requests, {} lost, {} of them answered \
         while no daemon ran; {}\n  tables adopted: {}; flows counted: {before} before, {adopted} after the start, {end} at the end",
        fault.methods.join(", "),
        fault.requests_a_second,
        fault.seconds_without_daemon,
        fault.requests,
        fault.lost,
        fault.answered_without_daemon,
        whole(&fault.downloads),
        if fault.adopted { "yes" } else { "NO" },
    )
}

fn whole(downloads: &[Download]) -> String {
    format!("{} running downloads ended whole", downloads.len())
}

fn in_seconds(moved: &super::results::Moved) -> String {
    format!("{:.2} s", moved.seconds)
}

/// `100 : 100 : 100`, in the order of the names of those that were to answer, then the names of others.
fn colons(count: &Count) -> String {
    let Count { shares, expected, .. } = count;
    let of = |server: &String| shares.get(server).copied().unwrap_or(0).to_string();
    let mut text = expected.keys().map(of).collect::<Vec<_>>().join(" : ");
    let strangers: Shares =
        shares.iter().filter(|(server, _)| !expected.contains_key(*server)).map(|(s, c)| (s.clone(), *c)).collect();
    if !strangers.is_empty() {
        text = format!("{text}, {}", super::results::in_words(&strangers));
    }
    text
}

fn coloured(text: &str) -> String {
    const GREEN: &str = "\x1b[32m";
    const RED: &str = "\x1b[31;1m";
    const PLAIN: &str = "\x1b[0m";
    let green = |word: &str| format!("{GREEN}{word}{PLAIN}");
    text.replace("FAILED", &format!("{RED}FAILED{PLAIN}"))
        .replace("  held\n", &format!("  {}\n", green("held")))
        .replace("everything held", &green("everything held"))
}

#[cfg(test)]
mod tests {
    use super::super::results::Phase;
    use super::*;

    fn case(lost: u64, failures: Vec<String>) -> Case {
        let shares: Shares = [("s1".to_owned(), 150), ("s2".to_owned(), 100), ("s3".to_owned(), 50 - lost)].into();
        Case {
            method: "TUN".to_owned(),
            family: "IPv4",
            vip: "192.0.2.101".to_owned(),
            scheduler: "wrr",
            weights: [("s1".to_owned(), 3), ("s2".to_owned(), 2), ("s3".to_owned(), 1)].into(),
            curl: None,
            http: Count { sent: 300, lost, expected: shares.clone(), shares },
            udp: Count::default(),
            download: None,
            upload: None,
            bypass: Some(Bypass { to_client: 7, vip_claimed_by: vec!["d1".to_owned()], ..Bypass::default() }),
            failures,
        }
    }

    fn shown(cases: Vec<Case>, colours: bool) -> String {
        let phase = Phase { what: "all three".to_owned(), answered: [("s2".to_owned(), 9)].into(), lost: 0 };
        let away = ServerAway { phases: vec![phase], ..ServerAway::default() };
        let mut results = Results { cases, server_away: vec![away], ..Results::default() };
        results.director_away.push(DirectorAway::default());
        results.conclude(48.3);
        let mut page = Vec::new();
        show(&mut page, &results, colours).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn what_held_is_said() {
        let page = shown(vec![case(0, Vec::new())], false);
        assert!(page.contains("300       0     150 : 100 : 50 wrr"), "{page}");
        assert!(page.contains("TUN IPv4: wrr with weights 3 : 2 : 1"), "{page}");
        assert!(page.contains("192.0.2.101 by d1") && page.contains("all three"), "{page}");
        assert!(page.ends_with("everything held, in 48 s\n") && !page.contains('\x1b'), "{page}");
    }

    #[test]
    fn what_failed_is_said_with_its_part() {
        let page = shown(vec![case(2, vec!["2 of 300 requests were lost".to_owned()])], true);
        assert!(page.contains("\x1b[31;1mFAILED\x1b[0m: TUN IPv4: 2 of 300 requests were lost\n"), "{page}");
        assert!(!page.contains("everything held"), "{page}");
    }
}
