//! Who waits, for how long, and who does not.

use super::*;
use crate::model::names::DbName;

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> FailureLimits {
    FailureLimits {
        per_address_free: 4,
        per_user_free: 2,
        everywhere_free: 6,
        delay: SECOND,
        delay_max: SECOND * 10,
        half_life: SECOND * 100,
    }
}

fn user(name: &str) -> UserName {
    UserName::new(name, DbName::ADMIN).unwrap()
}

fn origin(last: u8) -> Origin {
    Origin::of(Some([192, 0, 2, last].into()))
}

/// The wait of an attempt that ends before the next begins.
fn wait(failures: &FailedSignIns, from: Origin, name: &str, now: Instant) -> Duration {
    let turn = failures.turn(from, &user(name), now, &limits()).unwrap();
    turn.at - now
}

fn fail(failures: &FailedSignIns, from: Origin, name: &str, now: Instant) {
    failures.failed(from, &user(name), now, &limits());
}

#[test]
fn waits_double_up_to_the_maximum_and_failures_halve_with_time() {
    let failures = FailedSignIns::default();
    let mut now = Instant::now();
    for expected in [0, 0, 1, 2, 4, 8, 10, 10] {
        let turn = failures
            .turn(origin(1), &user("ann"), now, &limits())
            .unwrap();
        assert_eq!(turn.at - now, SECOND * expected);
        now = turn.at;
        drop(turn);
        fail(&failures, origin(1), "ann", now);
    }
    // Of eight failures four are left after one half-life, two after another.
    now += SECOND * 100;
    assert_eq!(wait(&failures, origin(1), "ann", now), SECOND * 4);
    now += SECOND * 110;
    assert_eq!(wait(&failures, origin(1), "ann", now), SECOND);
    now += SECOND * 1000;
    assert_eq!(wait(&failures, origin(1), "ann", now), Duration::ZERO);
}

#[test]
fn attempts_queue_up_behind_each_other_and_a_bound_ends_the_queue() {
    let failures = FailedSignIns::default();
    let now = Instant::now();
    for _ in 0..3 {
        fail(&failures, origin(1), "ann", now);
    }
    let turn = || failures.turn(origin(1), &user("ann"), now, &limits());
    let turns: Vec<_> = (0..WAITING_PER_ORIGIN_MAX)
        .map(|_| turn().unwrap())
        .collect();
    for (place, turn) in (1..).zip(&turns) {
        assert_eq!(turn.at - now, SECOND * 2 * place);
    }
    assert_eq!(turn().unwrap_err(), TooManyWaiting);
    drop(turns);
    assert!(turn().is_ok());
    assert_eq!((failures.delayed(), failures.refused()), (9, 1));
}

#[test]
fn failures_of_one_address_are_not_held_against_another() {
    let failures = FailedSignIns::default();
    let now = Instant::now();
    for _ in 0..5 {
        fail(&failures, origin(1), "ann", now);
    }
    assert!(wait(&failures, origin(1), "ann", now) > SECOND);
    assert!(wait(&failures, origin(1), "bob", now) > Duration::ZERO);
    assert_eq!(wait(&failures, origin(2), "ann", now), Duration::ZERO);
    // Only a flood is felt elsewhere, for a bounded time and without a queue.
    for _ in 0..100 {
        fail(&failures, origin(1), "ann", now);
    }
    let most = Duration::from_millis(EVERYWHERE_DELAY_MS_MAX);
    let turns: Vec<_> = (0..50)
        .map(|_| failures.turn(origin(2), &user("ann"), now, &limits()))
        .collect();
    for turn in turns {
        assert_eq!(turn.unwrap().at - now, most);
    }
    assert_eq!(wait(&failures, origin(2), "bob", now), Duration::ZERO);
}

#[test]
fn a_success_forgives_the_user_and_not_the_address() {
    let failures = FailedSignIns::default();
    let now = Instant::now();
    for _ in 0..3 {
        fail(&failures, origin(1), "ann", now);
    }
    assert_eq!(wait(&failures, origin(1), "ann", now), SECOND * 2);
    failures.succeeded(origin(1), &user("ann"));
    assert_eq!(wait(&failures, origin(1), "ann", now), Duration::ZERO);
    fail(&failures, origin(1), "bob", now);
    assert_eq!(wait(&failures, origin(1), "ann", now), SECOND);
}

#[test]
fn a_rule_with_nothing_free_is_off() {
    let failures = FailedSignIns::default();
    let now = Instant::now();
    let off = FailureLimits {
        per_address_free: 0,
        per_user_free: 0,
        everywhere_free: 0,
        ..limits()
    };
    for _ in 0..100 {
        fail(&failures, origin(1), "ann", now);
    }
    let turn = failures.turn(origin(1), &user("ann"), now, &off).unwrap();
    assert_eq!(turn.at, now);
}

#[test]
fn memory_is_bounded_and_the_oldest_are_forgotten_first() {
    let failures = FailedSignIns::default();
    let begin = Instant::now();
    for _ in 0..3 {
        fail(&failures, origin(1), "old", begin);
    }
    let mut now = begin;
    for number in 0..60_000_u32 {
        now += Duration::from_micros(1);
        let from = Origin::of(Some(number.to_be_bytes().into()));
        fail(&failures, from, &number.to_string(), now);
        assert!(failures.tracked() <= TRACKED_MAX);
    }
    assert!(failures.tracked() > TRACKED_MAX / 2);
    assert_eq!(wait(&failures, origin(1), "old", now), Duration::ZERO);
    for _ in 0..3 {
        fail(&failures, origin(1), "new", now);
    }
    assert_eq!(wait(&failures, origin(1), "new", now), SECOND * 2);
}
