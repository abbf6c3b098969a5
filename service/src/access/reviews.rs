//! Tokens of the cluster: verified by a TokenReview, and worth what SubjectAccessReviews say of the roles.
//!
//! Who may use a role is said with a Role of Kubernetes: the verb `use` of `accessroles` of our group, by name. There are no objects
//! of that kind: the API server is only asked whether somebody might.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::accounts::now;
use super::caller::{By, Caller};
use super::refusal::{Refusal, Unverified};
use super::role::Roles;
use super::secret::Secret;
use crate::error::with_sources;

/// What a Role of Kubernetes names.
const GROUP: &str = "beamline.dev";
const RESOURCE: &str = "accessroles";
const VERB: &str = "use";
/// How long an answer is believed: so long somebody may still do what was just taken away.
const BELIEVED: Duration = Duration::from_secs(30);
/// Answers that are kept.
const KEPT: usize = 1_024;
/// Tokens that are asked about at the same time.
const AT_ONCE: usize = 8;
/// Longest time for one token, with waiting for its turn.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks the Kubernetes API about tokens.
#[derive(Debug)]
pub(super) struct Reviews {
    tokens: Api<TokenReview>,
    access: Api<SubjectAccessReview>,
    namespace: String,
    audience: String,
    roles: Roles,
    seen: Mutex<HashMap<String, Seen>>,
    turn: Semaphore,
}

#[derive(Debug)]
struct Seen {
    answer: Result<Caller, Refusal>,
    until: Instant,
}

impl Reviews {
    /// Of tokens for `audience`, whose roles are those that they may use in `namespace`.
    pub(super) fn new(client: Client, namespace: &str, audience: &str, roles: Roles) -> Self {
        Self {
            tokens: Api::all(client.clone()),
            access: Api::all(client),
            namespace: namespace.to_owned(),
            audience: audience.to_owned(),
            roles,
            seen: Mutex::default(),
            turn: Semaphore::new(AT_ONCE),
        }
    }

    /// Who shows that token. Nobody is asked about what cannot be one, nor while `exhausted` says that its sender guesses.
    pub(super) async fn identify(
        &self,
        token: &Secret,
        exhausted: impl FnOnce() -> bool,
    ) -> Result<Caller, Refusal> {
        if !self.may_be_ours(token) {
            return Err(Refusal::Token);
        }
        let digest = token.digest().as_hex().to_owned();
        if let Some(answer) = self.recall(&digest) {
            return answer;
        }
        if exhausted() {
            return Err(Refusal::TooMany);
        }
        let answer = match timeout(DEADLINE, self.ask(token)).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::Unverified(Unverified::Silent)),
        };
        if !matches!(answer, Err(Refusal::Unverified(_))) {
            self.keep(digest, answer.clone());
        }
        answer
    }

    /// Whether what the token says of itself makes it worth asking: that it is for us, and not over.
    fn may_be_ours(&self, token: &Secret) -> bool {
        let mut parts = token.reveal().split('.');
        let (Some(_), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let claims = URL_SAFE_NO_PAD.decode(claims).ok();
        let Some(claims) = claims.and_then(|json| serde_json::from_slice::<Value>(&json).ok())
        else {
            return false;
        };
        let is_us = |audience: &Value| audience.as_str() == Some(&self.audience);
        let for_us = match &claims["aud"] {
            Value::Array(several) => several.iter().any(is_us),
            one => is_us(one),
        };
        for_us && claims["exp"].as_i64().is_none_or(|end| end > now())
    }

    fn recall(&self, digest: &str) -> Option<Result<Caller, Refusal>> {
        let seen = self.seen.lock();
        let seen = seen.get(digest).filter(|seen| seen.until > Instant::now())?;
        Some(seen.answer.clone())
    }

    fn keep(&self, digest: String, answer: Result<Caller, Refusal>) {
        let now = Instant::now();
        let mut seen = self.seen.lock();
        if seen.len() >= KEPT {
            seen.retain(|_, seen| seen.until > now);
        }
        if seen.len() >= KEPT
            && let Some(oldest) = seen.iter().min_by_key(|(_, seen)| seen.until)
        {
            let oldest = oldest.0.clone();
            seen.remove(&oldest);
        }
        seen.insert(digest, Seen { answer, until: now + BELIEVED });
    }

    async fn ask(&self, token: &Secret) -> Result<Caller, Refusal> {
        let _turn = self.turn.acquire().await.map_err(|_| Unverified::Silent)?;
        let user = self.authenticate(token).await?.ok_or(Refusal::Token)?;
        let name = user.username.clone().filter(|name| !name.is_empty()).ok_or(Refusal::Token)?;
        let asked = self.roles.names().map(|role| self.may_use(&user, role));
        let roles: Vec<String> = try_join_all(asked).await?.into_iter().flatten().collect();
        let scopes = self.roles.scopes(roles.iter().map(String::as_str));
        if scopes.is_empty() {
            return Err(Refusal::NoRole);
        }
        Ok(Caller::new(&name, By::ClusterToken, scopes).with_roles(roles))
    }

    /// Whose token that is; nobody's when the API server does not know it, or not for us.
    async fn authenticate(&self, token: &Secret) -> Result<Option<UserInfo>, Unverified> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![self.audience.clone()]),
                token: Some(token.reveal().to_owned()),
            },
            ..TokenReview::default()
        };
        let review = self.tokens.create(&PostParams::default(), &review).await;
        let review = review.map_err(|error| unanswered(&error))?;
        let status = review.status.unwrap_or_default();
        let for_us = status.audiences.unwrap_or_default().contains(&self.audience);
        Ok(status.user.filter(|_| status.authenticated == Some(true) && for_us))
    }

    /// The role, if the user may use it.
    async fn may_use(&self, user: &UserInfo, role: &str) -> Result<Option<String>, Unverified> {
        let attributes = ResourceAttributes {
            group: Some(GROUP.to_owned()),
            resource: Some(RESOURCE.to_owned()),
            verb: Some(VERB.to_owned()),
            name: Some(role.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ResourceAttributes::default()
        };
        let UserInfo { username, groups, uid, extra } = user.clone();
        let extra = extra.filter(|extra: &BTreeMap<_, _>| !extra.is_empty());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                user: username,
                groups,
                uid,
                extra,
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let review = self.access.create(&PostParams::default(), &review).await;
        let review = review.map_err(|error| unanswered(&error))?;
        Ok(review.status.is_some_and(|status| status.allowed).then(|| role.to_owned()))
    }
}

fn unanswered(error: &kube::Error) -> Unverified {
    let why = match error {
        kube::Error::Api(status) if status.code == 404 => Unverified::NoReviews,
        kube::Error::Api(status) if status.code == 403 => Unverified::Forbidden,
        _ => Unverified::Silent,
    };
    tracing::warn!(error = with_sources(error), "a token of the cluster cannot be verified");
    why
}

#[cfg(test)]
mod tests;
