//! What Linux knows about a process.

/// Ticks a second in `/proc/PID/stat`: the same on every Linux, whatever its kernel's own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of CPU that a process has used, in user and system mode.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = read(process, "stat");
    // The name, in brackets, may hold blanks; the state is the first field after it.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|text| text.parse::<f64>().ok()).expect("ticks");
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Resident memory now, in MB.
pub fn resident_mb(process: u32) -> f64 {
    memory_mb(process, "VmRSS:")
}

/// The most memory that was ever resident, in MB.
pub fn peak_resident_mb(process: u32) -> f64 {
    memory_mb(process, "VmHWM:")
}

fn memory_mb(process: u32, name: &str) -> f64 {
    let status = read(process, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the line is there");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kilobytes * 1024.0 / 1e6
}

fn read(process: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{process}/{file}")).expect("the process runs")
}
