//! What a request takes where it is more than a list of needs.

use super::pass::{Authority, Denied, Need, Pass};
use crate::model::names::DbName;

/// Several ways to be allowed, of which one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    ways: Vec<Way>,
}

/// One way to be allowed: all of it must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Way {
    /// What the caller must be allowed.
    pub needs: Vec<Need>,
    /// What the caller must not be allowed, for requests that would let it see more than it may. A
    /// pass does not rest on it: nothing that is written may depend on it alone.
    pub lacks: Option<Need>,
    /// A database on which the caller must be allowed something, whatever it is.
    pub anything_in: Option<DbName>,
}

impl Way {
    /// All of `needs`.
    pub fn all(needs: Vec<Need>) -> Self {
        Self {
            needs,
            ..Self::default()
        }
    }
}

impl Requirement {
    /// It is enough to be signed in.
    pub fn signed_in() -> Self {
        Self::all(Vec::new())
    }

    /// All of `needs`.
    pub fn all(needs: Vec<Need>) -> Self {
        Self {
            ways: vec![Way::all(needs)],
        }
    }

    /// One of `ways`. Without any, nobody is allowed.
    pub fn any(ways: Vec<Way>) -> Self {
        Self { ways }
    }

    /// The ways.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// Whether the caller meets it: a pass by the first way that does, or what the first way lacks.
    pub fn check(&self, authority: &Authority<'_>) -> Result<Pass, Denied> {
        let _signed_in = authority.require_sign_in()?;
        let mut denied = None;
        for way in &self.ways {
            match way.check(authority) {
                Ok(pass) => return Ok(pass),
                Err(reason) => denied = denied.or(Some(reason)),
            }
        }
        Err(denied.unwrap_or(Denied::NoWay))
    }
}

impl Way {
    fn check(&self, authority: &Authority<'_>) -> Result<Pass, Denied> {
        let pass = authority.require(&self.needs)?;
        if let Some(lacked) = &self.lacks
            && authority.require(std::slice::from_ref(lacked)).is_ok()
        {
            return Err(Denied::NoWay);
        }
        match &self.anything_in {
            Some(db) if !authority.allows_any_action_in(db) => Err(Denied::NoWay),
            _ => Ok(pass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::Action;

    fn need() -> Need {
        Need::on_cluster(Action::Find)
    }

    #[test]
    fn strangers_meet_nothing_and_no_way_is_nobodys() {
        let nobody = Requirement::signed_in().check(&Authority::Nobody);
        assert_eq!(nobody.err(), Some(Denied::NotSignedIn));
        let nothing = Requirement::any(Vec::new()).check(&Authority::Unchecked);
        assert_eq!(nothing.err(), Some(Denied::NoWay));
    }

    #[test]
    fn one_way_is_enough_and_all_of_it_must_hold() {
        let lacking = Way {
            lacks: Some(need()),
            ..Way::default()
        };
        let without = Requirement::any(vec![lacking.clone()]);
        assert!(without.check(&Authority::Unchecked).is_err());
        let _pass = without.check(&Authority::LocalhostException).unwrap();
        let either = Requirement::any(vec![lacking, Way::all(vec![need()])]);
        let _pass = either.check(&Authority::Unchecked).unwrap();
        let anything = Requirement::any(vec![Way {
            anything_in: Some(DbName::ADMIN),
            ..Way::default()
        }]);
        assert!(anything.check(&Authority::LocalhostException).is_err());
        let _pass = anything.check(&Authority::Unchecked).unwrap();
    }
}
