//! Logging in with a password, slowly for those who guess.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::accounts::Accounts;
use super::attempts::subject;
use super::audit;
use super::gate::{Asked, Gate};
use super::provider::Provider;
use super::refusal::Refusal;
use super::secret::Secret;

/// How long a login may wait for its turn.
pub(super) const WAIT: Duration = Duration::from_secs(10);
/// Longest name that failures are counted of.
const NAME: usize = 100;

/// A name and its password.
pub(super) struct Login {
    pub(super) provider: String,
    pub(super) user: String,
    pub(super) password: Secret,
}

impl Gate {
    /// Tokens for who has the password; a decision that is noted.
    pub(super) async fn log_in(
        &self,
        accounts: &Accounts,
        asked: &Asked,
        login: Login,
    ) -> Result<serde_json::Value, Refusal> {
        let user = login.user.clone();
        let outcome = self.tokens(accounts, asked, login).await;
        let worth_a_line = !matches!(outcome, Err(Refusal::TooMany));
        let decided = outcome.as_ref().map(|_| (user.as_str(), "password"));
        audit::note(self.service(), asked, decided, worth_a_line);
        outcome
    }

    async fn tokens(
        &self,
        accounts: &Accounts,
        asked: &Asked,
        login: Login,
    ) -> Result<serde_json::Value, Refusal> {
        let Login { provider, user, password } = login;
        let name: String = user.chars().take(NAME).collect();
        let who = (asked.from.map(subject), name);
        let known = accounts.directory.providers.get(&provider);
        let known = known.and_then(Provider::takes_passwords).ok_or(Refusal::Password)?;
        let turn = timeout(WAIT, known.turns().acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(Refusal::TooMany) };
        // Only now: whoever asks many times at once waits here as well.
        if self.logins().is_exhausted(&who, Instant::now()) {
            return Err(Refusal::TooMany);
        }
        match known.user(&user, password).await? {
            Some(id) => accounts.log_in(&provider, &id).await,
            None => {
                self.logins().failed(&who, Instant::now());
                Err(Refusal::Password)
            }
        }
    }
}
