//! What a child process said last on its standard error, which is where a program says why it ends.

use std::io::Write;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that are read at a time, and how many of the last ones are kept.
const CHUNK: usize = 8 * 1024;

/// Passes on everything that `said` carries to our own standard error, to its end; the last line of
/// it that is not blank.
pub(super) async fn listen(mut said: impl AsyncRead + Unpin) -> Option<String> {
    let mut tail = Vec::new();
    let mut chunk = vec![0; CHUNK];
    while let Ok(size @ 1..) = said.read(&mut chunk).await {
        let piece = chunk.get(..size).unwrap_or_default();
        // Nobody to say it to is no reason to stop the child.
        let _ = std::io::stderr().write_all(piece);
        tail.extend_from_slice(piece);
        tail.drain(..tail.len().saturating_sub(CHUNK));
    }
    last_line(&tail)
}

fn last_line(tail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(tail);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_that_says_something_is_kept_however_much_came_before() {
        let said = format!("{}\nNo module named x\n \n", "noise\n".repeat(CHUNK));
        assert_eq!(listen(said.as_bytes()).await.as_deref(), Some("No module named x"));
        assert_eq!(listen(&b"\n \n"[..]).await, None);
    }
}
