//! SQLite on a disk that is full, in a file that may no longer be written, and in one that never could.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mainstay::clock::Clock;
use mainstay::domain::event::API_VERSION;
use serde_json::json;

use crate::support::app::WEBHOOK_SECRET;
use crate::support::database::{Database, Kind};
use crate::support::process::{Server, mainstay};
use crate::support::supervisor::Account;

/// Runs the rest of its arguments with a small disk of its own at `$1`.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=8m tmpfs \"$1\" && shift && exec \"$@\"";
/// The same where no disk can be mounted: no file may grow beyond 4 MiB (in blocks of 512 bytes).
const WITH_SMALL_FILES: &str = "trap '' XFSZ; ulimit -S -f 8192; shift; exec \"$@\"";

/// How the room on the disk is made scarce, by what this machine allows.
enum Scarcity {
    /// A disk of its own, in a namespace of its own (its flags).
    Disk(&'static [&'static str]),
    /// A limit on how long files may grow.
    Files,
}

impl Scarcity {
    fn here() -> Self {
        let works = |flags: &[&str]| {
            let script = "mount -t tmpfs tmpfs /mnt";
            let tried = Command::new("unshare").args(flags).args(["sh", "-c", script]).stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        };
        let flags: [&'static [&'static str]; 2] = [&["-m"], &["-Urm"]];
        flags.into_iter().find(|flags| works(flags)).map_or(Self::Files, Self::Disk)
    }

    /// `mainstay serve` where room is scarce at `place`.
    fn command(&self, place: &Path) -> Command {
        let program = mainstay(&["serve"]);
        let (mut command, script) = match self {
            Self::Disk(flags) => {
                let mut command = Command::new("unshare");
                command.args(*flags).arg("sh");
                (command, ON_A_SMALL_DISK)
            }
            Self::Files => (Command::new("sh"), WITH_SMALL_FILES),
        };
        command.args(["-c", script, "sh"]).arg(place).arg(program.get_program()).args(program.get_args());
        command.stdin(Stdio::null());
        command
    }

    /// Takes the room that is left; what gives it back.
    fn fill(&self, server: &Server, place: &Path) -> Option<PathBuf> {
        let Self::Disk(_) = self else { return None };
        let seen_by_it = format!("/proc/{}/root{}", server.id(), place.display());
        let ballast = Path::new(&seen_by_it).join("ballast");
        let mut file = File::create(&ballast).expect("a file on its disk");
        while file.write_all(&[0; 4096]).is_ok() {}
        Some(ballast)
    }

    fn heal(server: &Server, ballast: Option<PathBuf>) {
        if let Some(ballast) = ballast {
            return std::fs::remove_file(ballast).expect("the ballast goes");
        }
        let process = server.id().to_string();
        let healed = Command::new("prlimit").args(["--pid", &process, "--fsize=unlimited:"]).status();
        assert!(healed.expect("prlimit runs").success());
    }
}

async fn post(server: &Server, n: usize) -> u16 {
    // A few kilobytes, as Stripe's are; the half of them is worked on, so that the worker meets the full disk too.
    let kind = if n.is_multiple_of(2) { "invoice.paid" } else { "some.type" };
    let object = json!({"id": format!("in_{n}"), "object": "invoice", "description": "x".repeat(3_000)});
    let body =
        json!({"id": format!("evt_{n}"), "type": kind, "api_version": API_VERSION, "created": 1, "livemode": false,
        "data": {"object": object}})
        .to_string();
    let signature = mainstay::sandbox::sign(body.as_bytes(), WEBHOOK_SECRET, Clock::system().now());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = http.post(format!("{}/webhooks/stripe", server.url)).header("stripe-signature", signature);
    request.body(body).send().await.expect("an answer").status().as_u16()
}

/// How many events are in these states.
async fn counted(server: &Server, states: &[&str]) -> usize {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let text = http.get(format!("{}/metrics", server.url)).send().await.expect("an answer").text().await.expect("text");
    let of = |state: &&str| -> usize {
        let name = format!("mainstay_events{{state=\"{state}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name)).expect("the figure");
        line.parse().expect("a number")
    };
    states.iter().map(of).sum()
}

const ALL: [&str; 4] = ["received", "applied", "ignored", "parked"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_nothing_is_acknowledged_that_is_not_stored_and_room_heals_it() {
    let scarcity = Scarcity::here();
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("disk");
    std::fs::create_dir(&place).expect("a place for the disk");
    let url = format!("sqlite://{}/mainstay.db", place.display());
    let server = Server::start_by(scarcity.command(&place), &url, "http://127.0.0.1:9/", folder.path());
    assert_eq!(post(&server, 0).await, 200, "there is room");
    let ballast = scarcity.fill(&server, &place);
    let mut acknowledged = 1;
    let mut refused = 0;
    // What room the files already have may be used up first.
    for n in 1..3_000 {
        match post(&server, n).await {
            200 => acknowledged += 1,
            503 => refused += 1,
            other => panic!("{other} is no answer to a signed event"),
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "it came to be full");
    assert!(counted(&server, &ALL).await >= acknowledged, "every acknowledged one is there");

    Scarcity::heal(&server, ballast);
    for n in 10_000..10_020 {
        assert_eq!(post(&server, n).await, 200, "without a restart");
    }
    assert!(counted(&server, &ALL).await >= acknowledged + 20);
    let worked = async {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
        while counted(&server, &["received"]).await > 0 {
            looks.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), worked).await.expect("the worker goes on too");
    assert_eq!(counted(&server, &["parked"]).await, 0, "no event is blamed for the disk");
    assert!(server.terminate().success());
}

/// Takes from a running server the right to write its files, or gives it back: by the file system, where that lets us,
/// which also holds for files that are open; else by the process.
fn may_write(server: &Server, folder: &Path, may: bool) {
    let mut chattr = Command::new("chattr");
    chattr.arg(if may { "-i" } else { "+i" }).args(["mainstay.db", "mainstay.db-wal"]).current_dir(folder);
    if chattr.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return;
    }
    let limit = if may { "--fsize=unlimited:" } else { "--fsize=0:" };
    let limited = Command::new("prlimit").args(["--pid", &server.id().to_string(), limit]).status();
    assert!(limited.expect("prlimit runs").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_its_file_becomes_read_only_nothing_is_acknowledged_and_it_heals_without_a_restart() {
    let database = Database::fresh(Kind::Sqlite).await;
    let folder = database.folder.path();
    let program = mainstay(&["serve"]);
    let mut command = Command::new("sh");
    // What is over a limit is then an error, and does not end the process.
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    command.stdin(Stdio::null());
    let server = Server::start_by(command, &database.url, "http://127.0.0.1:9/", folder);
    assert_eq!(post(&server, 1).await, 200);
    may_write(&server, folder, false);
    let mut answers = Vec::new();
    for n in 2..12 {
        answers.push(post(&server, n).await);
    }
    // Before anything is asserted: what is immutable could not be cleared away.
    may_write(&server, folder, true);
    assert_eq!(answers, [503; 10]);
    assert_eq!(counted(&server, &ALL).await, 1, "what was there can be read");
    for n in 2..12 {
        assert_eq!(post(&server, n).await, 200, "without a restart");
    }
    assert_eq!(counted(&server, &ALL).await, 11);
    assert!(server.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_file_that_may_not_be_written_it_does_not_start_and_says_why() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;

    let mode = Permissions::from_mode;
    for (what, folder_mode) in [("a folder that may not be written", 0o555), ("a file in one that may", 0o777)] {
        let database = Database::fresh(Kind::Sqlite).await;
        let folder = database.folder.path();
        // Root may write everything, so somebody else runs it, from where they may read it.
        let program = folder.join("mainstay-program");
        std::fs::copy(env!("CARGO_BIN_EXE_mainstay"), &program).expect("the program is copied");
        for file in std::fs::read_dir(folder).expect("the folder") {
            set_permissions(file.expect("a file").path(), mode(0o555)).expect("nobody may write it");
        }
        let _ = std::fs::remove_file(folder.join("mainstay.db.migrate-lock"));
        set_permissions(folder, mode(folder_mode)).expect("the folder is ours");
        let mut command = Command::new(&program);
        command.arg("migrate").env_clear().env("MAINSTAY_DATABASE_URL", &database.url).current_dir("/");
        if let Some(Account { user, group }) = Account::other_than_root() {
            command.uid(user).gid(group);
        }
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        set_permissions(folder, mode(0o755)).expect("it can be removed again");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(&folder.display().to_string()) && said.contains("may be written to"), "{what}: {said}");
        assert_eq!(said.lines().count(), 1, "one sentence for {what}: {said}");
    }
}
