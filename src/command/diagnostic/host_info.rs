//! `hostInfo` (MongoDB manual, "hostInfo").

use bson::{DateTime, RawDocumentBuf, rawdoc};

use super::machine::{Machine, host_name};
use super::{int32, int64};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::reply::{Reply, append};
use crate::command::services::internal_error;
use crate::command::spec::{Command, Spec};
use crate::error::CommandError;
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::net::Address;

const MEBIBYTE: u64 = 1024 * 1024;

arguments! {
    /// The fields of `hostInfo`.
    #[derive(Debug)]
    pub struct HostInfo {
        /// Any value.
        "hostInfo" => value: Anything,
    }
}

impl Command for HostInfo {
    const SPEC: Spec = Spec {
        strict: false,
        ..Spec::new(
            "hostInfo",
            "Answers what machine and operating system the server runs on.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::HostInfo)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let host = host(context);
        let machine = tokio::task::spawn_blocking(Machine::read)
            .await
            .map_err(|error| internal_error("hostInfo", &error))?;
        Ok(Reply::new()
            .with("system", system(&machine, &host))
            .with("os", os(&machine))
            .with("extra", extra(&machine)))
    }
}

/// The name of this machine, with the port the client came in by.
pub(super) fn host(context: &Context<'_>) -> String {
    host_name(match &context.connection.peer.local {
        Address::Ip(address) => address.port(),
        Address::Unix(_) => context.services.config.net.port,
    })
}

fn system(machine: &Machine, host: &str) -> RawDocumentBuf {
    let mut system = rawdoc! {
        "currentTime": DateTime::now(),
        "hostname": host,
        "cpuAddrSize": int32(usize::BITS),
        "memSizeMB": int64(machine.memory_bytes / MEBIBYTE),
        "memLimitMB": int64(machine.memory_limit_bytes / MEBIBYTE),
        "numCores": int32(machine.processors.logical),
    };
    if let Some(available) = machine.processors_available {
        append(&mut system, "numCoresAvailableToProcess", int32(available));
    }
    append(
        &mut system,
        "numPhysicalCores",
        int32(machine.processors.cores),
    );
    append(
        &mut system,
        "numCpuSockets",
        int32(machine.processors.sockets),
    );
    append(&mut system, "cpuArch", machine.architecture.as_str());
    append(&mut system, "numaEnabled", machine.memory_nodes > 1);
    append(&mut system, "numNumaNodes", int32(machine.memory_nodes));
    system
}

fn os(machine: &Machine) -> RawDocumentBuf {
    rawdoc! {
        "type": machine.os_type.as_str(),
        "name": machine.os_name.as_str(),
        "version": machine.os_version.as_str(),
    }
}

fn extra(machine: &Machine) -> RawDocumentBuf {
    let page_bytes = machine.page_bytes.max(1) as u64;
    let mut extra = rawdoc! {
        "versionString": machine.version_string.as_str(),
        "kernelVersion": machine.kernel_version.as_str(),
        "cpuString": machine.processors.name.as_str(),
        "cpuFrequencyMHz": machine.processors.megahertz.as_str(),
        "cpuFeatures": machine.processors.features.as_str(),
        "pageSize": int64(page_bytes),
        "numPages": int32(machine.memory_bytes / page_bytes),
    };
    if let Some(open_files_max) = machine.open_files_max {
        append(&mut extra, "maxOpenFiles", int32(open_files_max));
    }
    extra
}

// What is asserted is what Linux tells.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use bson::RawBsonRef;

    use super::*;

    #[test]
    fn numbers_have_mongods_types() {
        let machine = Machine::read();
        let system = system(&machine, "here:27018");
        assert_eq!(system.get_str("hostname").unwrap(), "here:27018");
        assert!(matches!(
            system.get("memSizeMB").unwrap(),
            Some(RawBsonRef::Int64(1..))
        ));
        assert!(system.get_i64("memLimitMB").unwrap() <= system.get_i64("memSizeMB").unwrap());
        assert!(matches!(
            system.get("cpuAddrSize").unwrap(),
            Some(RawBsonRef::Int32(32 | 64))
        ));
        for name in [
            "numCores",
            "numPhysicalCores",
            "numCpuSockets",
            "numNumaNodes",
        ] {
            assert!(
                matches!(system.get(name).unwrap(), Some(RawBsonRef::Int32(1..))),
                "{name}"
            );
        }
        let extra = extra(&machine);
        assert!(matches!(
            extra.get("pageSize").unwrap(),
            Some(RawBsonRef::Int64(4096..))
        ));
        assert!(matches!(
            extra.get("numPages").unwrap(),
            Some(RawBsonRef::Int32(1..))
        ));
        for name in ["type", "name", "version"] {
            assert!(!os(&machine).get_str(name).unwrap().is_empty(), "{name}");
        }
    }
}
