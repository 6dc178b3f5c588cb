//! CONTRIBUTING.md's example of a scheduler: the core with exactly what stands there is built, and its test run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the copy is; removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The fenced blocks of this language in the example, in their order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Applies a block of changes: what it takes away or leaves must be there, one line after the other, and once only.
fn apply(source: &str, change: &str) -> String {
    let text = |lines: Vec<&str>| lines.into_iter().map(|line| format!("{}\n", &line[1..])).collect::<String>();
    let before = text(change.lines().filter(|line| !line.starts_with('+')).collect());
    let after = text(change.lines().filter(|line| !line.starts_with('-')).collect());
    assert_eq!(source.matches(&before).count(), 1, "the example changes what is not there:\n{before}");
    source.replace(&before, &after)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_example_of_a_scheduler_is_complete() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = core.join("../..");
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let example = text.split("## Adding a scheduler").nth(1).unwrap();
    let (code, changes) = (blocks(example, "rust"), blocks(example, "diff"));
    let [scheduler, test] = &code[..] else { panic!("a scheduler and its test") };
    let (table, name) = changes.split_at(2);
    let model = fs::read_to_string(root.join("crates/model/src/scheduler.rs")).unwrap();
    let named = name.iter().fold(model, |source, change| apply(&source, change));
    assert!(named.contains("Scheduler::Random => \"random\""));

    let folder = Folder(env::temp_dir().join(format!("relvs-example-{}", std::process::id())));
    copy(&core.join("src"), &folder.0.join("src"));
    copy(&core.join("tests/schedule"), &folder.0.join("tests/schedule"));
    let place = folder.0.join("src/schedule");
    fs::write(place.join("random.rs"), scheduler).unwrap();
    let source = fs::read_to_string(place.join("mod.rs")).unwrap();
    fs::write(place.join("mod.rs"), table.iter().fold(source, |source, change| apply(&source, change))).unwrap();
    fs::write(folder.0.join("tests/schedule/main.rs"), format!("mod tables;\nuse tables::{{Server, World}};\n{test}"))
        .unwrap();
    // A workspace of its own, without what other tests depend on: nothing is fetched.
    let manifest = "[package]\nname = \"relvs-core\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(folder.0.join("Cargo.toml"), manifest).unwrap();

    let run = Command::new(env!("CARGO"))
        .args(["test", "--offline", "--test", "schedule"])
        .current_dir(&folder.0)
        .env("CARGO_TARGET_DIR", folder.0.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("random_takes_every_available_server_as_often ... ok"), "{said}");
}
