//! Files that keepalived.conf names, on the disk: found by glob(3)'s patterns, read up to a bound. It writes nothing.

use glob::MatchOptions;
use relvs_config::keepalived::{Files, Found};
use std::{
    env, fs,
    fs::File,
    io::Read as _,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// No pattern finds more than this, which is more than a reader takes.
const MOST: usize = 5_000;
/// The longest path (PATH_MAX).
const LONGEST: usize = 4_096;
/// Of so many braces it is asked whether they have an end.
const BRACES: usize = 64;
/// As glob(3): `*` is no slash and no leading dot.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn find(&self, folder: &str, pattern: &str) -> Found {
        let mut found = Found::default();
        let mut alternatives = Vec::new();
        if pattern.len() <= LONGEST {
            alternate(String::new(), pattern, &mut alternatives);
        } else {
            found.missing.push(pattern.to_owned());
        }
        for alternative in alternatives {
            let path = Path::new(folder).join(alternative).display().to_string();
            if path.contains(['*', '?', '[']) {
                // In the order of their names; a pattern that is none finds nothing.
                let paths = glob::glob_with(&path, MATCHING).into_iter().flatten().flatten();
                found.paths.extend(paths.take(MOST).map(|path| path.display().to_string()));
            } else if Path::new(&path).exists() {
                found.paths.push(path);
            } else {
                found.missing.push(path);
            }
        }
        found.paths.truncate(MOST);
        found.missing.truncate(MOST);
        found
    }

    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, String> {
        let kind = fs::metadata(path).map_err(|error| error.to_string())?.file_type();
        if kind.is_dir() {
            return Err("it is a folder".to_owned());
        }
        // Nobody may ever write into one; but what a shell hands over as `<(...)` is one too.
        if kind.is_fifo() && !path.starts_with("/dev/") {
            return Err("it is a FIFO".to_owned());
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| error.to_string())?;
        file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn executable(&self, path: &str) -> bool {
        let runs = |path: &Path| {
            fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        if path.contains('/') {
            return runs(Path::new(path));
        }
        self.program(path).is_some()
    }

    fn program(&self, name: &str) -> Option<String> {
        let folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
        let absolute = folders.iter().filter(|folder| !name.is_empty() && folder.is_absolute());
        absolute.map(|folder| folder.join(name).display().to_string()).find(|path| self.executable(path))
    }
}

/// The disk of another machine than the one that is meant: programs are taken to be where the file says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elsewhere;

impl Files for Elsewhere {
    fn find(&self, folder: &str, pattern: &str) -> Found {
        Disk.find(folder, pattern)
    }

    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, String> {
        Disk.read(path, most)
    }

    fn executable(&self, _: &str) -> bool {
        true
    }

    fn program(&self, name: &str) -> Option<String> {
        Disk.program(name)
    }
}

/// The patterns that one with braces stands for, as a shell would expand it. `before` is expanded already.
fn alternate(before: String, rest: &str, all: &mut Vec<String>) {
    if all.len() > MOST {
        return;
    }
    let Some((open, close, commas)) = braces(rest) else {
        all.push(before + rest);
        return;
    };
    let mut begin = open + 1;
    for end in commas.into_iter().chain([close]) {
        // What an alternative has in it may have braces again.
        let inside = format!("{}{}", &rest[begin..end], &rest[close + 1..]);
        alternate(format!("{before}{}", &rest[..open]), &inside, all);
        begin = end + 1;
    }
}

/// The first pair of braces: where it opens and closes, and its own commas. `{}` is none.
fn braces(text: &str) -> Option<(usize, usize, Vec<usize>)> {
    for (open, _) in text.match_indices('{').take(BRACES) {
        let (mut depth, mut commas) = (0, Vec::new());
        for (at, character) in text[open..].char_indices().map(|(at, character)| (open + at, character)) {
            match character {
                '{' => depth += 1,
                '}' if depth == 1 && at > open + 1 => return Some((open, at, commas)),
                '}' => depth -= 1,
                ',' if depth == 1 => commas.push(at),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> Vec<String> {
        let mut all = Vec::new();
        alternate(String::new(), pattern, &mut all);
        all
    }

    #[test]
    fn braces_are_alternatives() {
        assert_eq!(expanded("a.conf"), ["a.conf"]);
        assert_eq!(expanded("{a,b}{1,2}.conf"), ["a1.conf", "a2.conf", "b1.conf", "b2.conf"]);
        assert_eq!(expanded("x{a,{b,c}d}y"), ["xay", "xbdy", "xcdy"]);
        for plain in ["{}", "a{b", "a}b", "{a"] {
            assert_eq!(expanded(plain), [plain]);
        }
        assert!(expanded(&"{a,b}".repeat(40)).len() <= MOST + 1);
    }

    #[test]
    fn files_are_found_read_and_run_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["b.conf", "a.conf", ".hidden.conf", "other"] {
            fs::write(path(name), "0123456789").unwrap();
        }
        let root = folder.path().display().to_string();
        let found = Disk.find(&root, "*.conf");
        assert_eq!((found.paths, found.missing), (vec![path("a.conf"), path("b.conf")], vec![]));
        let found = Disk.find(&root, "{other,none}");
        assert_eq!((found.paths, found.missing), (vec![path("other")], vec![path("none")]));
        assert_eq!(Disk.find("/", &path("other")).paths, [path("other")]);
        assert_eq!(Disk.find(&root, "[").paths, [""; 0]);

        assert_eq!(Disk.read(&path("other"), 4).unwrap(), b"01234", "one byte more says that there is more");
        assert_eq!(Disk.read(&root, 4).unwrap_err(), "it is a folder");
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(Disk.read(&path("fifo"), 4).unwrap_err(), "it is a FIFO");
        assert!(Disk.read(&path("none"), 4).unwrap_err().contains("No such file"));

        assert!(Disk.executable("/bin/sh") && Disk.executable("sh"));
        assert!(!Disk.executable(&path("other")) && !Disk.executable(&root) && !Disk.executable(""));
    }
}
