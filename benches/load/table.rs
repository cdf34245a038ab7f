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

/// Prints lines and counts what was reached.
pub struct Table {
    targets: u32,
    missed: u32,
}

impl Table {
    /// Prints the head.
    pub fn new() -> Self {
        say(
            "| Work | Connections | /s | p50 us | p99 us | CPU us | Floor /s | Floor CPU us | Ratio | Target | |",
        );
        say("|---|---|---|---|---|---|---|---|---|---|---|");
        Self {
            targets: 0,
            missed: 0,
        }
    }

    /// Work whose processor time is compared with that of its floor.
    pub fn cpu(&mut self, work: &str, connections: usize, of: (&Sample, &Sample), target: Target) {
        let (sample, floor) = of;
        let ratio = sample.cpu_micros() / floor.cpu_micros();
        self.line(work, connections, of, ratio, target);
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
        self.line(work, connections, of, ratio, target);
    }

    /// Work that is compared with nothing.
    pub fn alone(work: &str, connections: usize, sample: &Sample) {
        let cells = [
            sample.per_second(),
            sample.latency_micros(500),
            sample.latency_micros(990),
            sample.cpu_micros(),
        ];
        let cells = cells.map(number).join(" | ");
        say(&format!("| {work} | {connections} | {cells} | | | | | |"));
    }

    /// A single figure.
    pub fn figure(&mut self, what: &str, figure: f64, target: Target) {
        let (shown, wanted) = (number(figure), target.text());
        let verdict = self.judge(target, figure);
        say(&format!(
            "| {what} | | | | | | | | {shown} | {wanted} | {verdict} |"
        ));
    }

    /// Says how it went and what the columns are.
    pub fn print_summary(&self) {
        say(&format!(
            "\n{} of {} targets were missed.",
            self.missed, self.targets
        ));
        say(
            "/s: operations a second. p50, p99: latency at the client. CPU: processor time of the \
             server's process for\none operation. Floor: the echo server, PBKDF2 alone, or the small \
             directory, in the same run. Ratio: of processor\ntimes, for createUser of operations a \
             second; in lines without a floor the figure itself.",
        );
    }

    fn line(
        &mut self,
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
        let (wanted, verdict) = (target.text(), self.judge(target, ratio));
        say(&format!(
            "| {work} | {connections} | {cells} | {ratio:.2} | {wanted} | {verdict} |"
        ));
    }

    fn judge(&mut self, target: Target, figure: f64) -> &'static str {
        let is_met = match target {
            Target::AtMost(limit) => figure <= limit,
            Target::AtLeast(limit) => figure >= limit,
            Target::None => return "",
        };
        self.targets += 1;
        self.missed += u32::from(!is_met);
        if is_met { "met" } else { "MISSED" }
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
}

/// Three digits are all that such measurements are good for.
fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
