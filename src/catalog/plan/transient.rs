//! The plans of what mongorestore does before it merges.
//!
//! The documents are in the memory of one process. That a collection exists, and under which id, is in
//! the catalog: so no process takes a part of it for the whole.

use uuid::Uuid;

use super::{PlanError, set_setting};
use crate::catalog::View;
use crate::model::transient::{TransientCollection, TransientIds};
use crate::store::{Change, Setting};

/// The first `insert` into a collection: it exists from now on, under that id.
pub fn begin_transient(
    view: &View<'_>,
    collection: TransientCollection,
    id: Uuid,
) -> Result<Vec<Change>, PlanError> {
    let present = view.transient_ids();
    match present.of(collection) {
        None => put(present.with(collection, Some(id))),
        Some(begun) if begun == id => Ok(Vec::new()),
        Some(_) => Err(PlanError::TransientNotHere(collection)),
    }
}

/// `drop` of the collection of that id. One begun anew meanwhile stays.
pub fn drop_transient(
    view: &View<'_>,
    collection: TransientCollection,
    id: Uuid,
) -> Result<Vec<Change>, PlanError> {
    let present = view.transient_ids();
    if present.of(collection) == Some(id) {
        put(present.with(collection, None))
    } else {
        Ok(Vec::new())
    }
}

/// Refuses what was read of other collections than there are now.
pub(super) fn check_read(view: &View<'_>, read: TransientIds) -> Result<(), PlanError> {
    let present = view.transient_ids();
    for collection in TransientCollection::ALL {
        let id = read.of(collection);
        if id.is_some() && id != present.of(collection) {
            return Err(PlanError::TransientNotHere(collection));
        }
    }
    Ok(())
}

fn put(ids: TransientIds) -> Result<Vec<Change>, PlanError> {
    set_setting(Setting::TransientCollections(ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    const ROLES: TransientCollection = TransientCollection::Roles;
    const USERS: TransientCollection = TransientCollection::Users;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn a_collection_is_begun_once_until_it_is_dropped() {
        let catalog = Catalog::new();
        let run = |changes: Result<Vec<Change>, PlanError>| {
            let changes = changes?;
            let count = changes.len();
            catalog.apply(changes);
            Ok::<_, PlanError>(count)
        };
        let begin = |collection, number| {
            run(begin_transient(
                &View::new(&catalog),
                collection,
                id(number),
            ))
        };
        let drop = |number| run(drop_transient(&View::new(&catalog), USERS, id(number)));
        assert_eq!(begin(USERS, 1), Ok(1));
        assert_eq!(begin(USERS, 1), Ok(0), "it may come twice");
        assert_eq!(begin(USERS, 2), Err(PlanError::TransientNotHere(USERS)));
        assert_eq!(begin(ROLES, 3), Ok(1));
        assert_eq!(drop(2), Ok(0), "that is not what there is");
        assert_eq!(catalog.transient_ids().users, Some(id(1)));
        assert_eq!(drop(1), Ok(1));
        let expected = TransientIds {
            roles: Some(id(3)),
            users: None,
        };
        assert_eq!(catalog.transient_ids(), expected);
        assert_eq!(begin(USERS, 2), Ok(1));
        assert!(catalog.snapshot().is_empty(), "a backup is not of them");
    }

    #[test]
    fn one_batch_begins_a_collection_once() {
        let catalog = Catalog::new();
        let mut view = View::new(&catalog);
        let changes = begin_transient(&view, USERS, id(1)).unwrap();
        view.lay_over(&changes);
        let second = begin_transient(&view, USERS, id(2)).map(|changes| changes.len());
        assert_eq!(second, Err(PlanError::TransientNotHere(USERS)));
        let changes = drop_transient(&view, USERS, id(1)).unwrap();
        view.lay_over(&changes);
        let third = begin_transient(&view, USERS, id(2)).map(|changes| changes.len());
        assert_eq!(third, Ok(1));
    }
}
