//! What comes with a wish to write: the permission, and what follows the commit.

use std::fmt;

use crate::authz::Pass;

/// How many names a write dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Users.
    pub users: usize,
    /// Roles.
    pub roles: usize,
}

/// Leave to write. The writer asks the pass again against the state it changes, and does what
/// [`Order::once_written`] names even if whoever waits for the answer has gone: a change without its
/// line in the log must not be.
pub struct Order {
    pub(super) pass: Pass,
    pub(super) follow_up: Option<Box<dyn FnOnce(Dropped) + Send>>,
}

impl Order {
    /// Nothing follows.
    pub fn new(pass: Pass) -> Self {
        Self {
            pass,
            follow_up: None,
        }
    }

    /// Runs on the writer thread after the commit and before the answer: it must be short.
    #[must_use]
    pub fn once_written(self, follow_up: impl FnOnce(Dropped) + Send + 'static) -> Self {
        Self {
            follow_up: Some(Box::new(follow_up)),
            ..self
        }
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Order")
            .field("pass", &self.pass)
            .finish_non_exhaustive()
    }
}
