//! `replSetStepDown` (MongoDB manual, "replSetStepDown"). Connections stay open, as since MongoDB 4.2.

use bson::RawBsonRef;

use super::{PeriodSeconds, joined_set};
use crate::authz::{Authority, Denied, Need, Pass};
use crate::cluster::{StepDown, StepDownError};
use crate::command::arguments::{FromField, Path, arguments, type_name};
use crate::command::context::Context;
use crate::command::field_types::{NUMBER_TYPES, SafeBool, whole_number};
use crate::command::read_preference::wrong_type;
use crate::command::reply::Reply;
use crate::command::spec::{Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;

/// For how long, if no time is given.
const PERIOD_SECONDS: i64 = 60;
/// How long secondaries may take to catch up, if it is not said.
const CATCH_UP_SECONDS: i64 = 10;

/// A whole number; the error for anything else is in mongod's words.
#[derive(Debug, Clone, Copy)]
pub struct CatchUpSeconds(i64);

impl FromField for CatchUpSeconds {
    const TYPES: &'static [&'static str] = NUMBER_TYPES;

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let number = whole_number(value).filter(|_| NUMBER_TYPES.contains(&type_name(value)));
        match number {
            Some(seconds) => Ok(Some(Self(seconds))),
            None => Err(wrong_type("secondaryCatchUpPeriodSecs", "number", value)),
        }
    }
}

arguments! {
    /// The fields of `replSetStepDown`.
    #[derive(Debug)]
    pub struct ReplSetStepDown {
        /// For how many seconds not to stand for election; 60 if it is 0 or no number.
        "replSetStepDown" => period: PeriodSeconds,
        /// How many seconds a secondary may take to catch up: 10, or 0 with `force`, if left out.
        "secondaryCatchUpPeriodSecs" => catch_up: Option<CatchUpSeconds>,
        /// Whether to step down though no secondary has caught up.
        "force" => force: SafeBool = SafeBool(false),
    }
}

impl Command for ReplSetStepDown {
    const SPEC: Spec = Spec {
        admin_only: true,
        strict: false,
        is_interruptible: false,
        ..Spec::new(
            "replSetStepDown",
            "Makes the primary a secondary once another can take over.",
        )
    };

    fn authorize(&self, authority: &Authority<'_>, _: &DbName) -> Result<Pass, Denied> {
        authority.require(&[Need::on_cluster(Action::ReplSetStateChange)])
    }

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let (set, _) = joined_set(context.services)?;
        let how = self.how()?;
        let stepped_down = tokio::select! {
            stepped_down = set.step_down(how) => stepped_down,
            () = context.services.stop.stopped() => return Err(context.services.stopping()),
        };
        match stepped_down {
            Ok(()) => Ok(Reply::new()),
            Err(StepDownError::NotPrimary) => Err(CommandError::new(
                ErrorCode::NOT_WRITABLE_PRIMARY,
                "not primary so can't step down",
            )),
            Err(error @ StepDownError::NobodyCaughtUp(_)) => Err(CommandError::new(
                ErrorCode::EXCEEDED_TIME_LIMIT,
                format!(
                    "{error}. Please use the replSetStepDown command with the argument {{force: \
                     true}} to force node to step down."
                ),
            )),
        }
    }
}

impl ReplSetStepDown {
    fn how(&self) -> Result<StepDown, CommandError> {
        let period = match self.period.0 {
            0 => PeriodSeconds(PERIOD_SECONDS),
            ..0 => {
                return Err(CommandError::bad_value(
                    "stepdown period must be a positive integer",
                ));
            }
            _ => self.period,
        };
        let catch_up = match self.catch_up {
            Some(CatchUpSeconds(seconds)) => seconds,
            None if self.force.0 => 0,
            None => CATCH_UP_SECONDS,
        };
        if catch_up < 0 {
            return Err(CommandError::bad_value(
                "secondaryCatchUpPeriodSecs period must be a positive or absent",
            ));
        }
        if period.0 < catch_up {
            return Err(CommandError::bad_value(
                "stepdown period must be longer than secondaryCatchUpPeriodSecs",
            ));
        }
        Ok(StepDown {
            for_at_least: period.duration(),
            catch_up: PeriodSeconds(catch_up).duration(),
            force: self.force.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bson::{RawDocumentBuf, rawdoc};

    use super::super::PERIOD_SECONDS_MAX;
    use super::*;
    use crate::command::arguments::Arguments;
    use crate::command::spec::rules;

    fn how(body: &RawDocumentBuf) -> Result<StepDown, (i32, String)> {
        let path = Path::root("replSetStepDown");
        ReplSetStepDown::parse(body, &path, rules::<ReplSetStepDown>())
            .and_then(|arguments| arguments.how())
            .map_err(|error| (error.code.0, error.message))
    }

    fn step_down(for_at_least: u64, catch_up: u64, force: bool) -> StepDown {
        StepDown {
            for_at_least: Duration::from_secs(for_at_least),
            catch_up: Duration::from_secs(catch_up),
            force,
        }
    }

    #[test]
    fn times_have_the_defaults_of_mongod() {
        let table = [
            (
                rawdoc! { "replSetStepDown": 1_000_000 },
                step_down(1_000_000, 10, false),
            ),
            (rawdoc! { "replSetStepDown": 0 }, step_down(60, 10, false)),
            (rawdoc! { "replSetStepDown": "x" }, step_down(60, 10, false)),
            (
                rawdoc! { "replSetStepDown": 20.9 },
                step_down(20, 10, false),
            ),
            (
                rawdoc! { "replSetStepDown": 5, "force": true },
                step_down(5, 0, true),
            ),
            (
                rawdoc! { "replSetStepDown": 5, "force": 1, "secondaryCatchUpPeriodSecs": 5_i64 },
                step_down(5, 5, true),
            ),
            (
                rawdoc! { "replSetStepDown": i64::MAX },
                step_down(PERIOD_SECONDS_MAX.into(), 10, false),
            ),
        ];
        for (body, expected) in table {
            assert_eq!(how(&body), Ok(expected), "{body:?}");
        }
    }

    #[test]
    fn impossible_times_are_refused_in_the_words_of_mongod() {
        let too_short = "stepdown period must be longer than secondaryCatchUpPeriodSecs";
        let table = [
            (
                rawdoc! { "replSetStepDown": -1 },
                2,
                "stepdown period must be a positive integer",
            ),
            (rawdoc! { "replSetStepDown": 9 }, 2, too_short),
            (
                rawdoc! { "replSetStepDown": 60, "secondaryCatchUpPeriodSecs": 61 },
                2,
                too_short,
            ),
            (
                rawdoc! { "replSetStepDown": 60, "secondaryCatchUpPeriodSecs": -1 },
                2,
                "secondaryCatchUpPeriodSecs period must be a positive or absent",
            ),
            (
                rawdoc! { "replSetStepDown": 60, "secondaryCatchUpPeriodSecs": "1" },
                14,
                "\"secondaryCatchUpPeriodSecs\" had the wrong type. Expected number, found string",
            ),
        ];
        for (body, code, text) in table {
            assert_eq!(how(&body), Err((code, text.to_owned())), "{body:?}");
        }
    }
}
