//! `OperatePrivilegeGroup`: adds privileges to a group, or removes them.

use compact_str::CompactString;

use super::{change, failed};
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names::{entity_name, group_name};
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{OperatePrivilegeGroupRequest, OperatePrivilegeGroupType};
use crate::model::directory_change::{ChangeKind, DirectoryChange};

const OPERATION: ErrorCode = ErrorCode::OperatePrivilegeGroupFailure;

impl Call for OperatePrivilegeGroupRequest {
    const METHOD: &'static str = "OperatePrivilegeGroup";
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("OperatePrivilegeGroup"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        let (services, settings) = (context.services(), context.settings());
        let name = group_name(&self.group_name, settings)?;
        let mut privileges = Vec::with_capacity(self.privileges.len());
        for privilege in &self.privileges {
            let name = entity_name(&privilege.name, "Privilege", settings)?;
            privileges.push(CompactString::from(name));
        }
        let privileges = privileges.into_boxed_slice();
        let operation = OperatePrivilegeGroupType::try_from(self.r#type)
            .map_err(|_| Failure::of(OPERATION, "invalid operate privilege group type"))?;
        let change = DirectoryChange {
            group_privileges: Some(privileges.clone()),
            ..change("operatePrivilegeGroup", ChangeKind::Updated, &name)
        };
        let (order, directory) = (context.order(pass, change), &services.directory);
        let done = match operation {
            OperatePrivilegeGroupType::AddPrivilegesToGroup => {
                directory
                    .add_privileges_to_group(order, name, privileges)
                    .await
            }
            OperatePrivilegeGroupType::RemovePrivilegesFromGroup => {
                directory
                    .remove_privileges_from_group(order, name, privileges)
                    .await
            }
        };
        done.map_err(failed(OPERATION, "alterable", services))?;
        Ok(Status::default())
    }
}
