//! Points in time as ISO 8601 text.

use std::time::{SystemTime, UNIX_EPOCH};

const MS_PER_DAY: u64 = 86_400_000;

/// UTC with milliseconds: `2026-02-28T23:59:59.007Z`. A clock before 1970 counts as 1970.
pub fn iso_8601(time: SystemTime) -> String {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Half a billion years fit.
    let ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let (year, month, day) = civil_from_days(ms / MS_PER_DAY);
    let ms = ms % MS_PER_DAY;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970-01-01. Years begin
/// in March here, so that the leap day is the last one; eras are the 400 years after which the
/// calendar repeats.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        let at = |ms: u64| iso_8601(UNIX_EPOCH + Duration::from_millis(ms));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(iso_8601(UNIX_EPOCH - Duration::from_secs(1)), at(0));
    }

    proptest! {
        #[test]
        fn agrees_with_the_bson_library(ms in 0_i64..253_402_300_799_999) {
            let time = UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs());
            let read = bson::DateTime::parse_rfc3339_str(iso_8601(time)).unwrap();
            prop_assert_eq!(read.timestamp_millis(), ms);
        }
    }
}
