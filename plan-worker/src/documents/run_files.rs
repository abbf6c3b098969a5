//! Documents on disk: `<folder>/<date>/<run uid>.jsonl`, one `[name, document]` a line.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use thiserror::Error;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

/// File that holds the last scan id.
const SCAN_ID: &str = "scan_id";

/// The folder of the runs.
#[derive(Debug)]
pub struct RunFiles {
    folder: PathBuf,
    scan_id: i64,
    open: Option<(PathBuf, File)>,
}

/// A file of the runs folder failed.
#[derive(Debug, Error)]
pub enum RunFileError {
    /// By the operating system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The file of the last scan id does not hold a number.
    #[error("{}: not a scan id: {content:?}", path.display())]
    ScanId {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        content: String,
    },
    /// A document came before the start document of its run.
    #[error("a document came outside of a run")]
    NoRun,
}

impl RunFiles {
    /// Opens the folder, which is made where it is missing.
    ///
    /// # Errors
    /// [`RunFileError::Io`]; [`RunFileError::ScanId`] rather than counting from 1 again.
    pub async fn open(folder: &Path) -> Result<Self, RunFileError> {
        fs::create_dir_all(folder).await.map_err(at(folder))?;
        let path = folder.join(SCAN_ID);
        let scan_id = match fs::read_to_string(&path).await {
            Ok(content) => content
                .trim()
                .parse()
                .map_err(|_| RunFileError::ScanId { path: path.clone(), content })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(RunFileError::Io { path, source }),
        };
        Ok(Self { folder: folder.to_owned(), scan_id, open: None })
    }

    /// The next scan id; it is on disk before it is given out, so no crash gives it out twice.
    ///
    /// # Errors
    /// [`RunFileError::Io`].
    pub async fn next_scan_id(&mut self) -> Result<i64, RunFileError> {
        let next = self.scan_id + 1;
        let new = self.folder.join(format!("{SCAN_ID}.new"));
        let mut file = File::create(&new).await.map_err(at(&new))?;
        file.write_all(format!("{next}\n").as_bytes()).await.map_err(at(&new))?;
        file.sync_all().await.map_err(at(&new))?;
        let path = self.folder.join(SCAN_ID);
        fs::rename(&new, &path).await.map_err(at(&path))?;
        sync_folder(&self.folder).await?;
        self.scan_id = next;
        Ok(next)
    }

    /// Keeps one document. With the stop document the file is complete and safe on disk.
    ///
    /// # Errors
    /// [`RunFileError`].
    pub async fn keep(&mut self, name: &str, document: &Value) -> Result<(), RunFileError> {
        if name == "start" {
            self.open = Some(self.create(document).await?);
        }
        let (path, file) = self.open.as_mut().ok_or(RunFileError::NoRun)?;
        let mut line = json!([name, document]).to_string();
        line.push('\n');
        file.write_all(line.as_bytes()).await.map_err(at(path))?;
        file.flush().await.map_err(at(path))?;
        if name == "stop" {
            file.sync_all().await.map_err(at(path))?;
            self.open = None;
        }
        Ok(())
    }

    async fn create(&self, start: &Value) -> Result<(PathBuf, File), RunFileError> {
        let folder = self.folder.join(date(start["time"].as_f64().unwrap_or_default()));
        fs::create_dir_all(&folder).await.map_err(at(&folder))?;
        let uid = start["uid"].as_str().unwrap_or("unnamed");
        let path = folder.join(format!("{uid}.jsonl"));
        let file = File::create_new(&path).await.map_err(at(&path))?;
        sync_folder(&folder).await?;
        sync_folder(&self.folder).await?;
        Ok((path, file))
    }
}

/// Day of a time in seconds since 1970, in UTC.
fn date(time: f64) -> String {
    let time = jiff::Timestamp::from_second(time as i64).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

/// A new file is only safe once its folder is.
async fn sync_folder(folder: &Path) -> Result<(), RunFileError> {
    File::open(folder).await.map_err(at(folder))?.sync_all().await.map_err(at(folder))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RunFileError + '_ {
    move |source| RunFileError::Io { path: path.to_owned(), source }
}
