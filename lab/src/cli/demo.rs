//! `relvs lab demo`: plays the demo and shows what came out.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{Demo, next};
use crate::demo::{self, INTERRUPTED, Interrupted, Progress};
use crate::lab::Lab;

pub(super) fn run(arguments: &Demo, out: &mut dyn Write) -> Result<ExitCode> {
    let this = std::env::current_exe().context("the path of this program")?;
    let relvs = arguments.relvs.as_deref().unwrap_or(&this);
    // JSON stays alone on standard output.
    let mut errors = io::stderr();
    let lines: &mut dyn Write = if arguments.json { &mut errors } else { &mut *out };
    let played = demo::play(relvs, arguments.keep, &mut Progress::new(lines)?);
    let (results, kept) = match played {
        Err(error) if error.is::<Interrupted>() => {
            writeln!(errors, "{error}")?;
            return Ok(ExitCode::from(INTERRUPTED));
        }
        played => played?,
    };
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &results)?;
        writeln!(out)?;
    } else {
        let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        demo::show(out, &results, colours)?;
    }
    for name in kept {
        let lab = Lab::open(&name)?;
        let (v4, v6) = lab.plan().vip(0);
        let told: &mut dyn Write = if arguments.json { &mut errors } else { &mut *out };
        writeln!(told)?;
        next::show(told, &lab, &[v4, v6], true)?;
    }
    Ok(if results.held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
