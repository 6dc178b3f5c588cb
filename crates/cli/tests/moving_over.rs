//! `relvs check`, `convert` for keepalived.conf, as commands: what they print, and their exit codes. They need no privilege.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const GOOD: &str = "! a site\nglobal_defs {\n enable_script_security\n}\nvirtual_server 192.0.2.100 80 {\n lb_algo rr # in turn\n lb_kind DR\n protocol TCP\n \
    real_server 10.0.0.11 80 {\n TCP_CHECK {\n connect_timeout 3\n }\n }\n}\n";

fn relvs(words: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relvs")).args(words).arg(file).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn keepalived_conf_is_checked_word_by_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived.conf");
    fs::write(&path, GOOD).unwrap();
    let name = path.display().to_string();
    let found = relvs(&["check", "--offline"], &path);
    let said = text(&found.stdout).replace(&name, "K");
    let expected = "K:3:2: warning: `enable_script_security` works in another way; a script that others can write is never run as root\n\
        K: no errors, 1 warning in the file by itself; 1 service, 1 server\nK: 9 keywords of keepalived: 8 work, 1 works differently\n";
    assert_eq!((said.as_str(), found.status.code()), (expected, Some(0)));

    let each = text(&relvs(&["check", "--offline", "--keywords"], &path).stdout).replace(&name, "K");
    assert!(
        each.contains("K:3: enable_script_security works differently: a script")
            && each.contains("K:6: lb_algo works\n"),
        "{each}"
    );

    let json: serde_json::Value =
        serde_json::from_slice(&relvs(&["check", "--offline", "--json"], &path).stdout).unwrap();
    assert_eq!(
        (&json["errors"], &json["services"], &json["keywords"][2]["support"]),
        (&0.into(), &1.into(), &"works".into())
    );
    assert_eq!(json["keywords"].as_array().unwrap().len(), 9);

    fs::write(&path, GOOD.replace("lb_kind", "lb_knid")).unwrap();
    let found = relvs(&["check", "--offline", "--explain"], &path);
    let said = text(&found.stdout);
    assert!(said.contains("7 |  lb_knid DR\n  |  ^^^^^^^\n") && said.contains("did you mean `lb_kind`?"), "{said}");
    assert_eq!(found.status.code(), Some(1));
    assert_eq!(relvs(&["check", "--offline"], &folder.path().join("none")).status.code(), Some(1));
}

#[test]
fn keepalived_conf_is_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived.conf");
    fs::write(&path, GOOD).unwrap();
    let found = relvs(&["convert", "--offline"], &path);
    let (page, said) = (text(&found.stdout), text(&found.stderr));
    assert_eq!(found.status.code(), Some(0), "{said}");
    assert!(page.contains("# lb_algo: in turn\n[[service]]\nlisten = \"192.0.2.100:80/tcp\"\n"), "{page}");
    assert!(said.lines().count() == 1 && said.contains("`enable_script_security` works in another way"), "{said}");
    let own = folder.path().join("relvs.toml");
    fs::write(&own, page).unwrap();
    let again = relvs(&["check", "--offline"], &own);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stdout));
    let nothing = relvs(&["convert", "--offline"], &folder.path().join("none"));
    assert_eq!((nothing.status.code(), text(&nothing.stdout)), (Some(1), String::new()));
}

#[test]
fn a_file_with_errors_is_converted_without_them_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived.conf");
    let name = path.display().to_string();
    fs::write(&path, GOOD.replace("}\n}\n", "}\n real_server 10.0.0.300 80 {\n }\n}\n").replace("lb_kind", "lb_knid"))
        .unwrap();
    let found = relvs(&["convert", "--offline"], &path);
    let (page, said) = (text(&found.stdout), text(&found.stderr));
    assert_eq!(found.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap().replace(&name, "K");
    assert_eq!(last, "K: 3 errors: what is written lacks what they are about, and begins with them as comments");
    let lines: Vec<&str> = page.lines().collect();
    assert!(lines[1].starts_with("# These errors are left out"), "{page}");
    assert!(lines[3].contains(":7:2: error: unknown keyword `lb_knid`"), "{page}");
    assert!(lines[4].contains("`10.0.0.300` is no IP address") && lines[5].is_empty(), "{page}");
    // What is written can be run.
    let own = folder.path().join("relvs.toml");
    fs::write(&own, page).unwrap();
    let again = relvs(&["check", "--offline", "--json"], &own);
    let json: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((again.status.code(), &json["services"], &json["servers"]), (Some(0), &1.into(), &1.into()));
}

/// Nothing is written of what is not known as a whole.
#[test]
fn what_is_too_much_is_not_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keepalived.conf");
    fs::write(&path, "include keepalived.conf\n".repeat(2)).unwrap();
    let found = relvs(&["convert", "--offline"], &path);
    let (page, said) = (text(&found.stdout), text(&found.stderr));
    assert_eq!((found.status.code(), page.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("include each other") && said.contains("nothing is written"), "{said}");
}
