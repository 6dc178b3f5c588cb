//! Sequences recorded from a real kernel, arrival by arrival.

use crate::rig::{Rig, SMALL, weighted};
use relvs_model::{Scheduler, Service};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[test]
fn recorded_sequences_are_repeated() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let ran = folder(&own);
    assert_eq!(ran, 18, "of the repository's own records");
    if let Some(named) = std::env::var_os("RELVS_GOLDEN") {
        folder(&PathBuf::from(named));
    }
}

/// Runs the records of a folder, and gives how many.
fn folder(path: &Path) -> usize {
    let Ok(text) = std::fs::read_to_string(path.join("sched.jsonl")) else {
        println!("{}: no sched.jsonl", path.display());
        return 0;
    };
    let (mut ran, mut others, mut skipped) = (0, 0, Vec::new());
    for (at, line) in text.lines().enumerate() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("line {}: {e}", at + 1));
        let name = format!("line {}, {} {}", at + 1, record["sched"], record["name"]);
        let Ok(scheduler) = record["sched"].as_str().unwrap_or_default().parse::<Scheduler>() else {
            others += 1;
            continue;
        };
        match run(&record, scheduler, false, &name) {
            Ok(()) => {
                run(&record, scheduler, true, &name).unwrap();
                ran += 1;
            }
            Err(reason) => skipped.push(format!("{name}: {reason}")),
        }
    }
    println!("{}: {ran} records run, {others} of other schedulers", path.display());
    println!("not run:\n  {}", skipped.join("\n  "));
    ran
}

/// Runs a record, with the servers added at once or one after another. Err if it is about something else too.
fn run(record: &Value, scheduler: Scheduler, singly: bool, name: &str) -> Result<(), String> {
    let plain = record["opts"] == "" && record["flags"] == "" && record["thresholds"].is_null();
    if !plain || !matches!(record["kind"].as_str(), Some("udp" | "tcp" | "tcpc")) {
        return Err("other options".to_owned());
    }
    let weights: Vec<u32> = record["weights"].as_array().unwrap().iter().map(|w| w.as_u64().unwrap() as u32).collect();
    let mut steps = Vec::new();
    for step in record["steps"].as_array().unwrap() {
        for command in step[1].as_array().unwrap() {
            steps.push((step[0].as_u64().unwrap() as usize, edit(command.as_str().unwrap())?));
        }
    }

    let mut service = weighted(scheduler, &weights);
    let mut rig = Rig::new(SMALL);
    if singly {
        for servers in 0..weights.len() {
            let first = Service { servers: service.servers[..servers].to_vec(), ..service.clone() };
            rig.apply(&[first]).unwrap();
        }
    }
    rig.apply(std::slice::from_ref(&service)).unwrap();
    let mut seen = String::new();
    for arrival in 0..record["n"].as_u64().unwrap() as usize {
        let due: Vec<_> = steps.iter().filter(|(at, _)| *at == arrival).collect();
        if !due.is_empty() {
            seen.push('|');
        }
        for (_, edit) in due {
            edit(&mut service);
            rig.apply(std::slice::from_ref(&service)).unwrap();
        }
        let reached = rig.arrive(service.key);
        let place = reached.map(|reached| service.servers.iter().position(|s| s.address == reached.ip()).unwrap() + 1);
        seen.push_str(&place.map_or("-".to_owned(), |place| place.to_string()));
    }
    assert_eq!(seen, record["seq"].as_str().unwrap(), "{name}, servers added one after another: {singly}");
    Ok(())
}

type Edit = Box<dyn Fn(&mut Service)>;

/// What an `ipvsadm` command of a step does to the service.
fn edit(command: &str) -> Result<Edit, String> {
    let words: Vec<_> = command.split_whitespace().collect();
    match words[..] {
        ["-E", "SVC", "-s", scheduler] => {
            let scheduler: Scheduler = scheduler.parse().map_err(|()| format!("switches to {scheduler}"))?;
            Ok(Box::new(move |service| service.scheduler = scheduler))
        }
        ["-e", "SVC", "-r", server, "-m", "-w", weight] => {
            let place = server.strip_prefix("10.0.0.1").and_then(|rest| rest.strip_suffix(":RP")).unwrap();
            let (place, weight): (usize, u32) = (place.parse().unwrap(), weight.parse().unwrap());
            Ok(Box::new(move |service| service.servers[place - 1].weight = weight))
        }
        _ => Err(format!("has the step {command}")),
    }
}
