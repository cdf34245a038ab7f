//! The table: one line for each figure, printed as soon as it is known.

use super::measure::Sample;
use super::options::say;

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// Only to look at.
    None,
}

/// Prints lines.
pub struct Table;

impl Table {
    /// Prints the head.
    pub fn new() -> Self {
        say(
            "| Work | Connections | /s | p50 us | p99 us | CPU us | Floor /s | Floor CPU us | Ratio | Target | |",
        );
        say("|---|---|---|---|---|---|---|---|---|---|---|");
        Self
    }

    /// Work whose processor time is compared with that of its floor.
    pub fn cpu(&mut self, work: &str, connections: usize, of: (&Sample, &Sample), target: Target) {
        let (sample, floor) = of;
        let ratio = sample.cpu_micros() / floor.cpu_micros();
        line(work, connections, of, ratio, target);
    }

    /// Work whose speed is compared with that of its floor.
    pub fn speed(
        &mut self,
        work: &str,
        connections: usize,
        of: (&Sample, &Sample),
        target: Target,
    ) {
        let (sample, floor) = of;
        let ratio = sample.per_second() / floor.per_second();
        line(work, connections, of, ratio, target);
    }

    /// A single figure.
    pub fn figure(&mut self, what: &str, figure: f64, target: Target) {
        let cells = [
            what.to_owned(),
            number(figure),
            target.text(),
            target.verdict(figure),
        ];
        say(&format!(
            "| {} | | | | | | | | {} | {} | {} |",
            cells[0], cells[1], cells[2], cells[3]
        ));
    }

    /// Says what the columns are.
    pub fn print_legend(&self) {
        say(
            "\n/s: operations a second. p50, p99: latency at the client. CPU: processor time of the \
             server's process for\none operation. Floor: the echo server, PBKDF2 alone, or the small \
             directory, in the same run. Ratio: of processor\ntimes, for createUser of operations a \
             second; in lines without a floor the figure itself.",
        );
    }
}

impl Target {
    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {}", number(limit)),
            Self::AtLeast(limit) => format!(">= {}", number(limit)),
            Self::None => String::new(),
        }
    }

    fn verdict(self, figure: f64) -> String {
        let is_met = match self {
            Self::AtMost(limit) => figure <= limit,
            Self::AtLeast(limit) => figure >= limit,
            Self::None => return String::new(),
        };
        String::from(if is_met { "met" } else { "MISSED" })
    }
}

fn line(
    work: &str,
    connections: usize,
    (sample, floor): (&Sample, &Sample),
    ratio: f64,
    target: Target,
) {
    let cells = [
        sample.per_second(),
        sample.latency_micros(500),
        sample.latency_micros(990),
        sample.cpu_micros(),
        floor.per_second(),
        floor.cpu_micros(),
    ];
    let cells = cells.map(number).join(" | ");
    let (wanted, verdict) = (target.text(), target.verdict(ratio));
    say(&format!(
        "| {work} | {connections} | {cells} | {ratio:.2} | {wanted} | {verdict} |"
    ));
}

/// Three digits are all that such measurements are good for.
fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
