//! The built program in a process of its own, ended when the test ends, however it ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use secrecy::ExposeSecret as _;

use super::app::{ADMIN_KEY, KEYS, PUBLIC_URL, WEBHOOK_SECRET};

/// The program with these arguments, in an empty folder, with no settings from the machine.
pub fn mainstay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// SIGTERM, so that it may clear away what it made, and waits until it has ended.
pub fn end(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
}

/// A server that serves and works.
pub struct Server {
    child: Child,
    pub url: String,
    errors: Option<BufReader<ChildStderr>>,
    output: BufReader<ChildStdout>,
}

/// What the program needs to run on a database, towards a Stripe.
pub fn environment<'a>(database_url: &'a str, stripe_url: &'a str) -> [(&'static str, &'a str); 11] {
    [
        ("MAINSTAY_DATABASE_URL", database_url),
        ("MAINSTAY_LISTEN", "127.0.0.1:0"),
        ("MAINSTAY_PUBLIC_URL", PUBLIC_URL),
        ("MAINSTAY_STRIPE_SECRET_KEY", "sk_test_of_the_tests"),
        ("MAINSTAY_STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET),
        ("MAINSTAY_STRIPE_API_URL", stripe_url),
        // The clock of most sandboxes is not the program's.
        ("MAINSTAY_SWEEP_MINUTES", "0"),
        ("MAINSTAY_VAULT_PUBLIC_KEY", KEYS.public.as_str()),
        ("MAINSTAY_VAULT_PRIVATE_KEY", KEYS.private.expose_secret()),
        ("MAINSTAY_VAULT_INDEX_KEY", KEYS.index.expose_secret()),
        ("MAINSTAY_ADMIN_KEY", ADMIN_KEY.expose_secret()),
    ]
}

impl Server {
    /// Starts `serve` with further arguments on a database and waits until it listens.
    pub fn start(database_url: &str, stripe_url: &str, folder: &std::path::Path, arguments: &[&str]) -> Self {
        let mut command = mainstay(&["serve"]);
        command.args(arguments);
        Self::start_by(command, database_url, stripe_url, folder)
    }

    /// The same by a command that comes to run `serve`.
    pub fn start_by(mut command: Command, database_url: &str, stripe_url: &str, folder: &std::path::Path) -> Self {
        let mut child = command
            .current_dir(folder)
            .envs(environment(database_url, stripe_url))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let errors = child.stderr.take().map(BufReader::new);
        let output = BufReader::new(child.stdout.take().expect("standard output"));
        let mut server = Self { child, url: String::new(), errors, output };
        let url = server.output_line("listening ");
        let url = url.strip_prefix("listening ").map(str::to_owned);
        let Some(url) = url else { panic!("it did not listen: {}", server.last_words()) };
        server.url = url;
        server
    }

    /// Waits until it says on standard error that it stands still.
    pub fn wait_until_stopped(&mut self) {
        let errors = self.errors.as_mut().expect("standard error");
        assert!(errors.lines().map_while(Result::ok).any(|line| line.starts_with("stopped at ")), "it ended instead");
    }

    /// The next line of its standard output that begins like this; nothing when it ends before.
    pub fn output_line(&mut self, begins: &str) -> String {
        let lines = self.output.by_ref().lines().map_while(Result::ok);
        lines.into_iter().find(|line| line.starts_with(begins)).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it is killed");
    }

    /// SIGTERM.
    pub fn ask_to_end(&self) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(killed.success());
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(self) -> ExitStatus {
        self.ask_to_end();
        self.wait()
    }

    /// How it ended.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    fn last_words(&mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(errors) = self.errors.as_mut() {
            let _ = errors.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
