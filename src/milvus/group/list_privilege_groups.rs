//! `ListPrivilegeGroups`: those that administrators made, then the built-in ones.

use compact_str::CompactString;

use super::group_info;
use crate::authz::{MilvusNeed, Pass};
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::Status;
use crate::milvus::proto::milvus::{ListPrivilegeGroupsRequest, ListPrivilegeGroupsResponse};
use crate::model::milvus::BUILT_IN_GROUPS;

impl Call for ListPrivilegeGroupsRequest {
    const METHOD: &'static str = "ListPrivilegeGroups";
    type Reply = ListPrivilegeGroupsResponse;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("ListPrivilegeGroups"))
    }

    async fn run(
        self,
        context: &Context<'_>,
        _: Pass,
    ) -> Result<ListPrivilegeGroupsResponse, Failure> {
        let groups = context.services().directory.catalog().privilege_groups();
        let own = groups.as_slice().iter().map(|group| {
            let privileges = group.privileges.iter().map(CompactString::as_str);
            group_info(&group.name, privileges)
        });
        let built_in = BUILT_IN_GROUPS
            .iter()
            .map(|group| group_info(group.name, group.privileges().into_iter()));
        Ok(ListPrivilegeGroupsResponse {
            status: Some(Status::default()),
            privilege_groups: own.chain(built_in).collect(),
        })
    }
}
