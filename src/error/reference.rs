//! Every error number and what it stands for here.

/// Every number a client can meet, in ascending order.
pub(super) const MEANINGS: &[(i32, &str)] = &[
    (
        1,
        "The server is at fault; the text has the id of the line in the log.",
    ),
    (
        2,
        "A value cannot be: an unknown mechanism, an empty password, a range that is none, a `w` that no standalone can fulfil.",
    ),
    (
        4,
        "A `$readPreference` without `mode`, a `$clusterTime` without its fields; as `writeConcernError`, a tag that no member has.",
    ),
    (
        6,
        "etcd cannot be reached, so nothing was written; drivers try again.",
    ),
    (
        9,
        "A `writeConcern`, a base64 payload, a filter or an `aggregate` cannot be read.",
    ),
    (11, "The user to change, drop or grant to does not exist."),
    (12, "A role with an empty name or database."),
    (
        13,
        "Nobody is signed in, a privilege is missing, a cursor is somebody else's or of another collection, or the command runs only on `admin`.",
    ),
    (14, "A field has another type than it may have."),
    (15, "A document is nested too deeply."),
    (
        16,
        "An `insert` without documents; a `$clusterTime` with a signature of another length.",
    ),
    (
        17,
        "A message of signing in comes where it does not belong; a message of an impossible length.",
    ),
    (18, "Every failed sign-in, whatever the reason."),
    (
        20,
        "What a standalone server cannot do, such as transactions; details of users who are not named; a parameter that is fixed at the start; a backup over a connection that others can read.",
    ),
    (22, "Bytes that are no BSON."),
    (
        23,
        "`replSetInitiate`: the replica set is there, whoever starts joins it.",
    ),
    (
        26,
        "The collection does not exist: no user or role has been made yet.",
    ),
    (31, "One or more roles do not exist."),
    (43, "The cursor is closed, timed out or never was."),
    (
        49,
        "A role that would include itself, directly or through others, or reach beyond its database.",
    ),
    (50, "`maxTimeMS` is over."),
    (59, "No server knows the command."),
    (
        64,
        "`writeConcernError`: `wtimeout` is over; the change stays.",
    ),
    (
        72,
        "A write concern on a command that takes none, a read concern that is not served or asks for what has yet to happen, a transaction number out of place, an unknown parameter.",
    ),
    (73, "A database or collection name that cannot be."),
    (74, "`replSetReconfig` without the member that is asked."),
    (
        76,
        "A command for members of a replica set, on a standalone.",
    ),
    (79, "`writeConcernError`: the set has no mode of that name."),
    (
        91,
        "The server is stopping; drivers try elsewhere or again.",
    ),
    (
        93,
        "`replSetReconfig` with what is no configuration, or with what is not supported here; `replSetGetStatus` of a server that was removed.",
    ),
    (94, "The server has not joined its replica set yet."),
    (95, "`replSetFreeze` at the primary."),
    (
        96,
        "Too many passwords wait to be hashed; too many cursors are open; no log of that name; a restore that was begun at another primary or before a restart.",
    ),
    (
        100,
        "`writeConcernError`: not even all members could fulfil it.",
    ),
    (
        103,
        "`replSetReconfig` with a configuration that cannot follow the present one: a version that is \
         not higher, another id of the set or of a member, two members alike, nobody who can become \
         primary, or without the mode that is the default write concern.",
    ),
    (
        104,
        "`replSetReconfig` at a primary that could not be primary with it.",
    ),
    (
        109,
        "`replSetReconfig` while somebody else changes the configuration.",
    ),
    (
        115,
        "The command is allowed but needs an engine, and none stands behind this server; or it needs more of a system collection than is supported.",
    ),
    (117, "`portcullisBackup` while another backup is under way."),
    (
        123,
        "A read concern for members of a replica set, on a standalone.",
    ),
    (
        140,
        "`rotateCertificates`: a file cannot be used; the certificates from before stay in use.",
    ),
    (146, "Open cursors would keep more memory than they may."),
    (
        160,
        "A `$readPreference` with `maxStalenessSeconds` below 90.",
    ),
    (162, "An authentication restriction without a range."),
    (
        183,
        "The `client` document of a hello lacks `driver` or `os`.",
    ),
    (184, "The application's name in a hello is too long."),
    (185, "The `client` document of a hello is too large."),
    (186, "The `client` document came again."),
    (
        189,
        "`writeConcernError`: the member is primary no more; the change stays.",
    ),
    (204, "The signature of a `$clusterTime` is wrong."),
    (
        205,
        "A `$clusterTime` that is not signed and far before the clock.",
    ),
    (
        211,
        "A `$clusterTime` that no member of this deployment has signed.",
    ),
    (
        223,
        "No answer, the connection closes: a flag that nobody knows.",
    ),
    (
        224,
        "A filter with an operator that is known but not served.",
    ),
    (
        225,
        "An `insert` with a lower `txnNumber` than its session had before.",
    ),
    (232, "Pipelines within pipelines too deep."),
    (
        233,
        "No answer, the connection closes: more than two document sequences.",
    ),
    (237, "A cursor was killed while it was read from."),
    (
        262,
        "`replSetStepDown`: no secondary that may become primary has everything in time.",
    ),
    (263, "A transaction, at a member of a replica set."),
    (
        288,
        "No answer, the connection closes: the checksum does not match.",
    ),
    (292, "A sort or a group would keep more memory than it may."),
    (322, "`apiVersion` is not `\"1\"`."),
    (
        323,
        "`apiStrict: true` and a command outside API version 1.",
    ),
    (334, "A mechanism that does not exist on that database."),
    (
        337,
        "Only in the audit log: a conversation was replaced by another one, or its connection ended.",
    ),
    (
        352,
        "A command by `OP_QUERY` that drivers send only by `OP_MSG`.",
    ),
    (
        10_107,
        "A write at a member that is not the primary; drivers find the primary and try again.",
    ),
    (
        10_334,
        "A user or an answer would be larger than a document may be.",
    ),
    (
        11_601,
        "Not met: a long read that nobody waits for any more ends with it.",
    ),
    (
        11_602,
        "etcd did not answer in time: the change may be there or not.",
    ),
    (12_051, "Somebody else reads from the cursor at the moment."),
    (
        13_435,
        "A read at a secondary without a `$readPreference` that allows it.",
    ),
    (
        13_436,
        "The member has not joined yet, or has not heard from etcd for so long that it neither answers reads nor signs anybody in; or it was removed and answers no reads.",
    ),
    (
        14_031,
        "The disk is full: whether the change is kept shows after a restart, and further writes are \
         refused until then. Or etcd is full, and nothing was written.",
    ),
    (15_947, "A `$group` that is no document."),
    (15_952, "A `$group` with an accumulator that nobody knows."),
    (15_955, "A `$group` without `_id`."),
    (15_958, "A `$limit` of 0."),
    (15_959, "A `$match` that is no document."),
    (15_969, "A `$project` that is no document."),
    (15_973, "A `$sort` that is no document."),
    (15_974, "A sort by what is no number."),
    (15_975, "A sort by a number other than 1 and -1."),
    (15_976, "A `$sort` without a key."),
    (15_998, "A path with an empty part."),
    (16_410, "A path with a part that begins with `$`."),
    (
        16_979,
        "`OP_QUERY` asks for another number of documents than one.",
    ),
    (16_990, "`$out` is neither a string nor a document."),
    (
        17_217,
        "The values of a `distinct` do not fit in an answer.",
    ),
    (18_527, "`OP_QUERY` with the exhaust flag."),
    (18_633, "`OP_QUERY` without a namespace that ends."),
    (18_634, "A message that ends within a number."),
    (
        31_249,
        "A projection names a part of a field that it names as a whole before.",
    ),
    (
        31_250,
        "A projection names a field of which it names a part or the whole before.",
    ),
    (31_253, "A projection that excludes fields includes one."),
    (31_254, "A projection that includes fields excludes one."),
    (
        31_368,
        "`topologyVersion` without `maxAwaitTimeMS`, or the other way round.",
    ),
    (31_372, "`topologyVersion` with a negative counter."),
    (
        31_382,
        "`topologyVersion` with a counter that the server has not reached.",
    ),
    (40_156, "A `$count` that is no string."),
    (40_157, "A `$count` with an empty name."),
    (40_158, "A `$count` with a name that begins with `$`."),
    (40_159, "A `$count` with NUL in its name."),
    (40_160, "A `$count` with a dot in its name."),
    (40_169, "`$facet` is not a document, or an empty one."),
    (40_170, "A part of `$facet` is not a pipeline."),
    (40_234, "A field of `$group` that is no document."),
    (40_235, "A field of `$group` with a dot in its name."),
    (
        40_236,
        "A field of `$group` with a name that begins with `$`.",
    ),
    (
        40_238,
        "A field of `$group` without an accumulator, or with two.",
    ),
    (40_323, "A stage of a pipeline has not exactly one field."),
    (40_324, "A stage of a pipeline that nobody knows."),
    (40_352, "An empty path."),
    (40_353, "A path that ends with a dot."),
    (40_413, "A field comes twice."),
    (40_414, "A required field is missing."),
    (40_415, "A field that nobody knows."),
    (40_430, "A message with two bodies."),
    (40_431, "Two document sequences of one name."),
    (40_432, "A section of an unknown kind."),
    (
        40_433,
        "A document sequence with the name of a field of the body.",
    ),
    (40_472, "A document sequence for a command that takes none."),
    (40_571, "A message without `$db`."),
    (40_587, "A message without a body."),
    (
        50_736,
        "A `getMore` in a session for a cursor that was opened in none.",
    ),
    (
        50_737,
        "A `getMore` in no session for a cursor that was opened in one.",
    ),
    (
        50_738,
        "A `getMore` in another session than that of its cursor.",
    ),
    (
        50_768,
        "A `txnNumber` on a command that may not be repeated under one.",
    ),
    (51_002, "The role exists already."),
    (51_003, "The user exists already."),
    (
        51_074,
        "A filter has the options of a regular expression twice, `$options` first.",
    ),
    (
        51_075,
        "A filter has the options of a regular expression twice, `$regex` first.",
    ),
    (
        51_091,
        "A filter with a regular expression that is invalid or needs look-around or back-references.",
    ),
    (
        51_108,
        "A filter with an unknown option of a regular expression.",
    ),
    (51_181, "Modes of `$merge` that do not go together."),
    (51_270, "A projection with an empty document in it."),
    (51_272, "An empty `$project`."),
    (
        51_300,
        "Default read and write concerns belong to replica sets.",
    ),
    (51_756, "A streaming hello without `maxAwaitTimeMS`."),
    (
        51_769,
        "`speculativeAuthenticate` begins with another command than `saslStart` or `authenticate`.",
    ),
    (4_886_600, "`apiStrict` without `apiVersion`."),
    (5_107_200, "A `$skip` that is no whole number, or negative."),
    (
        5_107_201,
        "A `$limit` that is no whole number, or negative.",
    ),
    (
        5_624_102,
        "`replSetReconfig` with `getLastErrorDefaults`, which `setDefaultRWConcern` has replaced.",
    ),
    (5_626_500, "A filter with `$near` or its kin."),
    (
        5_626_701,
        "Somebody else of the same database is signed in on the connection.",
    ),
    (
        5_626_702,
        "Somebody of another database is signed in on the connection.",
    ),
    (
        5_626_703,
        "The same user signs in again on the connection, with `apiStrict: true`.",
    ),
    (
        5_729_100,
        "A filter, projection or sort with a path of too many parts.",
    ),
    (
        5_739_101,
        "A real query by `OP_QUERY`, or `OP_GET_MORE`; answered in the form of old servers, `{$err, code, ok: 0}`.",
    ),
    (7_749_501, "A pipeline of too many stages."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn every_named_number_has_its_line_and_lines_are_sorted() {
        assert!(MEANINGS.is_sorted_by(|left, right| left.0 < right.0));
        for code in ErrorCode::NAMED {
            let lines = MEANINGS.iter().filter(|(number, _)| *number == code.0);
            assert_eq!(lines.count(), 1, "{code}");
        }
    }
}
