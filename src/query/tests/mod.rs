//! The filters, as tables: what matches, what is refused, and what never happens.

mod effort;
mod matching;
mod properties;
mod refusals;

use bson::rawdoc;

use super::Filter;

fn regex(pattern: &str, options: &str) -> bson::RawBson {
    bson::RawBson::RegularExpression(bson::Regex {
        pattern: pattern.to_owned().try_into().unwrap(),
        options: options.to_owned().try_into().unwrap(),
    })
}

#[test]
fn filters_without_conditions_match_everything() {
    for (filter, expected) in [
        (rawdoc! {}, true),
        (rawdoc! { "$comment": 1 }, true),
        (rawdoc! { "$and": [{}, { "$or": [{ "a": 1 }, {}] }] }, true),
        (rawdoc! { "a": 1 }, false),
        (rawdoc! { "$or": [{ "a": 1 }] }, false),
        (rawdoc! { "$nor": [{}] }, false),
    ] {
        let parsed = Filter::parse(&filter).unwrap();
        assert_eq!(parsed.matches_everything(), expected, "{filter:?}");
    }
}
