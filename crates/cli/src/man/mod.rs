//! `relvs man`: the manual pages, of what the commands say of themselves.
//!
//! Pages of other formats and programs are in [`PAGES`]: one line for each makes it part of the package.

mod command;

use clap::{Args, CommandFactory as _};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where they are written; it is made if it is not there
    directory: PathBuf,
}

/// A page beside those of relvs's own commands: the file's name, and its text.
type Page = (&'static str, fn() -> String);

const PAGES: &[Page] = &[
    ("ipvsadm.8", relvs_ipvsadm::manual),
    ("ipvsadm-save.8", relvs_ipvsadm::manual_of_save),
    ("ipvsadm-restore.8", relvs_ipvsadm::manual_of_restore),
];

pub(crate) fn man(arguments: &Arguments) -> ExitCode {
    match write(&arguments.directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::complain(&[format!("{}: {error}", arguments.directory.display())]),
    }
}

fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let own = command::pages(super::Arguments::command())?;
    let others = PAGES.iter().map(|(name, text)| ((*name).to_owned(), text()));
    for (name, text) in own.into_iter().chain(others) {
        fs::write(directory.join(name), undated(&text))?;
    }
    Ok(())
}

/// With the empty date of the head in quotes: without them what follows would take its place. A date would make every build
/// another one.
fn undated(page: &str) -> String {
    page.replacen("  \"relvs ", " \"\" \"relvs ", 1)
}
