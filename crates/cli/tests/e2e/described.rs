//! The API does what its own description says, whatever it is asked: schemathesis asks, by the description that the director
//! serves. Afterwards the director lives and forwards.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::Bed;
use crate::configuration::tcp;

/// As long as it asks.
const SECONDS: u64 = 40;
/// No answer of 500 or above, and none that the description does not have.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance";
const TOKEN: &str = "a-token-for-whoever-asks-anything";

#[test]
fn whatever_is_asked_is_answered_as_described() {
    // `cargo xtask test` installs it there.
    let tool = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/schemathesis/bin/schemathesis");
    if !tool.exists() {
        return println!("skipped: schemathesis is not installed; ./x test does that");
    }
    let services = [tcp(80, "wrr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(2)) else { return };
    bed.lab.write_file("token", TOKEN).unwrap();
    let token = bed.lab.directory().join("token");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let lines = format!("[api]\nlisten = \"127.0.0.1:9111\"\ntoken_file = \"{}\"\n", token.display());
    let mut bed = bed.settings(lines.leak());
    bed.run(&services);
    bed.requests(bed.targets(80)[0], 10);

    let mut asking = Command::new(&tool);
    asking.args(["run", "http://127.0.0.1:9111/v1/openapi.json", "--checks", CHECKS]);
    asking.args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"]);
    asking.args(["--max-time", &SECONDS.to_string(), "--request-timeout", "20", "--rate-limit", "180/s"]);
    // What is changed meanwhile may make a director unready: 503 is right then.
    // A trace goes on until whoever asked goes.
    asking.args(["--exclude-path", "/readyz", "--exclude-path", "/v1/trace"]);
    asking.args(["--header", &format!("Authorization: Bearer {TOKEN}")]);
    if let Ok(seed) = std::env::var("RELVS_SEED") {
        asking.args(["--seed", &seed]);
    }
    asking.current_dir(bed.lab.directory()).env("HOME", bed.lab.directory());
    let mut asking = bed.node("d1").start(asking).unwrap();
    let ended = asking.wait(Duration::from_secs(SECONDS + 60)).unwrap();
    let said = asking.output();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{said}\n{}", bed.director.log());
    assert!(said.contains(" passed") && said.contains("Fuzzing"), "{said}");

    assert!(bed.director.is_running());
    let revision = bed.status().revision;
    assert!(revision > 1, "nothing that was asked changed anything: {said}");
    bed.reload(&services);
    bed.all_ready();
    for target in bed.targets(80) {
        bed.requests(target, 20);
    }
}
