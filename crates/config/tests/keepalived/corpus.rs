//! Files as people write them: what is made of each, as it was looked at and found right.
//!
//! The files are not ours and lie beside the project (`../shared/corpus/keepalived`); what becomes of them is in `corpus/`. Files in the
//! folder that `RELVS_CORPUS` names are read too: nothing may be so wrong that reading them ends. With `RELVS_REGENERATE` what is found is
//! written down.

use crate::files::{Memory, host};
use relvs_config::keepalived::{Files, Found, Keepalived, Limits, Support};
use serde_json::Value;
use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// One file, on a host that has every script that it names.
struct Alone(Memory);

impl Files for Alone {
    fn find(&self, folder: &str, pattern: &str) -> Found {
        self.0.find(folder, pattern)
    }

    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, String> {
        self.0.read(path, most)
    }

    fn executable(&self, _: &str) -> bool {
        true
    }

    fn program(&self, name: &str) -> Option<String> {
        Some(format!("/usr/bin/{name}"))
    }
}

/// A file by its name and its bytes.
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Example {
    pub(crate) fn read(&self) -> Keepalived {
        let files = Alone(Memory([(self.name.clone(), self.bytes.clone())].into()));
        // Far more than any of them has: one of ours is a bomb.
        let limits = Limits { lines: 20_000, ..Limits::default() };
        Keepalived::read_within(&files, &self.name, &host(), &limits)
    }
}

/// The files of a folder by their names; none if it is not there.
pub(crate) fn examples(folder: &Path) -> Option<Vec<Example>> {
    let mut found: Vec<Example> = fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "md"))
        .map(|path| Example {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            bytes: fs::read(&path).unwrap(),
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Some(found)
}

pub(crate) fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/keepalived")
}

/// A value, its parts on one line where they fit. What is nothing, false or empty is left out.
fn outline(value: &Value, depth: usize) -> Option<String> {
    let parts: Vec<String> = match value {
        Value::Null | Value::Bool(false) => return None,
        Value::Array(values) => values.iter().filter_map(|value| outline(value, depth + 1)).collect(),
        Value::Object(values) => {
            let part = |(name, value)| Some(format!("{name}: {}", outline(value, depth + 1)?));
            values.iter().filter_map(part).collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => return Some(value.to_string()),
    };
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    let line = parts.join(", ");
    if parts.is_empty() {
        None
    } else if line.len() < 150 && !line.contains('\n') {
        Some(format!("{open}{line}{close}"))
    } else {
        let indent = "  ".repeat(depth);
        let lines: String = parts.iter().map(|part| format!("{indent}  {part}\n")).collect();
        Some(format!("{open}\n{lines}{indent}{close}"))
    }
}

fn shown(read: &Keepalived) -> String {
    let mut text = format!("verdict: {:?}\n", read.verdict);
    for diagnostic in &read.diagnostics {
        writeln!(text, "{diagnostic}").unwrap();
    }
    for remark in &read.remarks {
        let (line, keyword) = (remark.place.line, remark.keyword);
        match remark.support {
            Support::Works => writeln!(text, "{line}: {keyword} works"),
            Support::Differs(how) => writeln!(text, "{line}: {keyword} differs: {how}"),
            Support::Ignored(why) => writeln!(text, "{line}: {keyword} is ignored: {why}"),
            Support::Gone(instead) => writeln!(text, "{line}: {keyword} is gone: {instead}"),
            Support::Obsolete(instead) => writeln!(text, "{line}: {keyword} is obsolete: {instead}"),
        }
        .unwrap();
    }
    assert!(read.state.vrrp.problems().iter().all(|problem| !problem.fatal), "{:?}", read.state.vrrp.problems());
    let state = serde_json::to_value(&read.state).unwrap();
    let default = serde_json::to_value(relvs_model::State::default()).unwrap();
    let Value::Object(state) = state else { panic!("a state is an object") };
    let changed: serde_json::Map<_, _> =
        state.into_iter().filter(|(name, value)| default.get(name) != Some(value)).collect();
    text.push_str(&outline(&changed.into(), 0).unwrap_or_default());
    text.push('\n');
    // A path of somebody's own does not stand in the project.
    text.replace(concat!("/ho", "me/"), "~/")
}

#[test]
fn files_are_read_as_they_were_found_right() {
    let Some(examples) = examples(&own()) else {
        println!("skipped: {} is not there", own().display());
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keepalived/corpus");
    let mut other = Vec::new();
    for example in &examples {
        let found = shown(&example.read());
        let path = folder.join(format!("{}.txt", example.name));
        if env::var_os("RELVS_REGENERATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &found).unwrap();
        }
        // Files put beside them are only read.
        match fs::read_to_string(&path) {
            Ok(right) if right == found => {}
            Ok(right) => {
                let at = right.lines().zip(found.lines()).position(|(right, found)| right != found);
                other.push(format!("{}: line {} of {}", example.name, at.unwrap_or(0) + 1, path.display()));
            }
            Err(_) => println!("{} has not been looked at", example.name),
        }
    }
    println!("{} files", examples.len());
    assert!(
        other.is_empty(),
        "these are read otherwise; look at them, and write them with RELVS_REGENERATE=1:\n{}",
        other.join("\n")
    );
}

#[test]
fn files_put_beside_are_read() {
    let Some(folder) = env::var_os("RELVS_CORPUS") else { return };
    let examples = examples(Path::new(&folder)).unwrap_or_else(|| panic!("RELVS_CORPUS names no folder"));
    for example in &examples {
        let read = example.read();
        assert!(!read.document.unread, "{}", example.name);
        for diagnostic in &read.diagnostics {
            diagnostic.render(read.document.text(&diagnostic.file), false);
        }
    }
    println!("{} files", examples.len());
}
