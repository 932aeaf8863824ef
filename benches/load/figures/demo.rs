//! How soon `mainstay demo` has told its eighteen months and prints the link by which a person signs in: of the release
//! program, and by `cargo run`, which is what the README says to type and builds without optimisation.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{Bench, median};
use crate::report::Target;
use crate::support::process::mainstay;

const DEMO: [&str; 5] = ["demo", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"];

pub fn measure(bench: &mut Bench) {
    // It is not the building that is measured.
    assert!(cargo(&["build"]).status().expect("cargo runs").success(), "the program does not build");
    let ways = [("the release program", release as fn() -> Command), ("cargo run", cargo_run)];
    for (way, command) in ways {
        let took: Vec<f64> = (0..bench.scale.demos).map(|_| seconds_to_link(command())).collect();
        let figure = format!("the demo's start to the link to its newsroom, {way}, s");
        bench.add(&figure, median(took), 1, Target::Below(15.0, 15.0));
    }
}

fn release() -> Command {
    mainstay(&DEMO)
}

fn cargo_run() -> Command {
    let mut command = cargo(&["run", "--quiet", "--"]);
    command.args(DEMO);
    command
}

/// `cargo` on this package, as it is locked.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    let (name, rest) = arguments.split_first().expect("a command");
    command.args([*name, "--locked"]).args(rest).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn seconds_to_link(mut command: Command) -> f64 {
    let begin = Instant::now();
    let mut demo = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the demo starts");
    let output = BufReader::new(demo.stdout.take().expect("standard output"));
    let said =
        output.lines().map_while(Result::ok).any(|line| line.starts_with("newsroom") && line.contains("/admin/"));
    let took = begin.elapsed().as_secs_f64();
    end(&mut demo);
    assert!(said, "it ended without a link");
    took
}

/// SIGINT, as Ctrl-C sends: it clears its folder away. On Unix `cargo run` becomes the program that it runs.
fn end(demo: &mut Child) {
    let asked = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(asked.is_ok_and(|status| status.success()), "it is gone");
    let ended = demo.wait().expect("it ends");
    assert!(ended.success(), "the demo ended badly: {ended}");
}
