//! `listCommands` (MongoDB manual, "listCommands").

use bson::{RawArrayBuf, RawDocumentBuf, rawdoc};

use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::Context;
use crate::command::field_types::Anything;
use crate::command::registry;
use crate::command::reply::{Reply, append};
use crate::command::spec::{Access, Command, RunsOn, Spec};
use crate::error::CommandError;

arguments! {
    /// The fields of `listCommands`.
    #[derive(Debug)]
    pub struct ListCommands {
        /// Any value.
        "listCommands" => value: Anything,
    }
}

impl Command for ListCommands {
    const SPEC: Spec = Spec {
        access: Access::Anyone,
        strict: false,
        ..Spec::new("listCommands", "Answers which commands there are.")
    };

    async fn run(self, _: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let mut commands = RawDocumentBuf::new();
        for entry in registry::COMMANDS {
            append(&mut commands, entry.spec.name, description(entry.spec));
        }
        Ok(Reply::new().with("commands", commands))
    }
}

fn description(spec: &Spec) -> RawDocumentBuf {
    let versions: RawArrayBuf = spec.api_version_1.then_some("1").into_iter().collect();
    rawdoc! {
        "help": spec.help,
        "requiresAuth": spec.access == Access::SignedIn,
        "secondaryOk": spec.runs_on != RunsOn::Primary,
        "adminOnly": spec.admin_only,
        "apiVersions": versions,
        "deprecatedApiVersions": [],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_follows_the_declaration() {
        let plain = Spec {
            access: Access::Anyone,
            api_version_1: true,
            ..Spec::new("x", "Does x.")
        };
        let expected = rawdoc! {
            "help": "Does x.", "requiresAuth": false, "secondaryOk": true, "adminOnly": false,
            "apiVersions": ["1"], "deprecatedApiVersions": [],
        };
        assert_eq!(description(&plain), expected);
        let writer = Spec {
            admin_only: true,
            write_concern: true,
            runs_on: RunsOn::Primary,
            is_interruptible: false,
            ..Spec::new("x", "Writes x.")
        };
        let expected = rawdoc! {
            "help": "Writes x.", "requiresAuth": true, "secondaryOk": false, "adminOnly": true,
            "apiVersions": [], "deprecatedApiVersions": [],
        };
        assert_eq!(description(&writer), expected);
    }
}
