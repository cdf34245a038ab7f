//! Every method of the API by name. A new call is a file and a line here.

mod unserved;

use super::call::Call;
use super::dispatch::{Admit, Handle, admit, handle};
use super::proto::milvus as api;
use super::rbac::Restore;

pub(super) use unserved::Unserved;

/// A method that the API has.
pub(super) enum Known {
    /// Answered.
    Served(&'static Served),
    /// Refused once it is known who calls.
    Unserved(&'static Unserved),
}

/// A method that is answered.
pub(super) struct Served {
    method: &'static str,
    /// Bytes of a request.
    pub(super) request_bytes_max: usize,
    /// Makes the checks that come before a long request is read.
    pub(super) admit: Admit,
    /// Answers it.
    pub(super) handle: Handle,
}

/// The method of that name.
pub(super) fn find(method: &str) -> Option<Known> {
    match SERVED.iter().find(|served| served.method == method) {
        Some(served) => Some(Known::Served(served)),
        None => unserved::find(method).map(Known::Unserved),
    }
}

const fn served<C: Call>() -> Served {
    Served {
        method: C::METHOD,
        request_bytes_max: C::LONGEST_REQUEST,
        admit: admit::<C>,
        handle: handle::<C>,
    }
}

/// Sorted by name.
static SERVED: &[Served] = &[
    served::<api::AlterRoleRequest>(),
    served::<api::BackupRbacMetaRequest>(),
    served::<api::CheckHealthRequest>(),
    served::<api::ConnectRequest>(),
    served::<api::CreateCredentialRequest>(),
    served::<api::CreatePrivilegeGroupRequest>(),
    served::<api::CreateRoleRequest>(),
    served::<api::DeleteCredentialRequest>(),
    served::<api::DescribeDatabaseRequest>(),
    served::<api::DropPrivilegeGroupRequest>(),
    served::<api::DropRoleRequest>(),
    served::<api::GetVersionRequest>(),
    served::<api::ListCredUsersRequest>(),
    served::<api::ListDatabasesRequest>(),
    served::<api::ListPrivilegeGroupsRequest>(),
    served::<api::OperatePrivilegeRequest>(),
    served::<api::OperatePrivilegeGroupRequest>(),
    served::<api::OperatePrivilegeV2Request>(),
    served::<api::OperateUserRoleRequest>(),
    served::<Restore>(),
    served::<api::SelectGrantRequest>(),
    served::<api::SelectRoleRequest>(),
    served::<api::SelectUserRequest>(),
    served::<api::UpdateCredentialRequest>(),
];

#[cfg(test)]
mod tests {
    use super::unserved::UNSERVED;
    use super::*;
    use crate::model::milvus::object_of;

    #[test]
    fn methods_are_sorted_and_in_one_list() {
        assert!(SERVED.is_sorted_by(|left, right| left.method < right.method));
        assert!(UNSERVED.is_sorted_by(|left, right| left.method < right.method));
        for Served { method, .. } in SERVED {
            assert!(matches!(find(method), Some(Known::Served(_))), "{method}");
            assert!(unserved::find(method).is_none(), "{method}");
        }
        // As many as the API of pymilvus 3.0.2 has.
        assert_eq!(SERVED.len() + UNSERVED.len(), 144);
    }

    #[test]
    fn what_is_not_served_takes_privileges_that_exist() {
        for method in UNSERVED {
            assert!(matches!(find(method.method), Some(Known::Unserved(_))));
            if let Some((_, privilege)) = method.privilege {
                assert!(object_of(privilege).is_some(), "{privilege}");
            }
        }
        assert!(find("createCredential").is_none());
    }
}
