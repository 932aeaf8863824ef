//! PostgreSQL's own programs, which dump and restore. Where the server is and the password they get as variables, never as
//! arguments, which everybody on the machine can read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;
use url::Url;

use super::BackupError;
use crate::config::DatabaseUrl;
use crate::store::{CopyError, check_versions};

/// Where Debian keeps each version's programs.
const VERSIONED: &str = "/usr/lib/postgresql";
/// Of what a program says about a failure, at most; in bytes.
const SAID: usize = 500;

/// Where PostgreSQL's programs are looked for.
#[derive(Debug, Clone)]
pub struct PgPrograms {
    /// Empty: wherever PATH says.
    folders: Vec<PathBuf>,
}

impl Default for PgPrograms {
    /// On PATH, then in Debian's folders, the newest version first.
    fn default() -> Self {
        let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let entries = std::fs::read_dir(VERSIONED).into_iter().flatten().flatten();
        let mut versions: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
        let versioned = versions.into_iter().map(|path| path.join("bin"));
        Self { folders: [PathBuf::new()].into_iter().chain(versioned).collect() }
    }
}

/// How to reach a server, as its programs take it from their environment.
#[derive(Clone)]
pub(super) struct Server {
    variables: Vec<(&'static str, String)>,
    database: String,
}

impl Server {
    pub fn of(database: &DatabaseUrl) -> Self {
        let mut server = Self { variables: Vec::new(), database: String::new() };
        // It was parsed when the settings were read.
        let Ok(url) = Url::parse(database.expose()) else { return server };
        let decoded = |text: &str| percent_decoded(text);
        let user = Some(url.username()).filter(|user| !user.is_empty());
        let parts = [
            ("PGHOST", url.host_str().map(|host| decoded(host.trim_matches(['[', ']'])))),
            ("PGPORT", url.port().map(|port| port.to_string())),
            ("PGUSER", user.map(decoded)),
            ("PGPASSWORD", url.password().map(decoded)),
        ];
        for (name, value) in parts {
            server.variables.extend(value.map(|value| (name, value)));
        }
        server.database = decoded(url.path().trim_start_matches('/'));
        for (name, value) in url.query_pairs() {
            let value = value.into_owned();
            match &*name {
                "host" => server.set("PGHOST", value),
                "hostaddr" => server.set("PGHOSTADDR", value),
                "port" => server.set("PGPORT", value),
                "user" => server.set("PGUSER", value),
                "password" => server.set("PGPASSWORD", value),
                "dbname" => server.database = value,
                "sslmode" | "ssl-mode" => server.set("PGSSLMODE", value),
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => server.set("PGSSLROOTCERT", value),
                "sslcert" | "ssl-cert" => server.set("PGSSLCERT", value),
                "sslkey" | "ssl-key" => server.set("PGSSLKEY", value),
                "options" => server.set("PGOPTIONS", value),
                _ => {}
            }
        }
        server
    }

    /// The later value wins.
    fn set(&mut self, name: &'static str, value: String) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value));
    }
}

fn percent_decoded(text: &str) -> String {
    // As a form would write it, a plus sign is a blank; in an address it is itself.
    let pair = format!("t={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

impl PgPrograms {
    /// Programs that are looked for in these folders only.
    pub fn within(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// The first program of this name that can talk to a server of this version: one older than it cannot.
    async fn find(&self, program: &'static str, major: u32) -> Result<PathBuf, BackupError> {
        for folder in &self.folders {
            let path = folder.join(program);
            let Ok(output) = command(&path).arg("--version").output().await else { continue };
            if version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|version| version >= major) {
                return Ok(path);
            }
        }
        Err(BackupError::NoProgram { program, major })
    }

    /// Dumps the server's database, as of one moment, into `file`.
    pub(super) async fn dump(&self, server: &Server, major: u32, file: File) -> Result<(), BackupError> {
        let mut dump = command(&self.find("pg_dump", major).await?);
        dump.args(["--format=custom", "--no-password"]);
        dump.envs(server.variables.iter().map(|(name, value)| (name, value))).env("PGDATABASE", &server.database);
        succeeded("pg_dump", dump.stdout(file).spawn().map(tokio::process::Child::wait_with_output)).await.map(|_| ())
    }

    /// Reads a whole dump: whether it is one of ours, of a schema this program knows.
    pub(super) async fn check(&self, path: &Path, major: u32) -> Result<Result<(), CopyError>, BackupError> {
        let program = self.find("pg_restore", major).await?;
        let reads = async |arguments: &[&str]| {
            let mut read = command(&program);
            read.args(arguments).arg(path).stdout(Stdio::piped());
            succeeded("pg_restore", read.spawn().map(tokio::process::Child::wait_with_output)).await
        };
        let migrations = match reads(&["--data-only", "--table=_sqlx_migrations", "--file=-"]).await {
            Ok(output) => output.stdout,
            Err(error) => return damaged(error),
        };
        if let Err(error) = check_versions(&versions(&String::from_utf8_lossy(&migrations))) {
            return Ok(Err(error));
        }
        match reads(&["--file=/dev/null"]).await {
            Ok(_) => Ok(Ok(())),
            Err(error) => damaged(error),
        }
    }

    /// Restores a dump into the server's empty database, whole or not at all.
    pub(super) async fn restore(&self, server: &Server, major: u32, path: &Path) -> Result<(), BackupError> {
        let mut restore = command(&self.find("pg_restore", major).await?);
        restore.args(["--no-password", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]);
        restore.arg(format!("--dbname={}", server.database)).arg(path);
        restore.envs(server.variables.iter().map(|(name, value)| (name, value))).stdout(Stdio::null());
        succeeded("pg_restore", restore.spawn().map(tokio::process::Child::wait_with_output)).await.map(|_| ())
    }
}

/// What it says of a dump that `pg_restore` could not read: a newer one than it can read is not damaged.
fn damaged(error: BackupError) -> Result<Result<(), CopyError>, BackupError> {
    match error {
        BackupError::Program { said, .. } if !said.contains("unsupported version") => Ok(Err(CopyError::Damaged(said))),
        other => Err(other),
    }
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // What they say is read by us too.
    command.env("LC_ALL", "C");
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn succeeded(
    program: &'static str,
    running: std::io::Result<impl Future<Output = std::io::Result<Output>>>,
) -> Result<Output, BackupError> {
    let failed = |said: String| BackupError::Program { program, said };
    let output =
        running.map_err(|error| failed(error.to_string()))?.await.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    Err(failed(said.chars().take(SAID).collect()))
}

/// The major version in `pg_dump (PostgreSQL) 15.14 (Debian …)`.
fn version(text: &str) -> Option<u32> {
    let (_, number) = text.split_once("(PostgreSQL) ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The migrations recorded in the rows that `pg_restore` prints for COPY.
fn versions(text: &str) -> Vec<i64> {
    let rows = text.lines().skip_while(|line| !line.starts_with("COPY ")).skip(1).take_while(|line| *line != "\\.");
    rows.filter_map(|line| line.split('\t').next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_read_from_the_address_and_the_password_is_no_argument() {
        let url = "postgres://ann%40b:s%2Bcr%20t@[::1]:5433/gifts?sslmode=require&statement-cache-capacity=1";
        let server = Server::of(&DatabaseUrl::parse(url).unwrap());
        assert_eq!(server.database, "gifts");
        let expected = [
            ("PGHOST", "::1"),
            ("PGPORT", "5433"),
            ("PGUSER", "ann@b"),
            ("PGPASSWORD", "s+cr t"),
            ("PGSSLMODE", "require"),
        ];
        assert_eq!(server.variables, expected.map(|(name, value)| (name, value.to_owned())));
        let socket = Server::of(&DatabaseUrl::parse("postgres:///gifts?host=/run/postgresql&password=x").unwrap());
        assert_eq!(socket.variables, [("PGHOST", "/run/postgresql".to_owned()), ("PGPASSWORD", "x".to_owned())]);
    }

    #[test]
    fn a_dump_that_is_too_new_for_the_program_is_not_called_damaged() {
        let failed = |said: &str| BackupError::Program { program: "pg_restore", said: said.to_owned() };
        assert!(damaged(failed("pg_restore: error: unsupported version (1.99) in file header")).is_err());
        assert!(matches!(damaged(failed("pg_restore: error: unexpected end of file")), Ok(Err(CopyError::Damaged(_)))));
    }

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        assert_eq!(version("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(version("pg_dump (PostgreSQL) 18devel\n"), Some(18));
        assert_eq!(version("something else"), None);
        let text = "SET x = 1;\nCOPY public._sqlx_migrations (version, a) FROM stdin;\n1\ta\n22\tb\n\\.\n3\tc\n";
        assert_eq!(versions(text), [1, 22]);
    }
}
