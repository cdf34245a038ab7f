//! Calls of Milvus clients, through a socket, against a server in this process.
//!
//! Input: which method, whether the password is right and the frame whole, a length for the frame
//! that is not, and the message. Whatever it is, the answer is a status of gRPC, and none that clients
//! repeat for minutes (INTERNAL, UNKNOWN); what is served is answered by a whole message. Users and
//! roles pile up as far as their limits let them, so later inputs meet those of earlier ones.

#![no_main]

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use libfuzzer_sys::fuzz_target;
use portcullis::config::{Config, Start};
use portcullis::milvus::proto::milvus as api;
use portcullis::server::Server;
use portcullis::telemetry::logs;
use prost::Message;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const PASSWORD: &str = "root's own";
/// `grpc-status` of UNKNOWN and INTERNAL.
const REPEATED: [&str; 2] = ["2", "13"];

/// What is called, and whether a message is the right reply to it.
type Method = (&'static str, fn(&[u8]) -> bool);

const METHODS: [Method; 24] = [
    ("AlterRole", is_status),
    ("BackupRBAC", is::<api::BackupRbacMetaResponse>),
    ("CheckHealth", is::<api::CheckHealthResponse>),
    ("Connect", is::<api::ConnectResponse>),
    ("CreateCollection", is_status),
    ("CreateCredential", is_status),
    ("CreatePrivilegeGroup", is_status),
    ("CreateRole", is_status),
    ("DeleteCredential", is_status),
    ("DropPrivilegeGroup", is_status),
    ("DropRole", is_status),
    ("GetVersion", is::<api::GetVersionResponse>),
    ("ListCredUsers", is::<api::ListCredUsersResponse>),
    ("ListDatabases", is::<api::ListDatabasesResponse>),
    ("ListPrivilegeGroups", is::<api::ListPrivilegeGroupsResponse>),
    ("OperatePrivilege", is_status),
    ("OperatePrivilegeGroup", is_status),
    ("OperatePrivilegeV2", is_status),
    ("OperateUserRole", is_status),
    ("RestoreRBAC", is_status),
    ("SelectGrant", is::<api::SelectGrantResponse>),
    ("SelectRole", is::<api::SelectRoleResponse>),
    ("SelectUser", is::<api::SelectUserResponse>),
    ("UpdateCredential", is_status),
];

fn is<M: Message + Default>(message: &[u8]) -> bool {
    M::decode(message).is_ok()
}

fn is_status(message: &[u8]) -> bool {
    is::<portcullis::milvus::proto::common::Status>(message)
}

/// A server, and a connection to it.
struct Target {
    runtime: Runtime,
    connection: SendRequest<Full<Bytes>>,
}

static TARGET: LazyLock<Target> = LazyLock::new(|| start().expect("a server"));

fuzz_target!(|input: &[u8]| {
    let Some(([method, flags, length], message)) = input.split_first_chunk::<3>() else {
        return;
    };
    let (name, is_reply) = METHODS[usize::from(*method) % METHODS.len()];
    let request = request(name, (*flags, *length), message);
    let target = &*TARGET;
    let (status, body) = target.runtime.block_on(async {
        let response = target.connection.clone().send_request(request).await;
        let response = response.expect("the connection goes on");
        let headers = response.headers().clone();
        let collected = response.into_body().collect().await;
        let collected = collected.expect("a whole answer");
        let status = status_of(&headers).or_else(|| collected.trailers().and_then(status_of));
        (status.expect("a status"), collected.to_bytes())
    });
    assert!(!REPEATED.contains(&status.as_str()), "{name}: status {status}");
    if status == "0" {
        let message = body.get(5..).expect("a frame");
        assert!(is_reply(message), "{name}: {message:?}");
    }
});

fn request(method: &str, (flags, length): (u8, u8), message: &[u8]) -> Request<Full<Bytes>> {
    let password = if flags & 1 == 0 { PASSWORD } else { "wrong" };
    let mut frame = BytesMut::new();
    frame.put_u8(u8::from(flags & 2 != 0));
    let whole = u32::try_from(message.len()).expect("short input");
    frame.put_u32(if flags & 4 == 0 { whole } else { length.into() });
    frame.put_slice(message);
    Request::post(format!("http://localhost/milvus.proto.milvus.MilvusService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", STANDARD.encode(format!("root:{password}")))
        .body(Full::new(frame.freeze()))
        .expect("a request")
}

fn status_of(headers: &HeaderMap) -> Option<String> {
    let status = headers.get("grpc-status")?;
    status.to_str().ok().map(str::to_owned)
}

fn start() -> Result<Target, Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("portcullis-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let port_file = folder.join("milvus-port");
    let arguments = [
        "portcullis".to_owned(),
        "--port=0".to_owned(),
        "--nounixsocket".to_owned(),
        "--quiet".to_owned(),
        "--storageEngine=ephemeralForTest".to_owned(),
        format!("--dbpath={}", folder.display()),
        format!("--logpath={}", folder.join("log").display()),
        "--milvus.enabled".to_owned(),
        "--milvus.port=0".to_owned(),
        format!("--milvus.portFile={}", port_file.display()),
        format!("--milvus.defaultRootPassword={PASSWORD}"),
        // Hashing is not what is looked for here.
        "--setParameter=argon2MemoryKiB=7168".to_owned(),
        "--setParameter=argon2Iterations=1".to_owned(),
    ];
    let arguments = arguments.map(OsString::from);
    let Start::Run(config) = Config::from_args(arguments, [])? else {
        return Err("nothing to run".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let logs = logs::install(&config.log)?;
    let connection = runtime.block_on(async {
        let server = Server::start(*config, logs, |_| {}).await?;
        tokio::spawn(server.run());
        let port: u16 = fs::read_to_string(&port_file)?.trim().parse()?;
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        // Else each call waits for the kernel's delayed acknowledgement of the one before.
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            let _ = connection.await;
            Ok::<_, Infallible>(())
        });
        Ok::<_, Box<dyn std::error::Error>>(sender)
    })?;
    // What the server needs of it is open by now.
    fs::remove_dir_all(&folder)?;
    Ok(Target { runtime, connection })
}
