//! What goes wrong: one thing after the other, sometimes two at once, and mended again.

use std::thread;
use std::time::{Duration, Instant};

use bson::doc;

use crate::random::Random;
use crate::support::RawClient;
use crate::support::replica_set::ReplicaSet;

/// How long something stays broken: shorter and longer than a lease.
const BROKEN_MS_MAX: u64 = 6_000;
/// How long nothing is broken.
const WHOLE_MS_MAX: u64 = 3_000;

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillNode,
    PauseNode,
    CutNode,
    StallNode,
    SlowNode,
    CutNodeAndCompact,
    StepDown,
    KillMember,
    PauseMember,
    /// From the others; every node still reaches it.
    CutMember,
    /// The node reaches only a member that reaches no other.
    StrandNode,
    KillAllNodes,
}

const FAULTS: [Fault; 12] = [
    Fault::KillNode,
    Fault::PauseNode,
    Fault::CutNode,
    Fault::StallNode,
    Fault::SlowNode,
    Fault::CutNodeAndCompact,
    Fault::StepDown,
    Fault::KillMember,
    Fault::PauseMember,
    Fault::CutMember,
    Fault::StrandNode,
    Fault::KillAllNodes,
];

pub(super) struct Nemesis {
    random: Random,
}

impl Nemesis {
    pub(super) fn new(random: Random) -> Self {
        Self { random }
    }

    /// Breaks and mends until then; leaves everything whole, and tells what was done.
    pub(super) fn run(mut self, set: &mut ReplicaSet, end: Instant) -> Vec<String> {
        let mut done = Vec::new();
        while Instant::now() < end {
            let fault = self.random.one_of(&FAULTS);
            let node = self.victim(set);
            let member = self.member(set, fault);
            done.push(format!("{fault:?} {node}/{member}"));
            break_it(set, fault, (node, member));
            self.wait(BROKEN_MS_MAX);
            mend(set, fault, (node, member));
            self.wait(WHOLE_MS_MAX);
        }
        done
    }

    /// The primary as often as not.
    fn victim(&mut self, set: &ReplicaSet) -> usize {
        let any = self.random.index(set.nodes());
        if self.random.below(2) == 0 {
            return any;
        }
        let is_primary = |node: &usize| {
            let client = RawClient::try_connect(set.address(*node), Duration::from_secs(1));
            let hello = client.and_then(|mut it| it.try_run("admin", doc! { "hello": 1 }));
            hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").ok() == Some(true))
        };
        (0..set.nodes()).find(is_primary).unwrap_or(any)
    }

    /// One that is cut off leads the others as often as not.
    fn member(&mut self, set: &ReplicaSet, fault: Fault) -> usize {
        let any = self.random.index(set.etcd.members());
        let is_cut = matches!(fault, Fault::CutMember | Fault::StrandNode);
        if is_cut && self.random.below(2) == 0 {
            set.etcd.leader()
        } else {
            any
        }
    }

    /// Not to wait for anything: the moment is what is random.
    fn wait(&mut self, ms_max: u64) {
        thread::sleep(Duration::from_millis(self.random.below(ms_max)));
    }
}

fn break_it(set: &mut ReplicaSet, fault: Fault, (node, member): (usize, usize)) {
    match fault {
        Fault::KillNode => set.kill(node),
        Fault::KillAllNodes => (0..set.nodes()).for_each(|node| set.kill(node)),
        Fault::PauseNode => set.pause(node),
        Fault::CutNode => set.cut(node),
        Fault::StallNode => set.stall(node),
        Fault::SlowNode => {
            let slow = |link: &crate::support::proxy::Proxy| link.delay(Duration::from_millis(150));
            set.links(node).iter().for_each(slow);
        }
        Fault::CutNodeAndCompact => {
            set.cut(node);
            thread::sleep(Duration::from_millis(500));
            set.etcd.compact();
        }
        Fault::StepDown => {
            let mut admin = set.admin(node);
            admin.run("admin", doc! { "replSetStepDown": 5, "force": true });
        }
        Fault::KillMember => set.etcd.kill(member),
        Fault::PauseMember => set.etcd.pause(member),
        Fault::CutMember => set.etcd.cut_off(member),
        Fault::StrandNode => {
            set.etcd.cut_off(member);
            let links = set.links(node).iter().enumerate();
            let others = links.filter(|(to, _)| *to != member);
            others.for_each(|(_, link)| link.cut());
        }
    }
}

fn mend(set: &mut ReplicaSet, fault: Fault, (node, member): (usize, usize)) {
    match fault {
        Fault::KillNode => set.start_node(node),
        Fault::KillAllNodes => (0..set.nodes()).for_each(|node| set.start_node(node)),
        Fault::PauseNode => set.resume(node),
        Fault::CutNode | Fault::StallNode | Fault::SlowNode | Fault::CutNodeAndCompact => {
            set.heal(node);
        }
        Fault::StepDown => {}
        Fault::KillMember => {
            set.etcd.restart(member);
            set.etcd.wait_until_healthy(member);
        }
        Fault::PauseMember => set.etcd.resume(member),
        Fault::CutMember => set.etcd.heal(member),
        Fault::StrandNode => {
            set.etcd.heal(member);
            set.heal(node);
        }
    }
}
