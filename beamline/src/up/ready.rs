//! Waits until every part answers that it is ready.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

use super::overview;
use super::ports::Urls;

/// How long the parts may take to become ready.
const LIMIT: Duration = Duration::from_secs(60);
/// Pause between two questions to a part that is not ready.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// # Errors
/// Names the part that is not ready in time, with its own reason.
pub(super) async fn all(urls: &Urls) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().timeout(ANSWER).no_proxy().build()?;
    let deadline = Instant::now() + LIMIT;
    let parts = [
        ("Kubernetes API", format!("{}/readyz", urls.api)),
        ("registry", format!("{}/ready", urls.registry)),
        ("direct control", format!("{}/ready", urls.control)),
        ("queue server", format!("{}/ready", urls.queue)),
    ];
    for (part, url) in parts {
        one(&http, part, &url, deadline).await?;
        overview::step(part, &"ready");
    }
    Ok(())
}

async fn one(
    http: &reqwest::Client,
    part: &str,
    url: &str,
    deadline: Instant,
) -> anyhow::Result<()> {
    loop {
        let answer = http.get(url).send().await;
        let reason = match answer {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => answer.text().await.context("the answer broke off")?,
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            bail!("{part} is not ready after {} s: {reason}", LIMIT.as_secs());
        }
        sleep(PAUSE).await;
    }
}
