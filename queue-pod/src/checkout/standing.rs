//! How a checkout stands, read from what `git status --porcelain=v2 --branch -z` prints.

use std::path::Path;

use serde::Serialize;

/// How a checkout stands (`ProfileStatusResponse`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Where it is.
    pub profile_dir: String,
    /// The commit that is checked out.
    pub commit: String,
    /// The branch; none when no branch is checked out.
    pub branch: Option<String>,
    /// Whether anything is changed, new ones included.
    pub is_dirty: bool,
    /// Commits that upstream has not, if there is an upstream.
    pub ahead: Option<u64>,
    /// Commits that it has not.
    pub behind: Option<u64>,
    /// Files that are changed or new.
    #[serde(skip)]
    pub(super) changed: Vec<String>,
}

impl Standing {
    /// Reads it.
    ///
    /// # Errors
    /// What is not understood, or that there is no commit yet.
    pub(super) fn read(folder: &Path, said: &[u8]) -> Result<Self, String> {
        let profile_dir = folder.to_string_lossy().into_owned();
        let mut standing = Self { profile_dir, ..Self::default() };
        let text = String::from_utf8_lossy(said);
        let mut records = text.split('\0').filter(|record| !record.is_empty());
        while let Some(record) = records.next() {
            match record.strip_prefix("# ").map(|header| header.split_once(' ')) {
                Some(Some(("branch.oid", "(initial)"))) => {
                    return Err("the checkout has no commit yet".to_owned());
                }
                Some(Some(("branch.oid", commit))) => standing.commit = commit.to_owned(),
                Some(Some(("branch.head", "(detached)"))) => {}
                Some(Some(("branch.head", branch))) => standing.branch = Some(branch.to_owned()),
                Some(Some(("branch.ab", counts))) => {
                    let (ahead, behind) = counts.split_once(' ').unwrap_or_default();
                    standing.ahead = ahead.trim_start_matches('+').parse().ok();
                    standing.behind = behind.trim_start_matches('-').parse().ok();
                }
                Some(_) => {}
                None => {
                    standing.is_dirty = true;
                    standing.changed.push(path(record).to_owned());
                    // Of something that was renamed the next record is its former name.
                    if record.starts_with("2 ") {
                        records.next();
                    }
                }
            }
        }
        match standing.commit.is_empty() {
            true => Err(text.chars().take(200).collect()),
            false => Ok(standing),
        }
    }
}

/// The path of a record: behind one field of what is new, eight of what is changed, nine of what is renamed, ten of what is unmerged.
fn path(record: &str) -> &str {
    let fields = match record.chars().next() {
        Some('1') => 9,
        Some('2') => 10,
        Some('u') => 11,
        _ => 2,
    };
    record.splitn(fields, ' ').last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[&str]) -> Result<Standing, String> {
        Standing::read(Path::new("/p"), records.join("\0").as_bytes())
    }

    #[test]
    fn branch_commit_and_distance_are_read() {
        let clean = [
            "# branch.oid 1a2b",
            "# branch.head main",
            "# branch.upstream origin/main",
            "# branch.ab +2 -3",
            "",
        ];
        let standing = read(&clean).unwrap();
        assert_eq!((standing.commit.as_str(), standing.branch.as_deref()), ("1a2b", Some("main")));
        assert_eq!((standing.ahead, standing.behind, standing.is_dirty), (Some(2), Some(3), false));
        let detached = read(&["# branch.oid 1a2b", "# branch.head (detached)", ""]).unwrap();
        assert_eq!((detached.branch, detached.ahead), (None, None));
        assert!(read(&["# branch.oid (initial)"]).unwrap_err().contains("no commit"));
        assert_eq!(read(&["fatal"]).unwrap_err(), "fatal");
    }

    #[test]
    fn whatever_is_changed_or_new_is_named() {
        let standing = read(&[
            "# branch.oid 1a2b",
            "1 .M N... 100644 100644 100644 aaa bbb startup/00 base.py",
            "2 R. N... 100644 100644 100644 aaa bbb R100 new.py",
            "old.py",
            "? notes.txt",
            "",
        ])
        .unwrap();
        assert!(standing.is_dirty);
        assert_eq!(standing.changed, ["startup/00 base.py", "new.py", "notes.txt"]);
    }
}
