//! What one read shows of several users is a prefix of the order of writes: whoever sees a write sees
//! everything that was over before it began.

use std::collections::BTreeMap;

use super::{Action, History, Outcome, Read, State, Violation, Write, WriteId};

pub(super) fn check(history: &History) -> Result<(), Violation> {
    let writes: BTreeMap<WriteId, &Write> = history
        .writes
        .iter()
        .map(|write| (write.id, write))
        .collect();
    let users = history.by_user();
    for read in history.reads.iter().filter(|read| read.seen.len() > 1) {
        // The write seen that began last.
        let seen = read.seen.values().flatten().flat_map(|user| {
            let ids = user.granted.iter().chain([&user.created_by]);
            ids.filter_map(|id| writes.get(id))
        });
        let Some(latest) = seen.max_by_key(|write| write.invoked) else {
            continue;
        };
        for (user, state) in &read.seen {
            let of_user = &users[user.as_str()].writes;
            let is_earlier = |write: &&&Write| {
                matches!(write.outcome, Outcome::Done { .. }) && write.returned < latest.invoked
            };
            let mut earlier = of_user.iter().filter(is_earlier);
            if let Some(write) =
                earlier.find(|write| is_missing(write, state, read, of_user, &writes))
            {
                return Err(Violation {
                    user: user.clone(),
                    text: format!("{read:?} shows {latest:?} but not {write:?}, which was before"),
                });
            }
        }
    }
    Ok(())
}

/// Whether the state is certainly one of before the write.
fn is_missing(
    write: &Write,
    state: &State,
    read: &Read,
    of_user: &[&Write],
    writes: &BTreeMap<WriteId, &Write>,
) -> bool {
    // Whether another write may have undone it that the read may have seen.
    let may_be_undone = |undoes: &dyn Fn(Action) -> bool| {
        of_user.iter().any(|other| {
            let is_surely_before =
                other.outcome != Outcome::Unknown && other.returned < write.invoked;
            matches!(other.outcome, Outcome::Done { .. } | Outcome::Unknown)
                && undoes(other.action)
                && !is_surely_before
                && other.invoked < read.returned
        })
    };
    // Of unknown outcome it may have come late, after the write.
    let was_surely_before = |id: WriteId| {
        writes.get(&id).is_some_and(|other| {
            other.outcome != Outcome::Unknown && other.returned < write.invoked
        })
    };
    match (write.action, state) {
        (Action::Create, None) => !may_be_undone(&|action| action == Action::Drop),
        (Action::Create | Action::Drop, Some(user)) => {
            user.created_by != write.id && was_surely_before(user.created_by)
        }
        (Action::Grant, state) => {
            let is_there = state
                .as_ref()
                .is_some_and(|user| user.granted.contains(&write.id));
            let undoes =
                |action| matches!(action, Action::Drop) || action == Action::Revoke(write.id);
            !is_there && !may_be_undone(&undoes)
        }
        (Action::Revoke(grant), Some(user)) => {
            user.granted.contains(&grant) && was_surely_before(grant)
        }
        (Action::Drop | Action::Revoke(_), None) => false,
    }
}
