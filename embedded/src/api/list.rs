//! Lists, whole or in pages. All pages of a list show the same moment.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::selector::Selector;
use super::{Api, Resource};
use crate::error::ApiError;
use crate::store::object::Stored;

/// Lists that are being paged through at the same time; the oldest is given up (410) for a new one.
const MAX_OPEN: usize = 64;
/// Objects that all open lists may keep alive together.
const MAX_KEPT: usize = 2_000_000;

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.";

/// Lists of which more pages may be asked for.
#[derive(Debug, Default)]
pub(crate) struct OpenLists(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    kept: usize,
    lists: VecDeque<OpenList>,
}

#[derive(Debug)]
struct OpenList {
    id: u64,
    version: u64,
    objects: Arc<[Arc<Stored>]>,
}

impl OpenLists {
    fn keep(&self, version: u64, objects: Arc<[Arc<Stored>]>) -> u64 {
        let mut open = self.0.lock();
        open.last += 1;
        open.kept += objects.len();
        let id = open.last;
        open.lists.push_back(OpenList { id, version, objects });
        while open.lists.len() > MAX_OPEN || (open.kept > MAX_KEPT && open.lists.len() > 1) {
            if let Some(oldest) = open.lists.pop_front() {
                open.kept -= oldest.objects.len();
            }
        }
        id
    }

    fn find(&self, id: u64) -> Option<(u64, Arc<[Arc<Stored>]>)> {
        let open = self.0.lock();
        let list = open.lists.iter().find(|list| list.id == id)?;
        Some((list.version, list.objects.clone()))
    }
}

/// One page of a list, or all of it.
#[derive(Debug)]
pub(crate) struct Page {
    /// The moment that the list shows.
    pub(crate) version: u64,
    pub(crate) objects: Vec<Arc<Stored>>,
    /// Token for the next page.
    pub(crate) next: Option<String>,
    pub(crate) remaining: usize,
}

/// What a list request asks for beyond the selector.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListOptions {
    pub(crate) limit: usize,
    pub(crate) token: String,
    /// `resourceVersion` and whether it has to be exactly that one.
    pub(crate) version: Option<u64>,
    pub(crate) exact: bool,
}

impl Api {
    pub(crate) fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &Selector,
        options: &ListOptions,
    ) -> Result<Page, ApiError> {
        if !options.token.is_empty() {
            return self.next_page(&options.token, options.limit);
        }
        let listing = self.store.list(resource.storage, namespace);
        if let Some(wanted) = options.version {
            if wanted > listing.version {
                return Err(ApiError::FutureVersion { wanted, current: listing.version });
            }
            if options.exact && wanted != listing.version {
                let current = listing.version;
                return Err(ApiError::Expired(format!(
                    "The resourceVersion for the provided list is too old: {wanted} ({current})"
                )));
            }
        }
        let mut objects = listing.objects;
        objects.retain(|object| selector.matches(&object.meta));
        let version = listing.version;
        if options.limit == 0 || objects.len() <= options.limit {
            return Ok(Page { version, objects, next: None, remaining: 0 });
        }
        let all: Arc<[Arc<Stored>]> = objects.into();
        let id = self.lists.keep(version, all.clone());
        Ok(page(id, version, &all, 0, options.limit))
    }

    fn next_page(&self, token: &str, limit: usize) -> Result<Page, ApiError> {
        let expired = || ApiError::Expired(EXPIRED.to_owned());
        let (id, start) = token
            .split_once('-')
            .and_then(|(id, start)| Some((id.parse().ok()?, start.parse().ok()?)))
            .ok_or_else(|| ApiError::BadRequest("continue key is not valid".to_owned()))?;
        let (version, all) = self.lists.find(id).ok_or_else(expired)?;
        let limit = if limit == 0 { all.len() } else { limit };
        Ok(page(id, version, &all, start, limit))
    }
}

fn page(id: u64, version: u64, all: &[Arc<Stored>], start: usize, limit: usize) -> Page {
    let objects: Vec<_> = all.iter().skip(start).take(limit).cloned().collect();
    let end = start + objects.len();
    let next = (end < all.len()).then(|| format!("{id}-{end}"));
    Page { version, objects, next, remaining: all.len().saturating_sub(end) }
}
