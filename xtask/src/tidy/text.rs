//! Rules for every file, the BPF object among them: nothing of the machine that it was written on.

use super::{File, Finding};

// In two parts, so that this file keeps its own rule.
const HOME_FOLDERS: [[&str; 2]; 3] = [["/ro", "ot/"], ["/ho", "me/"], ["/wo", "rk/"]];

/// Finds absolute paths into somebody's own folders.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.content.split(|&byte| byte == b'\n').enumerate() {
        for folder in HOME_FOLDERS.map(|parts| parts.concat()) {
            if contains_path(line, folder.as_bytes()) {
                let rule = format!("`{folder}` is a path of one machine");
                findings.push(Finding { path: file.path.clone(), line: index + 1, rule });
            }
        }
    }
    findings
}

/// Whether `folder` begins a path in the line: `/opt/home/x` and `https://example.org/work/` are others.
fn contains_path(line: &[u8], folder: &[u8]) -> bool {
    let begins = |at: usize| match at.checked_sub(1).and_then(|before| line.get(before)) {
        Some(before) => !(before.is_ascii_alphanumeric() || b"._-})".contains(before)),
        None => true,
    };
    line.windows(folder.len()).enumerate().any(|(at, window)| window == folder && begins(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &[u8]) -> Vec<usize> {
        let file = File { path: "x".into(), content: content.to_vec() };
        check(&file).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_others_are_not() {
        for folder in HOME_FOLDERS.map(|parts| parts.concat()) {
            assert_eq!(lines(format!("fine\nsee \"{folder}x\"\n").as_bytes()), [2]);
            assert_eq!(lines(format!("{folder}x").as_bytes()), [1]);
            assert_eq!(lines(format!("/opt{folder}x https://example.org{folder}x $dir{folder}").as_bytes()), []);
            assert_eq!(lines(&[b"\x7fELF\xff\x00", folder.as_bytes(), b"\xfe"].concat()), [1], "in a binary");
        }
    }
}
