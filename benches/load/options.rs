//! What to measure, and for how long.

use std::io::Write as _;
use std::time::Duration;

const HELP: &str = "\
cargo bench --bench load -- [OPTIONS]

  --only LIST      some of: ping hello signin usersinfo createuser beside commit milvus start memory
                   idle etcd failover etcdstart (the last three with etcd installed)
  --seconds N      length of one measurement; each is repeated (default 1.5)
  --rounds N       repetitions, the server and its floor in turn (default 3)
  --users N        size of the large directory (default 1000000)
  --smoke          everything, but so short that the figures mean nothing
";

/// Everything that can be measured, in the order of the table.
const ALL: [&str; 14] = [
    "ping",
    "hello",
    "signin",
    "usersinfo",
    "createuser",
    "beside",
    "commit",
    "milvus",
    "start",
    "memory",
    "idle",
    "etcd",
    "failover",
    "etcdstart",
];

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    only: Vec<String>,
    /// Length of one measurement.
    pub duration: Duration,
    /// How often each is repeated.
    pub rounds: u32,
    /// Users in the large directory.
    pub users: u32,
    /// Users of Milvus clients in the larger directory.
    pub milvus_users: u32,
    /// Idle connections that are opened.
    pub idle_connections: [usize; 2],
}

impl Options {
    /// `None`: there is nothing to do.
    pub fn parse(arguments: &[String]) -> Result<Option<Self>, String> {
        let mut options = Self {
            only: Vec::new(),
            duration: Duration::from_millis(1500),
            rounds: 3,
            users: 1_000_000,
            milvus_users: 100_000,
            idle_connections: [1_000, 10_000],
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--bench" => {} // cargo's own
                "--help" | "-h" => {
                    say(HELP);
                    return Ok(None);
                }
                "--smoke" => options.shorten(),
                "--only" => options.only = words(value()?)?,
                "--seconds" => {
                    let seconds: f64 = number(value()?)?;
                    options.duration = Duration::from_secs_f64(seconds.clamp(0.01, 60.0));
                }
                "--rounds" => options.rounds = number::<u32>(value()?)?.clamp(1, 100),
                "--users" => options.users = number::<u32>(value()?)?.clamp(1_000, 10_000_000),
                other => return Err(format!("unknown option {other}; try --help")),
            }
        }
        Ok(Some(options))
    }

    /// Whether `name` is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    fn shorten(&mut self) {
        self.duration = Duration::from_millis(50);
        self.rounds = 1;
        self.users = 2_000;
        self.milvus_users = 2_000;
        self.idle_connections = [50, 100];
    }
}

/// Prints a line and does not mind if nobody reads it.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn words(list: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = list.split([',', ' ']).map(str::to_owned).collect();
    match words.iter().find(|word| !ALL.contains(&word.as_str())) {
        Some(unknown) => Err(format!(
            "nothing is called {unknown}; there are {}",
            ALL.join(" ")
        )),
        None => Ok(words),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
