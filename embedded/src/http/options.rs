//! Query parameters and the `Accept` header.

use std::collections::HashMap;

use http::HeaderMap;

use crate::api::delete::{DeleteOptions, Propagation};
use crate::api::list::ListOptions;
use crate::api::{Unknown, WriteOptions};
use crate::error::ApiError;

/// Query parameters of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(HashMap<String, String>);

impl Query {
    /// Reads the query string.
    pub(crate) fn of(uri: &http::Uri) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<HashMap<String, String>>::try_from_uri(uri)
            .map_err(|error| ApiError::BadRequest(error.to_string()))?;
        Ok(Self(query.0))
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.text(key), "true" | "1" | "True")
    }

    /// A number; absent and empty are the same.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, ApiError> {
        match self.text(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                ApiError::BadRequest(format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
            }),
        }
    }

    fn dry_run(&self) -> Result<bool, ApiError> {
        match self.text("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => Err(ApiError::BadRequest(format!("invalid dryRun: {other:?}"))),
        }
    }

    /// Options of a write.
    pub(crate) fn write(&self, headers: &HeaderMap) -> Result<WriteOptions, ApiError> {
        let unknown = match self.text("fieldValidation") {
            "" | "Warn" => Unknown::Warn,
            "Ignore" => Unknown::Ignore,
            "Strict" => Unknown::Strict,
            other => {
                return Err(ApiError::BadRequest(format!("invalid fieldValidation: {other:?}")));
            }
        };
        let manager = match self.text("fieldManager") {
            "" => agent(headers),
            given => given.to_owned(),
        };
        if manager.len() > 128 {
            return Err(ApiError::BadRequest("fieldManager is longer than 128 bytes".to_owned()));
        }
        Ok(WriteOptions { dry_run: self.dry_run()?, unknown, manager })
    }

    /// Options of a list.
    pub(crate) fn list(&self) -> Result<ListOptions, ApiError> {
        let limit = self.number("limit")?.unwrap_or_default();
        Ok(ListOptions {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            token: self.text("continue").to_owned(),
            version: self.number("resourceVersion")?.filter(|version| *version > 0),
            exact: self.text("resourceVersionMatch") == "Exact",
        })
    }

    /// Options of a deletion: from the body if there is one, else from the query.
    pub(crate) fn delete(&self, body: &serde_json::Value) -> Result<DeleteOptions, ApiError> {
        let given = body["propagationPolicy"].as_str().unwrap_or(self.text("propagationPolicy"));
        let orphan = body["orphanDependents"] == true || self.flag("orphanDependents");
        let propagation = match given {
            "" if orphan => Propagation::Orphan,
            "" | "Background" => Propagation::Background,
            "Foreground" => Propagation::Foreground,
            "Orphan" => Propagation::Orphan,
            other => {
                return Err(ApiError::BadRequest(format!("invalid propagationPolicy: {other:?}")));
            }
        };
        let precondition =
            |key: &str| body["preconditions"][key].as_str().map(std::borrow::ToOwned::to_owned);
        let dry = body["dryRun"].as_array().is_some_and(|list| list.iter().any(|v| v == "All"));
        Ok(DeleteOptions {
            uid: precondition("uid"),
            version: precondition("resourceVersion"),
            propagation,
            dry_run: dry || self.dry_run()?,
        })
    }
}

/// The writer's name when it gives none: the first word of its user agent.
fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
    let word = agent.and_then(|text| text.split('/').next()).unwrap_or_default();
    if word.is_empty() { "unknown".to_owned() } else { word.to_owned() }
}

/// The form in which the client wants objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Object,
    Table,
    Metadata,
    MetadataList,
    Discovery,
}

impl Form {
    /// The first form in `Accept` that is known here.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok());
        for kind in accept.unwrap_or_default().split(',') {
            let mut parts = kind.split(';').map(str::trim);
            if !matches!(parts.next(), Some("application/json")) {
                continue;
            }
            match parts.find_map(|part| part.strip_prefix("as=")) {
                None => return Self::Object,
                Some("Table") => return Self::Table,
                Some("PartialObjectMetadata") => return Self::Metadata,
                Some("PartialObjectMetadataList") => return Self::MetadataList,
                Some("APIGroupDiscoveryList")
                    if kind.contains("v=v2;") || kind.ends_with("v=v2") =>
                {
                    return Self::Discovery;
                }
                Some(_) => {}
            }
        }
        Self::Object
    }
}
