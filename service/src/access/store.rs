//! Where the book of accounts is kept: in a Secret of the namespace, on a cluster and on one machine.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret as Object;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::timeout;

use super::book::Book;
use super::secret::Secret;

/// Longest time that one read or write may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Largest book: what fits into a Secret, which holds 1 MiB with everything.
const LARGEST: usize = 900 << 10;
/// Keys of the Secret.
const BOOK: &str = "accounts.json";
const SIGNING_KEY: &str = "signing-key";

/// The Secret that keeps the book.
#[derive(Clone, Debug)]
pub struct Store {
    api: Api<Object>,
    namespace: String,
    name: String,
}

/// What is kept, and which version of it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) book: Book,
    /// What signs tokens.
    pub(super) signing_key: Secret,
    version: Option<String>,
}

/// The book cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("the Kubernetes API refused")]
    Refused(#[from] Box<kube::Error>),
    #[error("the Kubernetes API did not answer in time")]
    TimedOut(#[from] tokio::time::error::Elapsed),
    #[error("somebody else wrote the accounts at the same time")]
    Conflict,
    #[error("the Secret '{0}' does not hold accounts")]
    Damaged(String),
    #[error("the accounts have outgrown their Secret: delete API keys")]
    Full,
    #[error(transparent)]
    Random(#[from] super::secret::NoRandomness),
}

impl Store {
    /// The Secret `name` of `namespace`. It is made when somebody logs in.
    pub fn new(client: Client, namespace: &str, name: String) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, namespace: namespace.to_owned(), name }
    }

    /// The API that keeps it, and the namespace.
    pub(super) fn place(&self) -> (Client, &str) {
        (self.api.clone().into_client(), &self.namespace)
    }

    /// What is kept; an empty book when there is none.
    pub(super) async fn read(&self) -> Result<Kept, StoreError> {
        let object = timeout(DEADLINE, self.api.get_opt(&self.name)).await?.map_err(Box::new)?;
        let Some(object) = object else {
            let signing_key = Secret::random(32)?;
            return Ok(Kept { book: Book::default(), signing_key, version: None });
        };
        self.kept(&object).ok_or_else(|| StoreError::Damaged(self.name.clone()))
    }

    fn kept(&self, object: &Object) -> Option<Kept> {
        let data = object.data.as_ref()?;
        Some(Kept {
            book: serde_json::from_slice(&data.get(BOOK)?.0).ok()?,
            signing_key: std::str::from_utf8(&data.get(SIGNING_KEY)?.0).ok()?.into(),
            version: object.metadata.resource_version.clone(),
        })
    }

    /// Keeps `kept`, if nobody else has written since it was read.
    pub(super) async fn write(&self, kept: Kept) -> Result<Kept, StoreError> {
        let book =
            serde_json::to_vec(&kept.book).map_err(|_| StoreError::Damaged(self.name.clone()))?;
        if book.len() > LARGEST {
            return Err(StoreError::Full);
        }
        let key = kept.signing_key.reveal().as_bytes().to_vec();
        let object = Object {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                resource_version: kept.version.clone(),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([
                (BOOK.to_owned(), ByteString(book)),
                (SIGNING_KEY.to_owned(), ByteString(key)),
            ])),
            ..Object::default()
        };
        let params = PostParams::default();
        let written = match kept.version {
            Some(_) => timeout(DEADLINE, self.api.replace(&self.name, &params, &object)).await?,
            None => timeout(DEADLINE, self.api.create(&params, &object)).await?,
        };
        match written {
            Ok(written) => Ok(Kept { version: written.metadata.resource_version, ..kept }),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Err(StoreError::Conflict)
            }
            Err(error) => Err(Box::new(error).into()),
        }
    }
}
