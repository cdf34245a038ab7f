//! Documents on their way through the steps of a query.
//!
//! Steps that need no more than the document at hand run when it is asked for, so that a cursor
//! holds pointers into the catalog rather than documents. Sorting and grouping need all of them at
//! once, and have a limit.

use std::collections::VecDeque;
use std::time::Duration;

use bson::RawDocumentBuf;

use super::portcullis_backup::{BACKUP_IDLE_MAX, Backup};
use super::system_collection::Stored;
use crate::command::services::Interrupt;
use crate::error::CommandError;
use crate::query::{Filter, Group, Projection, Sort, SortKey};

/// Bytes that one sort or one group may keep.
const BLOCKING_STAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One step, in the words of an aggregation pipeline.
#[derive(Debug)]
pub(super) enum Stage {
    Match(Filter),
    Project(Projection),
    Skip(u64),
    Limit(u64),
    Sort(Sort),
    Group(Group),
    /// `$count` with the name of its field.
    Count(bson::raw::CString),
}

/// A document, or what it can be made from.
#[derive(Debug)]
enum Row {
    Stored(Stored),
    Made(RawDocumentBuf),
}

/// Documents that have yet to be read.
#[derive(Debug)]
pub(super) struct Rows {
    left: VecDeque<Row>,
    /// What each goes through: no stage that needs all rows.
    steps: Vec<Step>,
    /// A document that was asked for and given back.
    ahead: Option<RawDocumentBuf>,
    /// Where the documents come from instead.
    backup: Option<Backup>,
}

#[derive(Debug)]
enum Step {
    Match(Filter),
    Project(Projection),
    Skip(u64),
    Limit(u64),
}

impl Rows {
    /// Documents that go through nothing.
    pub(super) fn of_documents(documents: impl IntoIterator<Item = RawDocumentBuf>) -> Self {
        Self::new(documents.into_iter().map(Row::Made).collect())
    }

    /// Stored documents that go through `stages`; sorts and groups are done at once.
    ///
    /// # Errors
    /// 292 beyond [`BLOCKING_STAGE_BYTES_MAX`], 11601 when interrupted.
    pub(super) fn through(
        documents: Vec<Stored>,
        stages: Vec<Stage>,
        interrupt: &Interrupt,
    ) -> Result<Self, CommandError> {
        Self::new(documents.into_iter().map(Row::Stored).collect()).run(stages, interrupt)
    }

    /// The documents of a backup.
    pub(super) fn of_backup(backup: Backup) -> Self {
        Self {
            backup: Some(backup),
            ..Self::new(VecDeque::new())
        }
    }

    /// The same rows, through more stages.
    pub(super) fn run(
        self,
        stages: Vec<Stage>,
        interrupt: &Interrupt,
    ) -> Result<Self, CommandError> {
        let mut rows = self;
        let mut stages = VecDeque::from(stages);
        while let Some(stage) = stages.pop_front() {
            match stage {
                Stage::Match(filter) if filter.matches_everything() => {}
                Stage::Match(filter) => rows.steps.push(Step::Match(filter)),
                Stage::Project(projection) => rows.steps.push(Step::Project(projection)),
                Stage::Skip(count) => rows.steps.push(Step::Skip(count)),
                Stage::Limit(count) => rows.steps.push(Step::Limit(count)),
                Stage::Sort(sort) => rows = rows.sorted(&sort, rows_wanted(&stages), interrupt)?,
                Stage::Group(group) => rows = rows.grouped(&group, interrupt)?,
                Stage::Count(name) => rows = rows.counted(&name, interrupt)?,
            }
        }
        Ok(rows)
    }

    /// The next document.
    ///
    /// # Errors
    /// 11601 when interrupted.
    pub(super) fn next(
        &mut self,
        interrupt: &Interrupt,
    ) -> Result<Option<RawDocumentBuf>, CommandError> {
        if let Some(document) = self.ahead.take() {
            return Ok(Some(document));
        }
        if let Some(backup) = &mut self.backup {
            return backup.next(interrupt);
        }
        Ok(self.advance(interrupt)?.map(|(_, document)| document))
    }

    /// Gives a document back: it is the next one again.
    pub(super) fn put_back(&mut self, document: RawDocumentBuf) {
        self.ahead = Some(document);
    }

    /// The bytes it keeps, without what the catalog has anyway.
    pub(super) fn byte_count(&self) -> usize {
        let made = self.left.iter().map(|row| match row {
            Row::Stored(_) => size_of::<Row>(),
            Row::Made(document) => size_of::<Row>() + document.as_bytes().len(),
        });
        let ahead = self
            .ahead
            .as_ref()
            .map_or(0, |document| document.as_bytes().len());
        let steps = self.steps.iter().map(|step| match step {
            Step::Match(filter) => filter.byte_count(),
            Step::Project(projection) => projection.byte_count(),
            Step::Skip(_) | Step::Limit(_) => 0,
        });
        let backup = self.backup.as_ref().map_or(0, Backup::byte_count);
        made.sum::<usize>() + ahead + steps.sum::<usize>() + backup
    }

    /// How long it is kept without being read, where other rows are kept for `timeout`.
    pub(super) fn idle_limit(&self, timeout: Duration) -> Duration {
        match self.backup {
            Some(_) => timeout.min(BACKUP_IDLE_MAX),
            None => timeout,
        }
    }

    fn new(left: VecDeque<Row>) -> Self {
        Self {
            left,
            steps: Vec::new(),
            ahead: None,
            backup: None,
        }
    }

    /// The next document, and what it is stored as if no step has changed it.
    fn advance(
        &mut self,
        interrupt: &Interrupt,
    ) -> Result<Option<(Option<Stored>, RawDocumentBuf)>, CommandError> {
        'rows: loop {
            interrupt.check()?;
            // Nothing passes a limit that is used up, so the rest need not be looked at.
            let is_used_up = |step: &Step| matches!(step, Step::Limit(0));
            if self.steps.iter().any(is_used_up) {
                self.left.clear();
            }
            let Some(row) = self.left.pop_front() else {
                return Ok(None);
            };
            let (mut stored, mut document) = match row {
                Row::Stored(stored) => {
                    let document = stored.to_document();
                    (Some(stored), document)
                }
                Row::Made(document) => (None, document),
            };
            for step in &mut self.steps {
                match step {
                    Step::Match(filter) if !filter.matches(&document) => continue 'rows,
                    Step::Project(projection) => {
                        stored = None;
                        document = projection.apply(&document);
                    }
                    Step::Match(_) | Step::Skip(0) => {}
                    Step::Skip(left) => {
                        *left -= 1;
                        continue 'rows;
                    }
                    Step::Limit(0) => continue 'rows,
                    Step::Limit(left) => *left -= 1,
                }
            }
            return Ok(Some((stored, document)));
        }
    }

    /// The first `wanted` in the order of `sort`; rows that are equal keep their order.
    fn sorted(
        mut self,
        sort: &Sort,
        wanted: Option<usize>,
        interrupt: &Interrupt,
    ) -> Result<Self, CommandError> {
        let order = |left: &(SortKey, Row), right: &(SortKey, Row)| sort.compare(&left.0, &right.0);
        let wanted = wanted.unwrap_or(usize::MAX);
        let mut keyed: Vec<(SortKey, Row)> = Vec::new();
        let mut bytes = 0;
        while let Some((stored, document)) = self.advance(interrupt)? {
            let key = sort.key(&document, BLOCKING_STAGE_BYTES_MAX)?;
            let row = stored.map_or_else(|| Row::Made(document), Row::Stored);
            bytes += keyed_bytes(&key, &row);
            keyed.push((key, row));
            if keyed.len() >= wanted.saturating_mul(2).max(2) {
                keyed.sort_by(order);
                keyed.truncate(wanted);
                bytes = keyed.iter().map(|(key, row)| keyed_bytes(key, row)).sum();
            }
            if bytes > BLOCKING_STAGE_BYTES_MAX {
                return Err(CommandError::memory_exceeded("Sort"));
            }
        }
        keyed.sort_by(order);
        keyed.truncate(wanted);
        Ok(Self::new(keyed.into_iter().map(|(_, row)| row).collect()))
    }

    fn grouped(mut self, group: &Group, interrupt: &Interrupt) -> Result<Self, CommandError> {
        let mut groups = group.start(BLOCKING_STAGE_BYTES_MAX);
        while let Some((_, document)) = self.advance(interrupt)? {
            groups.add(&document)?;
        }
        Ok(Self::of_documents(groups.into_documents()))
    }

    /// One document, or none if there is nothing to count.
    fn counted(
        mut self,
        name: &bson::raw::CStr,
        interrupt: &Interrupt,
    ) -> Result<Self, CommandError> {
        let count = self.count(interrupt)?;
        let mut document = RawDocumentBuf::new();
        match i32::try_from(count) {
            Ok(count) => document.append(name, count),
            Err(_) => document.append(name, count),
        }
        Ok(Self::of_documents((count > 0).then_some(document)))
    }

    /// Reads all that is left, and says how many there were.
    ///
    /// # Errors
    /// 11601 when interrupted.
    pub(super) fn count(&mut self, interrupt: &Interrupt) -> Result<i64, CommandError> {
        let mut count = 0;
        while self.next(interrupt)?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

/// How many rows of a sort the stages after it can need; `None` if all.
fn rows_wanted(after: &VecDeque<Stage>) -> Option<usize> {
    let mut skipped = 0_u64;
    for stage in after {
        match stage {
            Stage::Skip(count) => skipped = skipped.saturating_add(*count),
            Stage::Project(_) => {}
            Stage::Limit(count) => return usize::try_from(skipped.saturating_add(*count)).ok(),
            _ => return None,
        }
    }
    None
}

fn keyed_bytes(key: &SortKey, row: &Row) -> usize {
    let made = match row {
        Row::Stored(_) => 0,
        Row::Made(document) => document.as_bytes().len(),
    };
    size_of::<(SortKey, Row)>() + key.byte_count() + made
}

#[cfg(test)]
mod tests {
    use bson::{RawBsonRef, rawdoc};

    use super::*;

    /// The `_id`s that are left of 0 to 9.
    fn left(stages: Vec<Stage>) -> Vec<i32> {
        let documents = (0..10).map(|id| rawdoc! { "_id": id, "odd": id % 2 });
        let interrupt = Interrupt::default();
        let mut rows = Rows::of_documents(documents)
            .run(stages, &interrupt)
            .unwrap();
        let mut ids = Vec::new();
        while let Some(document) = rows.next(&interrupt).unwrap() {
            ids.push(document.get_i32("_id").unwrap());
        }
        ids
    }

    fn odd() -> Stage {
        Stage::Match(Filter::parse(&rawdoc! { "odd": 1 }).unwrap())
    }

    fn descending() -> Sort {
        Sort::parse(&rawdoc! { "_id": -1 }).unwrap()
    }

    #[test]
    fn steps_count_what_the_ones_before_let_pass() {
        assert_eq!(left(vec![]), (0..10).collect::<Vec<_>>());
        assert_eq!(left(vec![odd(), Stage::Skip(1), Stage::Limit(2)]), [3, 5]);
        assert_eq!(left(vec![Stage::Limit(4), odd()]), [1, 3]);
        assert_eq!(left(vec![Stage::Skip(4), odd(), Stage::Skip(1)]), [7, 9]);
        assert_eq!(left(vec![Stage::Limit(0)]), [0; 0]);
        assert_eq!(left(vec![Stage::Skip(20)]), [0; 0]);
    }

    #[test]
    fn a_sort_keeps_no_more_than_a_limit_after_it_needs() {
        let documents = |count: i32| Rows::of_documents((0..count).map(|id| rawdoc! { "_id": id }));
        let interrupt = Interrupt::default();
        for wanted in [0, 1, 3, 100] {
            let mut rows = documents(10)
                .sorted(&descending(), Some(wanted), &interrupt)
                .unwrap();
            let expected = wanted.min(10);
            assert_eq!(rows.left.len(), expected);
            let first = rows.next(&interrupt).unwrap();
            assert_eq!(first, (expected > 0).then(|| rawdoc! { "_id": 9 }));
        }
        let after = |stages: Vec<Stage>| rows_wanted(&stages.into());
        assert_eq!(after(vec![Stage::Skip(2), Stage::Limit(3)]), Some(5));
        assert_eq!(after(vec![odd(), Stage::Limit(3)]), None);
        assert_eq!(after(vec![]), None);
    }

    #[test]
    fn a_document_given_back_comes_again() {
        let mut rows = Rows::of_documents([rawdoc! { "a": 1 }, rawdoc! { "a": 2 }]);
        let interrupt = Interrupt::default();
        let first = rows.next(&interrupt).unwrap().unwrap();
        let before = rows.byte_count();
        rows.put_back(first.clone());
        assert_eq!(rows.byte_count(), before + first.as_bytes().len());
        assert_eq!(rows.next(&interrupt).unwrap(), Some(first));
        assert_eq!(rows.count(&interrupt).unwrap(), 1);
    }

    #[test]
    fn what_it_still_has_to_ask_counts() {
        let interrupt = Interrupt::default();
        let before = Rows::of_documents([]).byte_count();
        let long = rawdoc! { "a": "x".repeat(1000), "b": { "$regex": "x" } };
        let filter = Stage::Match(Filter::parse(&long).unwrap());
        let rows = Rows::of_documents([]).run(vec![filter], &interrupt);
        // A compiled regular expression is far larger than its text.
        assert!(rows.unwrap().byte_count() > before + 1000 + 1024 * 1024);
    }

    #[test]
    fn memory_has_an_end() {
        let document = rawdoc! { "text": "x".repeat(1024 * 1024) };
        let documents = || Rows::of_documents(std::iter::repeat_n(document.clone(), 70));
        let interrupt = Interrupt::default();
        let sorted = documents()
            .sorted(&descending(), None, &interrupt)
            .unwrap_err();
        assert_eq!(sorted.code.0, 292);
        assert!(
            documents()
                .sorted(&descending(), Some(10), &interrupt)
                .is_ok()
        );
        let operand = rawdoc! { "_id": null, "all": { "$push": "$text" } };
        let group = Group::parse(RawBsonRef::Document(&operand)).unwrap();
        assert_eq!(
            documents().grouped(&group, &interrupt).unwrap_err().code.0,
            292
        );
    }
}
