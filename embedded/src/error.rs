//! Why a request is refused. The HTTP edge turns these into Kubernetes `Status` objects (`http::status`).

use crate::kinds::Kind;
use crate::schema::Problem;
use crate::store::writer::WriteError;

/// The object (or list) that an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) name: String,
}

impl Subject {
    pub(crate) fn new(kind: &Kind, name: &str) -> Self {
        Self {
            group: kind.group.clone(),
            kind: kind.kind.clone(),
            plural: kind.plural.clone(),
            name: name.to_owned(),
        }
    }

    fn qualify(&self, word: &str) -> String {
        if self.group.is_empty() { word.to_owned() } else { format!("{word}.{}", self.group) }
    }

    /// `plural.group`.
    pub(crate) fn resource(&self) -> String {
        self.qualify(&self.plural)
    }

    /// `Kind.group`.
    pub(crate) fn qualified_kind(&self) -> String {
        self.qualify(&self.kind)
    }
}

/// A refused request.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("the server could not find the requested resource")]
    UnknownPath,
    #[error("{} {:?} not found", .0.resource(), .0.name)]
    NotFound(Box<Subject>),
    #[error("{} {:?} already exists", .0.resource(), .0.name)]
    AlreadyExists(Box<Subject>),
    #[error("Operation cannot be fulfilled on {} {:?}: {}", .0.resource(), .0.name, .1)]
    Conflict(Box<Subject>, String),
    #[error("{message}")]
    ApplyConflict { message: String, fields: Vec<(String, String)> },
    #[error("{} {:?} is invalid: {}", .0.qualified_kind(), .0.name, listed(.1))]
    Invalid(Box<Subject>, Vec<Problem>),
    #[error("{0}")]
    BadRequest(String),
    #[error("{} {:?} is forbidden: unable to create new content in namespace {} because it is being terminated", .0.resource(), .0.name, .1)]
    Terminating(Box<Subject>, String),
    #[error("{0}")]
    Expired(String),
    #[error("Too large resource version: {wanted}, current: {current}")]
    FutureVersion { wanted: u64, current: u64 },
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    #[error("the body of the request was in an unknown format - accepted media types include: {0}")]
    MediaType(String),
    #[error("Request entity too large: limit is {0}")]
    TooLarge(usize),
    #[error("{0}")]
    Internal(String),
    #[error("the server is shutting down")]
    Closed,
}

fn listed(problems: &[Problem]) -> String {
    let one = |problem: &Problem| format!("{}: {}", problem.field, problem.message);
    match problems {
        [problem] => one(problem),
        several => format!("[{}]", several.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

impl ApiError {
    /// The object that a conflicting write was based on is not the newest one.
    pub(crate) fn modified(subject: Subject) -> Self {
        let message = "the object has been modified; please apply your changes to the latest version and try again";
        Self::Conflict(Box::new(subject), message.to_owned())
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::NotFound(Box::new(Subject::new(kind, name)))
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, problems: Vec<Problem>) -> Self {
        Self::Invalid(Box::new(Subject::new(kind, name)), problems)
    }

    /// A write that the store refused.
    pub(crate) fn of_write(error: WriteError, kind: &Kind, name: &str) -> Self {
        let subject = Subject::new(kind, name);
        match error {
            WriteError::Exists => Self::AlreadyExists(Box::new(subject)),
            WriteError::Changed => Self::modified(subject),
            WriteError::Storage(text) => Self::Internal(format!("the store cannot write: {text}")),
            WriteError::Closed => Self::Closed,
        }
    }
}
