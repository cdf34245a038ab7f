//! What clients ask before the calls they are for.

use portcullis::milvus::proto::milvus::{
    DescribeDatabaseRequest, DescribeDatabaseResponse, ListDatabasesRequest, ListDatabasesResponse,
};
use tonic::Code;

use crate::client::{Client, Server, Told, create_user, told};

async fn describe(client: &mut Client, db: &str) -> Result<DescribeDatabaseResponse, Code> {
    let db_name = db.to_owned();
    let called = client.call("DescribeDatabase", DescribeDatabaseRequest { db_name });
    called.await.map_err(|status| status.code())
}

#[tokio::test]
async fn the_databases_that_are_listed_can_be_described() {
    let server = Server::start();
    let root = &mut server.root().await;
    let listed: ListDatabasesResponse = root
        .call("ListDatabases", ListDatabasesRequest {})
        .await
        .unwrap();
    assert_eq!(listed.db_names, ["default"]);
    // What the call is about makes no difference.
    for about in [None, Some("shop".to_owned())] {
        root.db = about;
        for name in ["default", ""] {
            let described = describe(root, name).await.unwrap();
            assert_eq!(described.db_name, "default");
            assert_eq!(described.db_id, listed.db_ids[0]);
            assert_eq!(described.created_timestamp, listed.created_timestamp[0]);
            assert_eq!(told(described.status), Ok(()));
        }
        for name in ["shop", "Default", "default ", "*"] {
            let described = describe(root, name).await.unwrap();
            let unknown: Told = Err((800, 1, format!("database not found[database={name}]")));
            assert_eq!(told(described.status), unknown);
        }
    }
    create_user(root, "ann", "secret").await.unwrap();
    let ann = &mut server.client_as("ann", "secret").await;
    for name in ["default", "shop"] {
        assert_eq!(describe(ann, name).await, Err(Code::PermissionDenied));
    }
}
