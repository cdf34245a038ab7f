//! The filters, as tables: what matches, what is refused, and what never happens.

mod matching;
mod properties;
mod refusals;

fn regex(pattern: &str, options: &str) -> bson::RawBson {
    bson::RawBson::RegularExpression(bson::Regex {
        pattern: pattern.to_owned().try_into().unwrap(),
        options: options.to_owned().try_into().unwrap(),
    })
}
