//! The lab alone: `relvs-lab lab up` is what `relvs lab up` is, without a director inside. It exists for the lab's own tests.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "relvs-lab", about = "Network-namespace topologies, traffic and faults")]
enum Arguments {
    /// Lay out, look into and remove topologies in network namespaces.
    #[command(subcommand)]
    Lab(relvs_lab::cli::LabCommand),
}

fn main() -> ExitCode {
    let Arguments::Lab(command) = Arguments::parse();
    relvs_lab::cli::run(command, &mut std::io::stdout()).unwrap_or_else(|error| {
        // Nobody is left to hear about a standard error that is closed.
        let _ = writeln!(std::io::stderr(), "relvs-lab: {error:#}");
        ExitCode::FAILURE
    })
}
