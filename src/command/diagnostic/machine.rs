//! What the operating system tells about this machine and this process.
//!
//! Linux tells most of it in text files; what is not told there is not known here.

use std::collections::HashSet;
use std::fs::read_to_string;
use std::num::NonZero;
use std::path::Path;
use std::thread::available_parallelism;

use rustix::process::{Resource, getrlimit};
use rustix::system::uname;

/// MongoDB's own port; a host name stands without it.
const DEFAULT_PORT: u16 = 27017;
/// Nodes of memory that are looked for.
const MEMORY_NODES_MAX: usize = 1024;

/// The machine and its operating system.
#[derive(Debug)]
pub(super) struct Machine {
    /// `Linux`, or whatever else the kernel calls itself.
    pub(super) os_type: String,
    pub(super) os_name: String,
    pub(super) os_version: String,
    /// The whole line that names the kernel and how it was built.
    pub(super) version_string: String,
    pub(super) kernel_version: String,
    pub(super) architecture: String,
    pub(super) memory_bytes: u64,
    /// What the process may have of it.
    pub(super) memory_limit_bytes: u64,
    pub(super) memory_nodes: usize,
    pub(super) processors: Processors,
    pub(super) processors_available: Option<usize>,
    pub(super) page_bytes: usize,
    pub(super) open_files_max: Option<u64>,
}

/// The processors of the machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Processors {
    /// What programs run on.
    pub(super) logical: usize,
    /// Cores, each of which may count as several.
    pub(super) cores: usize,
    pub(super) sockets: usize,
    pub(super) name: String,
    pub(super) megahertz: String,
    pub(super) features: String,
}

/// The memory of this process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProcessMemory {
    pub(super) virtual_bytes: u64,
    pub(super) resident_bytes: u64,
}

/// The machine's name, with the port unless it is MongoDB's own.
pub(super) fn host_name(port: u16) -> String {
    let name = uname().nodename().to_string_lossy().into_owned();
    if port == DEFAULT_PORT {
        name
    } else {
        format!("{name}:{port}")
    }
}

/// The memory of this process as of now, where the system tells.
pub(super) fn process_memory() -> Option<ProcessMemory> {
    parse_statm(
        &read_to_string("/proc/self/statm").ok()?,
        rustix::param::page_size(),
    )
}

impl Machine {
    /// Reads it all. Blocks for a moment.
    pub(super) fn read() -> Self {
        let kernel = uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let release = read_to_string("/etc/os-release").unwrap_or_default();
        let kernel_version = text(kernel.release());
        let memory_bytes = read_to_string("/proc/meminfo")
            .ok()
            .and_then(|meminfo| parse_memory_total(&meminfo))
            .unwrap_or_default();
        let available = available_parallelism().ok().map(NonZero::get);
        let processors = parse_cpuinfo(&read_to_string("/proc/cpuinfo").unwrap_or_default());
        Self {
            os_type: text(kernel.sysname()),
            os_name: os_release_field(&release, "NAME").unwrap_or_else(|| text(kernel.sysname())),
            os_version: os_release_field(&release, "VERSION_ID")
                .unwrap_or_else(|| format!("Kernel {kernel_version}")),
            version_string: read_to_string("/proc/version")
                .map_or_else(|_| text(kernel.version()), |line| line.trim().to_owned()),
            kernel_version,
            architecture: text(kernel.machine()),
            memory_bytes,
            memory_limit_bytes: memory_limit()
                .map_or(memory_bytes, |limit| limit.min(memory_bytes)),
            memory_nodes: memory_nodes(),
            processors: processors.or_at_least(available.unwrap_or(1)),
            processors_available: available,
            page_bytes: rustix::param::page_size(),
            open_files_max: getrlimit(Resource::Nofile).current,
        }
    }
}

impl Processors {
    /// Where the system does not tell, there are `logical` ones of one core each.
    fn or_at_least(mut self, logical: usize) -> Self {
        if self.logical == 0 {
            self.logical = logical;
        }
        if self.cores == 0 {
            self.cores = self.logical;
        }
        self.sockets = self.sockets.max(1);
        self
    }
}

/// `proc_pid_statm(5)`: sizes in pages, the whole first, then what is resident.
fn parse_statm(statm: &str, page_bytes: usize) -> Option<ProcessMemory> {
    let mut pages = statm
        .split_whitespace()
        .map_while(|word| word.parse::<u64>().ok());
    let page_bytes = u64::try_from(page_bytes).ok()?;
    Some(ProcessMemory {
        virtual_bytes: pages.next()?.saturating_mul(page_bytes),
        resident_bytes: pages.next()?.saturating_mul(page_bytes),
    })
}

/// `proc_meminfo(5)`: `MemTotal:       24731708 kB`.
fn parse_memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}

/// `proc_cpuinfo(5)`, as far as x86 and ARM agree; what is not there is empty or zero.
fn parse_cpuinfo(cpuinfo: &str) -> Processors {
    let mut processors = Processors::default();
    let mut cores = HashSet::new();
    let mut sockets = HashSet::new();
    let mut socket = "";
    for line in cpuinfo.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "processor" => processors.logical += 1,
            "physical id" => {
                socket = value;
                sockets.insert(value);
            }
            "core id" => {
                cores.insert((socket, value));
            }
            "model name" => value.clone_into(&mut processors.name),
            "cpu MHz" => value.clone_into(&mut processors.megahertz),
            "flags" | "Features" => value.clone_into(&mut processors.features),
            _ => {}
        }
    }
    processors.cores = cores.len();
    processors.sockets = sockets.len();
    processors
}

/// os-release(5): `NAME="Debian GNU/Linux"`.
fn os_release_field(os_release: &str, name: &str) -> Option<String> {
    let value = os_release
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?
        .trim()
        .trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// What the control group allows, of either version; `max` is no limit.
fn memory_limit() -> Option<u64> {
    let files = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    files
        .into_iter()
        .find_map(|file| read_to_string(file).ok()?.trim().parse().ok())
}

fn memory_nodes() -> usize {
    let is_there =
        |node: &usize| Path::new(&format!("/sys/devices/system/node/node{node}")).exists();
    (0..MEMORY_NODES_MAX).take_while(is_there).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mongodbs_own_port_is_left_out() {
        let name = host_name(27017);
        assert!(!name.is_empty());
        assert_eq!(host_name(27018), format!("{name}:27018"));
    }

    #[test]
    fn statm_counts_pages() {
        let expected = ProcessMemory {
            virtual_bytes: 765 * 4096,
            resident_bytes: 438 * 4096,
        };
        assert_eq!(parse_statm("765 438 410 5 0 123 0\n", 4096), Some(expected));
        assert_eq!(parse_statm("765", 4096), None);
        assert_eq!(parse_statm("", 4096), None);
    }

    #[test]
    fn meminfo_counts_kibibytes() {
        let meminfo = "MemTotal:       24731708 kB\nMemFree:        10152880 kB\n";
        assert_eq!(parse_memory_total(meminfo), Some(24_731_708 * 1024));
        assert_eq!(parse_memory_total("MemFree: 1 kB\n"), None);
        assert_eq!(parse_memory_total("MemTotal: many\n"), None);
    }

    #[test]
    fn cores_are_counted_by_socket() {
        let processor = |number, socket, core| {
            format!(
                "processor\t: {number}\nmodel name\t: Xeon\ncpu MHz\t\t: 2100.000\n\
                 physical id\t: {socket}\ncore id\t\t: {core}\nflags\t\t: fpu vme\n\n"
            )
        };
        let cpuinfo: String = [(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 1, 0), (4, 1, 1)]
            .into_iter()
            .map(|(number, socket, core)| processor(number, socket, core))
            .collect();
        let expected = Processors {
            logical: 5,
            cores: 4,
            sockets: 2,
            name: "Xeon".to_owned(),
            megahertz: "2100.000".to_owned(),
            features: "fpu vme".to_owned(),
        };
        assert_eq!(parse_cpuinfo(&cpuinfo), expected);
    }

    #[test]
    fn a_system_that_tells_nothing_has_a_processor() {
        let processors = parse_cpuinfo("").or_at_least(3);
        assert_eq!(
            (processors.logical, processors.cores, processors.sockets),
            (3, 3, 1)
        );
    }

    #[test]
    fn os_release_fields_lose_their_quotes() {
        let text =
            "PRETTY_NAME=\"Debian GNU/Linux 12\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=12\n";
        assert_eq!(
            os_release_field(text, "NAME").as_deref(),
            Some("Debian GNU/Linux")
        );
        assert_eq!(os_release_field(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(os_release_field(text, "VERSION"), None);
        assert_eq!(os_release_field("NAME=\"\"\n", "NAME"), None);
    }
}
