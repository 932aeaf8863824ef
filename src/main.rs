//! Parses the command line and calls the library.

use std::process::ExitCode;

use clap::Parser as _;
use mainstay::cli::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
