//! Prints `docs/errors.md` from the table of error numbers.

use super::ErrorCode;
use super::reference::MEANINGS;

/// The text of `docs/errors.md`.
pub fn errors_reference() -> String {
    let rows = MEANINGS.iter().map(|(number, meaning)| {
        let name = ErrorCode(*number).name();
        format!("| {number} | `{name}` | {meaning} |\n")
    });
    std::iter::once(INTRODUCTION.to_owned())
        .chain(rows)
        .collect()
}

const INTRODUCTION: &str = "\
# Errors

<!-- Printed from src/error; `UPDATE_DOCS=1 cargo test --test meta` renews it. -->

An error is an answer `{ok: 0, errmsg, code, codeName}`, sometimes with further fields such as
`topologyVersion`. Numbers, names and texts are those of MongoDB 8.0; a number without a name of its
own prints as `Location<number>`, as it does there. Clients should look at `code` and never at the
text.

What went wrong inside the server is only in its log: under the id that the text of code 1 names, or,
for a failed sign-in, with the reason that the client is not told.

A message that breaks the protocol itself (17 for a length, 20, 223, 233, 288, a removed operation, a
compressed message that cannot be undone) has no answer: the connection closes.

| Code | Name | Answered when |
|---|---|---|
";
