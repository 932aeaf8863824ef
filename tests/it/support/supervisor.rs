//! Runs a program beside the tests so that it can never outlive them.
//!
//! `cargo test` runs no destructors of statics, and a killed process runs none at all. So a small shell stands between
//! us and the program: it starts it in a temporary folder, says `ready`, and obeys the words we write to its input. That
//! pipe closes when we are gone, however we went, and then the shell stops the program and removes the folder.
//! Invariant: whatever is started, stopped or removed, that one shell does it, one thing after the other. So no start can
//! overtake the end.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Removes the folder whatever happens, obeys until the end of input, and outlives a reader that is gone.
const PRELUDE: &str = r#"
set -eu
folder=$PWD
trap 'cd /; rm -rf "$folder"' EXIT
trap '' PIPE
obey_until_the_tests_end() {
    while read -r word; do
        if "$word"; then echo ready || true; else echo "$word failed" || true; fi
    done
}
"#;

/// Who runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub user: u32,
    pub group: u32,
}

impl Account {
    /// Somebody who is not root, for programs that refuse to run as root: `None` when we are not root ourselves.
    pub fn other_than_root() -> Option<Self> {
        if id(&["-u"]) != Some(0) {
            return None;
        }
        let found = ["postgres", "nobody"].iter().find_map(|name| {
            let (user, group) = (id(&["-u", name])?, id(&["-g", name])?);
            Some(Self { user, group })
        });
        Some(found.expect("one of the users postgres and nobody exists"))
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A running script. Dropping it stops the program and waits until its folder is gone.
#[derive(Debug)]
pub struct Supervisor {
    name: String,
    shell: Child,
    /// `None` only while it is dropped.
    talk: Mutex<Option<Talk>>,
    folder: PathBuf,
    /// What the script said after its first `ready`.
    pub answer: String,
}

#[derive(Debug)]
struct Talk {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Runs `script` (POSIX shell; `$1`… are `arguments`) in a new folder, until it prints a line `ready …`.
    ///
    /// # Panics
    /// With all that the script said, when it ends before it is ready.
    pub fn start(name: &str, script: &str, arguments: &[String], account: Option<Account>) -> Self {
        let folder = new_folder(name, account);
        let mut command = Command::new("sh");
        command.current_dir(&folder).args(["-c", &format!("{PRELUDE}{script}"), name]).args(arguments);
        if let Some(Account { user, group }) = account {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Its own group: an interrupt from the keyboard must not reach it before it has cleaned up.
        let mut shell = command.process_group(0).spawn().expect("sh starts");
        let input = shell.stdin.take().expect("its input is a pipe");
        let mut output = BufReader::new(shell.stdout.take().expect("its output is a pipe"));
        let answer = wait_until_ready(name, &mut output);
        let talk = Mutex::new(Some(Talk { input, output }));
        Self { name: name.to_owned(), shell, talk, folder, answer }
    }

    /// Has the script run its function `word`, and waits until that is done.
    ///
    /// # Panics
    /// When the function fails.
    pub fn order(&self, word: &str) {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let talk = talk.as_mut().expect("it is there until it is dropped");
        writeln!(talk.input, "{word}").expect("the script listens");
        wait_until_ready(&self.name, &mut talk.output);
    }

    /// Where the program lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Closing its input is what tells it to end; errors can only mean that it is gone already, which is the aim.
        self.talk.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.shell.wait();
    }
}

fn new_folder(name: &str, account: Option<Account>) -> PathBuf {
    // The script removes it, not a destructor of ours.
    let folder = tempfile::Builder::new().prefix(&format!("mainstay-{name}-")).tempdir().expect("a folder").keep();
    if let Some(Account { user, group }) = account {
        chown(&folder, Some(user), Some(group)).expect("root may give a folder away");
    }
    folder
}

fn wait_until_ready(name: &str, output: &mut impl BufRead) -> String {
    let mut said = String::new();
    for line in output.lines().map_while(Result::ok) {
        if let Some(answer) = line.strip_prefix("ready") {
            return answer.trim().to_owned();
        }
        said.push_str(&line);
        said.push('\n');
        assert!(!line.ends_with(" failed"), "{name}: {said}");
    }
    panic!("{name} did not start:\n{said}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(process: &str) -> bool {
        Command::new("kill").args(["-0", process]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    #[test]
    fn what_is_supervised_ends_with_us_and_leaves_no_folder() {
        let script =
            "tail -f /dev/null >/dev/null & child=$!; echo ready $child; obey_until_the_tests_end; kill $child; wait";
        let supervisor = Supervisor::start("tail", script, &[], None);
        let (child, folder) = (supervisor.answer.clone(), supervisor.folder().to_owned());
        assert!(runs(&child) && folder.is_dir());
        drop(supervisor);
        assert!(!runs(&child), "the child still runs");
        assert!(!folder.exists(), "{} is still there", folder.display());
    }

    #[test]
    fn it_obeys_one_word_after_the_other() {
        let script = "write() { echo written >>file; }; echo ready; obey_until_the_tests_end";
        let supervisor = Supervisor::start("obedient", script, &[], None);
        supervisor.order("write");
        supervisor.order("write");
        assert_eq!(std::fs::read_to_string(supervisor.folder().join("file")).expect("a file"), "written\nwritten\n");
    }

    #[test]
    #[should_panic(expected = "false failed")]
    fn an_order_that_fails_is_not_silent() {
        Supervisor::start("disobedient", "echo ready; obey_until_the_tests_end", &[], None).order("false");
    }

    #[test]
    #[should_panic(expected = "crooked did not start:\nno such luck")]
    fn a_script_that_fails_says_what_it_said() {
        Supervisor::start("crooked", "echo no such luck; exit 1", &[], None);
    }
}
