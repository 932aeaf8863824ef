//! A private PostgreSQL cluster: one for the whole run, and more for tests that break theirs.
//!
//! It listens on loopback only, in a temporary folder, trusts everybody, and is gone when the tests are. It never
//! touches a server that the machine runs already.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::setting;
use super::supervisor::{Account, Supervisor};

/// Ports below the range from which the system gives out its own: a cluster that is stopped and started again must find
/// its port still free, while the servers under test take ephemeral ones all the time.
const PORTS: std::ops::Range<u16> = 15_000..30_000;
const PORTS_TO_TRY: u16 = 20;

/// `$1`: the folder of PostgreSQL's programs, `$2`: settings, then the ports to try.
const SCRIPT: &str = r#"
bin=$1 settings=$2; shift 2
start() { "$bin/pg_ctl" start -w -s -D data -l server.log >/dev/null; }
stop() { "$bin/pg_ctl" stop -w -s -D data -m immediate >/dev/null; }
start_on_a_free_port() {
    for port; do
        echo "port = $port" >data/port.conf
        if start; then return; fi
    done
    cat server.log
    exit 1
}
"$bin/initdb" -D data -U mainstay -A trust -E UTF8 --locale=C --no-sync 2>&1
printf '%s\n' "$settings" >>data/postgresql.conf
start_on_a_free_port "$@"
echo "ready $port" || true
obey_until_the_tests_end
stop || true
"#;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
include 'port.conf'
";

/// Nobody pulls the plug on an ordinary test, so the disk need not be waited for.
const NOT_DURABLE: &str = "
fsync = off
synchronous_commit = off
full_page_writes = off
";

/// The cluster that all ordinary tests share. Each has its own database in it.
pub fn cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(false))
}

/// A running cluster; dropping it stops it.
#[derive(Debug)]
pub struct Cluster {
    supervisor: Supervisor,
    port: u16,
}

impl Cluster {
    /// Starts a cluster. Only a `durable` one keeps what it acknowledged when it is stopped in the middle.
    ///
    /// # Panics
    /// When PostgreSQL is missing or does not start: with what it said.
    pub fn start(durable: bool) -> Self {
        let bin = programs();
        let settings = if durable { SETTINGS.to_owned() } else { format!("{SETTINGS}{NOT_DURABLE}") };
        let mut arguments = vec![bin.display().to_string(), settings];
        arguments.extend(ports().map(|port| port.to_string()));
        let supervisor = Supervisor::start("postgres", SCRIPT, &arguments, Account::other_than_root());
        let port = supervisor.answer.parse().expect("it says on which port it listens");
        Self { supervisor, port }
    }

    /// The address of the database `name`, as `MAINSTAY_DATABASE_URL` takes it.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://mainstay@127.0.0.1:{}/{name}", self.port)
    }

    /// Makes an empty database.
    pub async fn create_database(&self, name: &str) {
        self.administer(&format!("CREATE DATABASE {}", quoted(name))).await;
    }

    /// Makes a database that is a copy of `template`, to which nobody may be connected meanwhile.
    pub async fn create_from_template(&self, template: &str, name: &str) {
        self.administer(&format!("CREATE DATABASE {} TEMPLATE {}", quoted(name), quoted(template))).await;
    }

    /// Removes a database, and with it the connections that are still open to it.
    pub async fn drop_database(&self, name: &str) {
        self.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name))).await;
    }

    /// Stops the cluster as a power cut would: no checkpoint, connections torn. Recovery runs at [`Self::start_again`].
    pub fn stop_immediate(&self) {
        self.supervisor.order("stop");
    }

    /// Starts a stopped cluster on the port it had.
    pub fn start_again(&self) {
        self.supervisor.order("start");
    }

    async fn administer(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.expect("the cluster answers");
        connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.expect("the connection closes");
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The folder of PostgreSQL's programs: `TEST_PG_BIN`, or else what `PATH` and Debian's layout offer.
pub fn programs() -> PathBuf {
    setting("TEST_PG_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain(newest_of_debian())
        .chain(configured())
        .find(|bin| bin.join("initdb").exists() && bin.join("pg_ctl").exists())
        .expect("PostgreSQL's server programs are there: scripts/test installs them, or set TEST_PG_BIN")
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = Path::new("/usr/lib/postgresql").read_dir().ok()?;
    let newest = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(format!("/usr/lib/postgresql/{newest}/bin").into())
}

fn configured() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().into())
}

/// Ports to try, others for each cluster of this process, and most likely others than another process tries.
fn ports() -> impl Iterator<Item = u16> {
    static CLUSTERS: AtomicU16 = AtomicU16::new(0);
    let own = u32::from(CLUSTERS.fetch_add(1, Ordering::Relaxed)) * 1_009 + std::process::id() * 31;
    let width = u32::from(PORTS.end - PORTS.start);
    (0..u32::from(PORTS_TO_TRY)).map(move |step| {
        let offset = u16::try_from((own + step * 37) % width).expect("below the width of the range");
        PORTS.start + offset
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn number(url: &str, sql: &'static str) -> i64 {
        let mut connection = PgConnection::connect(url).await.expect("a connection");
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a number")
    }

    async fn run(url: &str, sql: &'static str) {
        let mut connection = PgConnection::connect(url).await.expect("a connection");
        connection.execute(sql).await.expect("the statement runs");
        connection.close().await.expect("the connection closes");
    }

    #[tokio::test]
    async fn a_private_cluster_answers() {
        cluster().create_database("answers").await;
        assert_eq!(number(&cluster().url("answers"), "SELECT CAST(42 AS BIGINT)").await, 42);
        cluster().drop_database("answers").await;
        assert!(PgConnection::connect(&cluster().url("answers")).await.is_err());
    }

    #[tokio::test]
    async fn a_database_cloned_from_a_template_is_its_own() {
        let cluster = cluster();
        cluster.create_database("template_of_two").await;
        run(&cluster.url("template_of_two"), "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (1), (2)").await;
        for name in ["clone_a", "clone_b"] {
            cluster.create_from_template("template_of_two", name).await;
        }
        run(&cluster.url("clone_a"), "DELETE FROM t").await;
        assert_eq!(number(&cluster.url("clone_a"), "SELECT count(*) FROM t").await, 0);
        assert_eq!(number(&cluster.url("clone_b"), "SELECT count(*) FROM t").await, 2);
    }

    #[tokio::test]
    async fn a_durable_cluster_keeps_its_rows_and_its_address_through_a_power_cut() {
        let cluster = Cluster::start(true);
        cluster.create_database("kept").await;
        let url = cluster.url("kept");
        run(&url, "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (7)").await;
        cluster.stop_immediate();
        assert!(PgConnection::connect(&url).await.is_err(), "a stopped cluster answers");
        cluster.start_again();
        assert_eq!(number(&url, "SELECT n FROM t").await, 7);
    }

    #[test]
    fn a_cluster_that_is_dropped_leaves_nothing() {
        let cluster = Cluster::start(false);
        let folder = cluster.supervisor.folder().to_owned();
        let address = ("127.0.0.1", cluster.port);
        assert!(std::net::TcpStream::connect(address).is_ok());
        drop(cluster);
        assert!(std::net::TcpStream::connect(address).is_err(), "it still listens");
        assert!(!folder.exists(), "{} is still there", folder.display());
    }
}
