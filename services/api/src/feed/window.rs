//! What the feed has read last: a bounded stretch of changes, complete for everybody who watches. Pure.
//!
//! Used by [`RunFeed`](super::RunFeed) under one lock. It knows no store and no time.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use baton_domain::{
    ids::UserId,
    ports::{ChangeCursor, ChangedRun, RunFilter},
};

/// What a change takes beside its response.
const CHANGE_BYTES: usize = 1_024;

/// Those who watch runs of one user.
#[derive(Debug)]
struct Readers {
    count: usize,
    /// From here on the user's changes have been read into the window; `None` until the next look.
    since: Option<ChangeCursor>,
}

/// What stands in the window beyond a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The next change that the filter lets through.
    Change(Arc<ChangedRun>),
    /// None up to this place, where the feed stands.
    Nothing(ChangeCursor),
    /// The window does not reach back so far.
    Behind,
}

/// Changes in order, from `start` to `head`.
#[derive(Debug)]
pub(super) struct Window {
    max_changes: usize,
    max_bytes: usize,
    start: ChangeCursor,
    /// `None` until the feed has a place to read from.
    head: Option<ChangeCursor>,
    changes: VecDeque<Arc<ChangedRun>>,
    bytes: usize,
    users: BTreeMap<UserId, Readers>,
}

impl Window {
    pub(super) fn new(max_changes: usize, max_bytes: usize) -> Self {
        Self {
            max_changes,
            max_bytes,
            start: ChangeCursor::START,
            head: None,
            changes: VecDeque::new(),
            bytes: 0,
            users: BTreeMap::new(),
        }
    }

    /// One more watches this user's runs. True when nobody did.
    pub(super) fn join(&mut self, user: &UserId) -> bool {
        let readers = self
            .users
            .entry(user.clone())
            .or_insert(Readers { count: 0, since: None });
        readers.count += 1;
        readers.count == 1
    }

    /// One fewer does. With the last watch of all, the window is given up.
    pub(super) fn leave(&mut self, user: &UserId) {
        let Some(readers) = self.users.get_mut(user) else {
            return;
        };
        readers.count -= 1;
        if readers.count == 0 {
            self.users.remove(user);
        }
        if self.users.is_empty() {
            self.forget();
        }
    }

    pub(super) fn is_unwatched(&self) -> bool {
        self.users.is_empty()
    }

    /// Where to read on.
    pub(super) fn head(&self) -> Option<ChangeCursor> {
        self.head
    }

    /// Starts at a place, with nothing read.
    pub(super) fn begin(&mut self, head: ChangeCursor) {
        self.forget();
        self.start = head;
        self.head = Some(head);
    }

    /// Drops what was read, and the place to read on from.
    pub(super) fn forget(&mut self) {
        self.head = None;
        self.changes.clear();
        self.bytes = 0;
        self.users.values_mut().for_each(|readers| readers.since = None);
    }

    /// Whose changes the look that begins now must read; `None` when nobody watches.
    pub(super) fn users_to_read(&mut self) -> Option<Vec<UserId>> {
        let head = self.head?;
        for readers in self.users.values_mut() {
            readers.since.get_or_insert(head);
        }
        (!self.users.is_empty()).then(|| self.users.keys().cloned().collect())
    }

    /// What the look read, and where it ended. The oldest goes when there is too much.
    pub(super) fn add(&mut self, runs: Vec<ChangedRun>, next: ChangeCursor) {
        if self.head.is_none() {
            // Given up while the look was under way.
            return;
        }
        for changed in runs {
            self.bytes += size(&changed);
            self.changes.push_back(Arc::new(changed));
        }
        self.head = Some(next);
        while self.changes.len() > self.max_changes || self.bytes > self.max_bytes {
            let Some(oldest) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= size(&oldest);
            self.start = oldest.at;
        }
    }

    /// The first change beyond `at` that the filter lets through.
    pub(super) fn find(&self, at: ChangeCursor, filter: &RunFilter) -> Found {
        let since = self.users.get(&filter.user_id).and_then(|readers| readers.since);
        let (Some(head), Some(since)) = (self.head, since) else {
            return Found::Behind;
        };
        if at < self.start.max(since) {
            return Found::Behind;
        }
        let first = self.changes.partition_point(|changed| changed.at <= at);
        let wanted = self.changes.range(first..).find(|changed| filter.matches(&changed.run));
        match wanted {
            Some(changed) => Found::Change(Arc::clone(changed)),
            // Another server's cursor may be ahead of what this one has read.
            None => Found::Nothing(head.max(at)),
        }
    }
}

fn size(changed: &ChangedRun) -> usize {
    CHANGE_BYTES + changed.run.response.len()
}

#[cfg(test)]
mod tests;
