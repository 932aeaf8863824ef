//! Where it was measured.

use std::process::Command;

use mainstay::clock::Clock;

use crate::support::postgres::programs;

/// The machine in one line.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
    let memory = memory.map_or(0, |kilobytes| kilobytes * 1024 / 1_000_000_000);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores ({model}), {memory} GB of memory, Linux {}, {}", kernel.trim(), postgres())
}

/// How many processes wanted a core in the last minute: a bench that begins on a busy machine measures its neighbours too.
pub fn busy() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// `2026-11-23`
pub fn today() -> String {
    let now = jiff::Timestamp::from_second(Clock::system().now()).unwrap_or_default();
    now.strftime("%Y-%m-%d").to_string()
}

/// The value of the first line `name : value` of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn postgres() -> String {
    let output = Command::new(programs().join("postgres")).arg("--version").output().expect("PostgreSQL is there");
    // `postgres (PostgreSQL) 15.19 (Debian …)`
    let said = String::from_utf8_lossy(&output.stdout);
    format!("PostgreSQL {}", said.split_whitespace().nth(2).unwrap_or_default())
}
