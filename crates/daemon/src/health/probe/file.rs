//! Does a file say that the server is up? (FILE_CHECK, with track_file's numbers)
//!
//! The file is read anew for each probe and never waited for: it must be a regular one. As with keepalived a file that is
//! not there counts as 0.

use super::{Reason, Talk};
use relvs_model::health::{FileProbe, Says};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// So much of a file is read.
const READ_MAX: u64 = 64;
/// Minus infinity: the server is down.
const DOWN: i64 = -254;
/// Nothing adds more than this to a weight.
const UP_MAX: i64 = 65_535;

/// Reads it.
pub(super) async fn probe(_: &Talk<'_>, file: &FileProbe) -> Result<Option<Says>, Reason> {
    let path = file.path.clone();
    // A file system may hang.
    let read = tokio::task::spawn_blocking(move || number(Path::new(&path))).await;
    let number = read.map_err(|_| "reading the file was given up".to_owned())?;
    judge(number.map_err(|why| format!("{}: {why}", file.path))?, file.weight)
}

fn number(path: &Path) -> Result<i64, String> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.to_string()),
        Ok(found) if !found.is_file() => return Err("not a regular file".to_owned()),
        Ok(_) => {}
    }
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(READ_MAX).read_to_end(&mut text)).map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&text);
    let word = text.split_whitespace().next().unwrap_or("0");
    word.parse().map_err(|_| format!("`{}` is no number", word.escape_debug()))
}

fn judge(number: i64, weight: i32) -> Result<Option<Says>, Reason> {
    if weight == 0 {
        return if number == 0 { Ok(None) } else { Err(format!("the file says {number}")) };
    }
    let added = number.saturating_mul(weight.into());
    if added <= DOWN {
        return Err(format!("the file says {number}"));
    }
    let added = i32::try_from(added.min(UP_MAX)).unwrap_or(i32::MAX);
    Ok(Some(Says::Add(added)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_added_or_ends_the_server() {
        assert_eq!(judge(5, 1), Ok(Some(Says::Add(5))));
        assert_eq!(judge(5, -2), Ok(Some(Says::Add(-10))));
        assert_eq!(judge(-253, 1), Ok(Some(Says::Add(-253))));
        assert_eq!(judge(-254, 1), Err("the file says -254".to_owned()));
        assert_eq!(judge(254, -1), Err("the file says 254".to_owned()));
        assert_eq!(judge(i64::MAX, 100), Ok(Some(Says::Add(65_535))));
        assert_eq!((judge(0, 0), judge(1, 0)), (Ok(None), Err("the file says 1".to_owned())));
    }

    #[test]
    fn what_is_not_a_number_is_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weight");
        assert_eq!(number(&path), Ok(0), "a file that is not there");
        for (text, expected) in [("", Ok(0)), (" -254\n7", Ok(-254)), ("x\n", Err("`x` is no number".to_owned()))] {
            fs::write(&path, text).unwrap();
            assert_eq!(number(&path), expected, "{text}");
        }
        assert_eq!(number(directory.path()), Err("not a regular file".to_owned()));
    }
}
