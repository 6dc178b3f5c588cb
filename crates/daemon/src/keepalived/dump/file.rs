//! Files in a folder that everybody may write into: never through a link, a FIFO or another's file.
//!
//! Each is made under a name that nobody knows, readable by its owner alone, and then takes the place of what has its name, whatever
//! that is. keepalived wrote into whatever stood there until CVE-2018-19044 to 19046.

use std::{
    io::{self, Write as _},
    path::Path,
};

/// Writes it.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(folder.join(name)).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn what_stands_there_is_replaced_and_never_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (other, path) = (folder.path().join("precious"), folder.path().join("keepalived.data"));
        fs::write(&other, "precious").unwrap();
        for link in [std::os::unix::fs::symlink::<&Path, &Path>, |from, to| fs::hard_link(from, to)] {
            let _ = fs::remove_file(&path);
            link(&other, &path).unwrap();
            write(folder.path(), "keepalived.data", "seen").unwrap();
            assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
            assert_eq!(fs::read_to_string(&path).unwrap(), "seen");
            let found = fs::symlink_metadata(&path).unwrap();
            assert!(found.is_file() && found.permissions().mode() & 0o777 == 0o600, "{found:?}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(write(folder.path(), "keepalived.data", "seen").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    }
}
