//! The SQLite file: one row an object, and the version counter. What is committed here survives a crash.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

/// Marks the file as ours (`PRAGMA application_id`): "BLKA".
const APPLICATION_ID: i32 = 0x424c_4b41;
/// Layout of the tables (`PRAGMA user_version`).
const LAYOUT: i32 = 1;

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file's directory cannot be created.
    #[error("cannot create the directory of the state file {path}: {source}")]
    Directory {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the file open.
    #[error("the state file {path} is in use by another process")]
    InUse {
        /// The state file.
        path: PathBuf,
    },
    /// The file is not one of ours, or it is damaged.
    #[error("the state file {path} cannot be read: {reason}")]
    Broken {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file was written by a newer version of this program.
    #[error("the state file {path} has layout {found}, this program knows up to {LAYOUT}")]
    Newer {
        /// The state file.
        path: PathBuf,
        /// Layout of the file.
        found: i32,
    },
    /// A custom resource definition cannot be served.
    #[error("the custom resource definition {name} cannot be served: {reason}")]
    Definition {
        /// `metadata.name` of the definition.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store could not be started.
    #[error("cannot start the store on {path}: {reason}")]
    Start {
        /// The state file.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

/// One row: an object of a resource that is written `plural.group`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) body: Vec<u8>,
}

/// The open file. Only the writer thread has it.
#[derive(Debug)]
pub(crate) struct Log {
    db: Connection,
}

impl Log {
    /// Opens or creates the file, takes it for this process alone, and reads all of it.
    pub(crate) fn open(path: &Path) -> Result<(Self, u64, Vec<Row>), OpenError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)
                .map_err(|source| OpenError::Directory { path: path.to_owned(), source })?;
        }
        let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                OpenError::InUse { path: path.to_owned() }
            }
            _ => OpenError::Broken { path: path.to_owned(), reason: error.to_string() },
        };
        let mut db = Connection::open(path).map_err(failed)?;
        Self::prepare(&mut db).map_err(failed)?.map_err(|problem| match problem {
            Layout::Foreign => OpenError::Broken {
                path: path.to_owned(),
                reason: "it is a SQLite file of another program".to_owned(),
            },
            Layout::Newer(found) => OpenError::Newer { path: path.to_owned(), found },
        })?;
        let (version, rows) = Self::load(&db).map_err(failed)?;
        Ok((Self { db }, version, rows))
    }

    fn prepare(db: &mut Connection) -> rusqlite::Result<Result<(), Layout>> {
        // Exclusive: the lock of the first write is kept, so a second process is refused, and WAL needs no shared memory.
        db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 200;")?;
        let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        let layout: i32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
        match (application, layout, tables) {
            (APPLICATION_ID, LAYOUT, _) | (0, 0, 0) => {}
            (APPLICATION_ID, newer, _) => return Ok(Err(Layout::Newer(newer))),
            _ => return Ok(Err(Layout::Foreign)),
        }
        db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {LAYOUT};
             CREATE TABLE IF NOT EXISTS object (
                 resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
                 version INTEGER NOT NULL, body BLOB NOT NULL,
                 PRIMARY KEY (resource, namespace, name)
             );
             CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL);
             INSERT OR IGNORE INTO counter (id, version) VALUES (0, 1);"
        ))?;
        transaction.commit()?;
        Ok(Ok(()))
    }

    fn load(db: &Connection) -> rusqlite::Result<(u64, Vec<Row>)> {
        let version = db
            .query_row("SELECT version FROM counter WHERE id = 0", [], |row| row.get::<_, i64>(0))
            .optional()?
            .unwrap_or(1);
        let mut select =
            db.prepare("SELECT resource, namespace, name, version, body FROM object")?;
        let rows = select.query_map([], |row| {
            Ok(Row {
                resource: row.get(0)?,
                namespace: row.get(1)?,
                name: row.get(2)?,
                version: row.get::<_, i64>(3)?.unsigned_abs(),
                body: row.get(4)?,
            })
        })?;
        Ok((version.unsigned_abs(), rows.collect::<Result<_, _>>()?))
    }

    /// Writes all of `changes` and the new version counter, or nothing. Durable when it returns.
    pub(crate) fn write(
        &mut self,
        changes: &[LogChange<'_>],
        version: u64,
    ) -> rusqlite::Result<()> {
        let transaction = self.db.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT INTO object (resource, namespace, name, version, body) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (resource, namespace, name) DO UPDATE SET version = ?4, body = ?5",
            )?;
            let mut remove = transaction.prepare_cached(
                "DELETE FROM object WHERE resource = ?1 AND namespace = ?2 AND name = ?3",
            )?;
            for change in changes {
                let LogChange { resource, namespace, name, body } = change;
                match body {
                    Some((version, json)) => put.execute(params![
                        resource,
                        namespace,
                        name,
                        version.cast_signed(),
                        json
                    ])?,
                    None => remove.execute(params![resource, namespace, name])?,
                };
            }
            transaction
                .prepare_cached("UPDATE counter SET version = ?1 WHERE id = 0")?
                .execute([version.cast_signed()])?;
        }
        transaction.commit()
    }

    /// Folds the write-ahead log into the file and closes it.
    pub(crate) fn close(self) -> rusqlite::Result<()> {
        self.db.close().map_err(|(_, error)| error)
    }
}

enum Layout {
    Foreign,
    Newer(i32),
}

/// One row to write (`body`: version and JSON) or to remove (no body).
#[derive(Debug)]
pub(crate) struct LogChange<'a> {
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) body: Option<(u64, &'a [u8])>,
}
