//! One small query builder over two databases.
//!
//! A [`Query`] is one SQL text with `$1` placeholders, bound once, run on SQLite or PostgreSQL. In generated texts the
//! placeholders are `?`: a part in braces, `{(?, ?)}`, is repeated for every row of a batch, and `IN {?}` takes a whole
//! list as one value. This module knows nothing of what it stores.
//! Invariant: SQLite is written through one connection only, under `BEGIN IMMEDIATE`.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{
    Arguments, AssertSqlSafe, Connection as _, Encode, Executor as _, FromRow, PgPool, Postgres, Sqlite, SqlitePool,
    Transaction, Type,
};

/// Connections that only read, on SQLite.
const SQLITE_READERS: u32 = 4;
/// Rows that SQLite's thread may be ahead of the task that takes them. All are taken, so that a shorter way keeps no memory
/// free: it has both wait for each other by turns.
const ROWS_UNDER_WAY: usize = 4096;
/// What the writer keeps of an SQLite file in memory, as `cache_size` takes it: KiB when negative.
const WRITER_CACHE: &str = "-8000";
/// All our statements look up by index, or add up everything once. A planner without statistics (every table is new once,
/// and a backlog may come before the first ANALYZE) thinks that it might as well read or sort a whole table, and keeps to
/// that while the table grows. What it is forbidden it reckons at an absurd price where it cannot be avoided, and what is
/// dear it would compile first: 10 ms of CPU for two rows of a campaign.
const PG_BY_INDEX: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; \
     SET jit = off";
/// A process that freezes inside a transaction keeps others waiting for no longer than this; then the server ends it.
const PG_FROZEN: &str = "SET idle_in_transaction_session_timeout = '20s'";
/// How long an answer of the server is waited for. A line can be dead without anybody being told, and the system would try
/// for a quarter of an hour.
const PG_SILENT: Duration = Duration::from_secs(20);
/// Prepared statements kept by each connection: every text in every length of a batch.
const STATEMENTS: usize = 512;
/// Connections to PostgreSQL.
const PG_CONNECTIONS: u32 = 12;
/// How long to wait for a connection, or for SQLite's write lock held by another process.
const PATIENCE: Duration = Duration::from_secs(5);
/// Batches are cut into runs of these sizes, so that few distinct texts are ever prepared.
const RUNS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// The most rows or keys one statement takes.
pub const BATCH: usize = RUNS[0];

/// Why a call to the database failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address of the database cannot be used.
    #[error("the database address is wrong: {0}")]
    Address(String),
    /// The database refused, or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed, or one that was run is not the one this program knows.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A newer program has taken away what this one needs.
    #[error(
        "it takes programs of schema {needed} or newer since a newer program ran here, and this one is of schema {ours}: \
         install that newer program again, or restore the backup from before it"
    )]
    ProgramTooOld { needed: i64, ours: i64 },
    /// A value in the database is not what this program writes.
    #[error("unreadable {what} in the database")]
    Corrupt {
        /// The table and column.
        what: &'static str,
    },
    /// The lease under which the work was done has passed to another worker.
    #[error("the lease was lost")]
    LeaseLost,
}

impl StoreError {
    /// Whether the database itself was out of reach or out of room: the same call may work later, and the data is not to
    /// blame.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => match error.code().as_deref() {
                // PostgreSQL: connection, resources, operator intervention, system, serialisation.
                // 25P03: we froze inside a transaction and the server ended it.
                Some("25P03") => true,
                Some(code) if code.len() == 5 => {
                    ["08", "53", "57", "58", "40"].iter().any(|class| code.starts_with(class))
                }
                // SQLite: busy, locked, read-only, I/O, full, cannot open; the low byte of extended codes.
                Some(code) => code.parse::<i32>().is_ok_and(|code| [5, 6, 8, 10, 13, 14].contains(&(code & 0xff))),
                None => false,
            },
            Self::Database(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::Protocol(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::WorkerCrashed
            ),
            _ => false,
        }
    }

    /// Whether a table is not there (yet).
    pub(super) fn is_missing_table(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
    }

    /// What may be written down about it: a code, never a value of a row.
    pub fn code(&self) -> String {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                format!("database code {}", error.code().unwrap_or_default())
            }
            Self::Database(_) => "database out of reach".to_owned(),
            other => other.to_string(),
        }
    }
}

/// What can be bound to a placeholder on both databases.
pub trait Bind:
    for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> + Send
{
}
impl<T> Bind for T where
    T: for<'q> Encode<'q, Sqlite> + Type<Sqlite> + for<'q> Encode<'q, Postgres> + Type<Postgres> + Send
{
}

/// What can be read from a row of both databases.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// The pools of one database.
#[derive(Clone, Debug)]
pub enum Db {
    /// The embedded default: many readers, one writer.
    Sqlite { read: SqlitePool, write: SqlitePool },
    /// A server.
    Pg(PgPool),
}

/// An open transaction. Dropped without [`Tx::commit`], it is rolled back.
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Pg(Transaction<'static, Postgres>),
}

impl Db {
    /// Opens the database that `url` names, `sqlite://PATH` or `postgres://…`, making the SQLite file if missing.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(|e| StoreError::Address(e.to_string()))?;
            let options = options.statement_cache_capacity(STATEMENTS);
            let pool = PgPoolOptions::new().max_connections(PG_CONNECTIONS).acquire_timeout(PATIENCE);
            let pool = pool.after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(PG_BY_INDEX).await?;
                    connection.execute(PG_FROZEN).await.map(|_| ())
                })
            });
            Ok(Self::Pg(pool.connect_with(options).await?))
        } else {
            Err(StoreError::Address("expected sqlite://PATH or postgres://…".to_owned()))
        }
    }

    /// Opens a database that is there, for a look: neither made nor set up anew.
    pub async fn open_as_it_is(url: &str) -> Result<Self, StoreError> {
        if !url.starts_with("sqlite:") {
            return Self::open(url).await;
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|e| StoreError::Address(e.to_string()))?;
        let options = options.create_if_missing(false).busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let read = pool.clone().connect_with(options.clone().pragma("query_only", "ON")).await?;
        let write = pool.connect_with(options).await?;
        Ok(Self::Sqlite { read, write })
    }

    async fn open_sqlite(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|e| StoreError::Address(e.to_string()))?
            .busy_timeout(PATIENCE)
            .statement_cache_capacity(STATEMENTS)
            .row_buffer_size(ROWS_UNDER_WAY);
        let writer = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            // What a statement would undo is small, and kept by no one.
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", WRITER_CACHE);
        // Of the settings of the file only the writer speaks: to say them again takes the write lock.
        let reader = options.pragma("query_only", "ON");
        let pool = |size| {
            let pool = SqlitePoolOptions::new().max_connections(size).min_connections(size);
            pool.acquire_timeout(PATIENCE).idle_timeout(None).max_lifetime(None)
        };
        // A full disk ends a transaction on SQLite's side alone; a connection that still believes in it is of no more use.
        let write = pool(1).before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
        let write = write.connect_with(writer).await?;
        let read = pool(SQLITE_READERS).connect_with(reader).await?;
        Ok(Self::Sqlite { read, write })
    }

    /// A query that changes nothing.
    pub fn read(&self, sql: &'static str) -> Query<'_> {
        match self {
            Self::Sqlite { read, .. } => Query::new(Target::SqlitePool(read), Text::Static(sql)),
            Self::Pg(pool) => Query::new(Target::PgPool(pool), Text::Static(sql)),
        }
    }

    /// One statement in a transaction of its own.
    pub fn write(&self, sql: &'static str) -> Query<'_> {
        match self {
            Self::Sqlite { write, .. } => Query::new(Target::SqlitePool(write), Text::Static(sql)),
            Self::Pg(pool) => Query::new(Target::PgPool(pool), Text::Static(sql)),
        }
    }

    /// Begins a transaction that will write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Pg(pool) => Tx::Pg(heard(pool.begin()).await?),
        })
    }

    /// Begins a transaction that only reads.
    pub async fn begin_read(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Self::Pg(pool) => Tx::Pg(heard(pool.begin()).await?),
        })
    }

    /// Closes all connections; on SQLite the last one out folds the WAL into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// A query inside this transaction.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        self.text(Text::Static(sql))
    }

    fn text(&mut self, sql: Text) -> Query<'_> {
        match self {
            Self::Sqlite(tx) => Query::new(Target::Sqlite(tx), sql),
            Self::Pg(tx) => Query::new(Target::Pg(tx), sql),
        }
    }

    fn generated(&mut self, sql: &'static str, shape: Shape) -> Query<'_> {
        let dialect = match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Pg(_) => Dialect::Pg,
        };
        self.text(generated(sql, shape, dialect))
    }

    /// Runs `sql` once for up to 64 rows at a time: its part in braces is repeated per row and `bind` binds a row's
    /// values in order. Returns the rows affected.
    pub async fn batch<T>(
        &mut self,
        sql: &'static str,
        items: &[T],
        bind: impl for<'c> Fn(Query<'c>, &T) -> Query<'c>,
    ) -> Result<u64, StoreError> {
        let mut affected = 0;
        let mut rest = items;
        while !rest.is_empty() {
            let run = RUNS.into_iter().find(|run| *run <= rest.len()).unwrap_or(1);
            let (now, later) = rest.split_at(run);
            rest = later;
            affected += now.iter().fold(self.generated(sql, Shape::Rows(run)), &bind).run().await?;
        }
        Ok(affected)
    }

    /// A query that looks for lists of keys: each `IN {?}` of the text takes one, by [`Query::keys`].
    pub fn keyed(&mut self, sql: &'static str) -> Query<'_> {
        self.generated(sql, Shape::Lists)
    }

    /// All rows of a query with one list of keys; none when there are no keys.
    pub async fn list<T: Row>(&mut self, sql: &'static str, keys: &[String]) -> Result<Vec<T>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.keyed(sql).keys(keys).all().await
    }

    /// Makes everything done in this transaction lasting.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Pg(tx) => heard(tx.commit()).await?,
        }
        Ok(())
    }

    /// Undoes everything done in this transaction, at once rather than when the connection is next used.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Pg(tx) => heard(tx.rollback()).await?,
        }
        Ok(())
    }
}

/// What is written out in a generated text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// The part in braces, so many times.
    Rows(usize),
    /// The lists of keys.
    Lists,
}

/// Whom a generated text is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    Sqlite,
    Pg,
}

/// `sql` written out. Texts are built once.
fn generated(sql: &'static str, shape: Shape, dialect: Dialect) -> Text {
    type Texts = HashMap<(&'static str, Shape, Dialect), Arc<str>>;
    static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    Text::Built(Arc::clone(texts.entry((sql, shape, dialect)).or_insert_with(|| expand(sql, shape, dialect).into())))
}

/// See [`generated`]. All placeholders are `?`; PostgreSQL has them numbered in their order. SQLite does not: it would
/// look for each by name along the list of all names, again for every value that is bound.
pub(super) fn expand(sql: &str, shape: Shape, dialect: Dialect) -> String {
    let text = match (shape, dialect) {
        (Shape::Lists, Dialect::Pg) => sql.replace("IN {?}", "= ANY(?)"),
        (Shape::Lists, Dialect::Sqlite) => sql.replace("IN {?}", "IN (SELECT value FROM json_each(?))"),
        (Shape::Rows(rows), _) => {
            let (before, rest) = sql.split_once('{').unwrap_or((sql, "}"));
            let (row, after) = rest.split_once('}').unwrap_or((rest, ""));
            [before, &vec![row; rows].join(", "), after].concat()
        }
    };
    if dialect == Dialect::Sqlite {
        return text;
    }
    let mut numbered = String::with_capacity(text.len() + text.len() / 4);
    for (n, piece) in text.split('?').enumerate() {
        if n > 0 {
            numbered.push('$');
            numbered.push_str(&n.to_string());
        }
        numbered.push_str(piece);
    }
    numbered
}

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Built(Arc<str>),
}

enum Target<'c> {
    SqlitePool(&'c SqlitePool),
    PgPool(&'c PgPool),
    Sqlite(&'c mut Transaction<'static, Sqlite>),
    Pg(&'c mut Transaction<'static, Postgres>),
}

enum Args {
    Sqlite(SqliteArguments),
    Pg(PgArguments),
}

/// One statement and its values.
pub struct Query<'c> {
    target: Target<'c>,
    sql: Text,
    args: Args,
    broken: Option<sqlx::error::BoxDynError>,
}

/// What the server answers, unless the line to it is silent for too long.
async fn heard<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let silent = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(PG_SILENT, answer).await.unwrap_or_else(silent)
}

/// Runs `$method` of the bound query on whichever database it is for.
macro_rules! on_target {
    ($query:expr, $make:ident, $method:ident $(, $then:ident)?) => {{
        let Query { target, sql, args, broken } = $query;
        if let Some(error) = broken {
            return Err(sqlx::Error::Encode(error).into());
        }
        match (target, args) {
            (Target::SqlitePool(pool), Args::Sqlite(args)) => on_target!(@run sql, args, $make, $method, pool).await?$(.$then())?,
            (Target::Sqlite(tx), Args::Sqlite(args)) => on_target!(@run sql, args, $make, $method, &mut **tx).await?$(.$then())?,
            (Target::PgPool(pool), Args::Pg(args)) => heard(on_target!(@run sql, args, $make, $method, pool)).await?$(.$then())?,
            (Target::Pg(tx), Args::Pg(args)) => heard(on_target!(@run sql, args, $make, $method, &mut **tx)).await?$(.$then())?,
            // `Query::new` picks the arguments by the target.
            _ => return Err(sqlx::Error::WorkerCrashed.into()),
        }
    }};
    (@run $sql:ident, $args:ident, $make:ident, $method:ident, $on:expr) => {
        async move {
            match $sql {
                Text::Static(sql) => sqlx::$make(sql, $args).$method($on).await,
                Text::Built(sql) => sqlx::$make(AssertSqlSafe(sql), $args).$method($on).await,
            }
        }
    };
}

impl<'c> Query<'c> {
    fn new(target: Target<'c>, sql: Text) -> Self {
        let args = match target {
            Target::SqlitePool(_) | Target::Sqlite(_) => Args::Sqlite(SqliteArguments::default()),
            Target::PgPool(_) | Target::Pg(_) => Args::Pg(PgArguments::default()),
        };
        Self { target, sql, args, broken: None }
    }

    /// Binds the next placeholder.
    #[must_use]
    pub fn bind(mut self, value: impl Bind) -> Self {
        let added = match &mut self.args {
            Args::Sqlite(args) => args.add(value),
            Args::Pg(args) => args.add(value),
        };
        self.broken = self.broken.or(added.err());
        self
    }

    /// Binds the next list of keys.
    #[must_use]
    pub fn keys(self, keys: &[impl AsRef<str>]) -> Self {
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        match &self.args {
            // Texts alone are always JSON.
            Args::Sqlite(_) => self.bind(serde_json::to_string(&keys).unwrap_or_default()),
            Args::Pg(_) => self.bind_array(keys),
        }
    }

    fn bind_array(mut self, keys: Vec<&str>) -> Self {
        if let Args::Pg(args) = &mut self.args {
            self.broken = self.broken.take().or(args.add(keys).err());
        }
        self
    }

    /// Runs it; the number of rows affected.
    pub async fn run(self) -> Result<u64, StoreError> {
        Ok(on_target!(self, query_with, execute, rows_affected))
    }

    /// Its only row.
    pub async fn one<T: Row>(self) -> Result<T, StoreError> {
        Ok(on_target!(self, query_as_with, fetch_one))
    }

    /// Its row, if there is one.
    pub async fn maybe<T: Row>(self) -> Result<Option<T>, StoreError> {
        Ok(on_target!(self, query_as_with, fetch_optional))
    }

    /// All its rows.
    pub async fn all<T: Row>(self) -> Result<Vec<T>, StoreError> {
        Ok(on_target!(self, query_as_with, fetch_all))
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Shape, expand};

    #[test]
    fn the_part_in_braces_is_repeated_and_placeholders_are_numbered_where_that_helps() {
        let sql = "INSERT INTO t (a, b) VALUES {(?, ?)} ON CONFLICT DO NOTHING";
        assert_eq!(
            expand(sql, Shape::Rows(2), Dialect::Pg),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            expand(sql, Shape::Rows(2), Dialect::Sqlite),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"
        );
        assert_eq!(expand("SELECT 1", Shape::Rows(1), Dialect::Pg), "SELECT 1");
    }

    #[test]
    fn a_list_of_keys_is_one_value_on_both_databases() {
        let sql = "SELECT a FROM t WHERE b IN {?} AND c = ? OR d IN {?}";
        let list = "(SELECT value FROM json_each(?))";
        assert_eq!(
            expand(sql, Shape::Lists, Dialect::Pg),
            "SELECT a FROM t WHERE b = ANY($1) AND c = $2 OR d = ANY($3)"
        );
        assert_eq!(
            expand(sql, Shape::Lists, Dialect::Sqlite),
            format!("SELECT a FROM t WHERE b IN {list} AND c = ? OR d IN {list}")
        );
    }
}
