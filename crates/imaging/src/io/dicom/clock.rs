//! Dates and times as DICOM writes them (PS3.5 6.2: DA, TM, DT).

/// Seconds since midnight of a time `HHMMSS.FFFFFF`, of which the end may be missing; also the `HH:MM:SS` of older files.
/// An offset from UTC behind it is not looked at.
pub(super) fn seconds(time: &str) -> Option<f64> {
    let plain: String = time.chars().filter(|&c| c != ':').collect();
    let end = plain
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(plain.len());
    let digits = plain.get(..end)?;
    let pair = |at: usize| match digits.get(at..at + 2) {
        Some(pair) => pair.parse::<f64>().ok(),
        None => Some(0.0),
    };
    let hours = digits.get(..2)?.parse::<f64>().ok()?;
    let fraction = digits.get(6..).filter(|text| text.len() > 1);
    let fraction = fraction.map_or(Some(0.0), |text| format!("0{text}").parse::<f64>().ok());
    Some(hours * 3600.0 + pair(2)? * 60.0 + pair(4)? + fraction?)
}

/// Days since 1970-01-01 of a date `YYYYMMDD`, or the `YYYY.MM.DD` of older files.
pub(super) fn days(date: &str) -> Option<i64> {
    let plain: String = date.chars().filter(|&c| c != '.').take(8).collect();
    let number =
        |range: std::ops::Range<usize>| plain.get(range).and_then(|part| part.parse::<i64>().ok());
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The year of this count begins in March, so that the leap day is its last.
    let shifted = year - i64::from(month < 3);
    let months = (month + 9) % 12;
    let in_year = (153 * months + 2) / 5 + day - 1;
    Some(
        shifted * 365 + shifted.div_euclid(4) - shifted.div_euclid(100)
            + shifted.div_euclid(400)
            + in_year
            - 719_468,
    )
}

/// Seconds since 1970-01-01 of a date and a time.
pub(super) fn moment(date: &str, time: &str) -> Option<f64> {
    Some(days(date)? as f64 * 86_400.0 + seconds(time)?)
}

/// Seconds since 1970-01-01 of a `YYYYMMDDHHMMSS.FFFFFF`, which must go as far as the hour.
pub(super) fn date_time(text: &str) -> Option<f64> {
    moment(text.get(..8)?, text.get(8..)?)
}

/// The offset from UTC at the end of a date and time, or alone (`+0130`), in seconds.
pub(super) fn zone_secs(text: &str) -> Option<f64> {
    let at = text.rfind(['+', '-'])?;
    let (sign, digits) = text.get(at..)?.split_at(1);
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<f64>().ok();
    let secs = number(0..2)? * 3600.0 + number(2..4)? * 60.0;
    Some(if sign == "-" { -secs } else { secs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_far_as_they_go() {
        assert_eq!(seconds("101530.25"), Some(36_930.25));
        assert_eq!(seconds("10:15:30"), Some(36_930.0));
        assert_eq!(seconds("1015"), Some(36_900.0));
        assert_eq!(seconds("10"), Some(36_000.0));
        assert_eq!(seconds("101530.250000+0100"), Some(36_930.25));
        assert_eq!(seconds(""), None);
        assert_eq!(seconds("noon"), None);
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(days("19700101"), Some(0));
        assert_eq!(days("20000301"), Some(11_017));
        assert_eq!(days("2024.02.29"), Some(19_782));
        assert_eq!(days("20241301"), None);
        assert_eq!(zone_secs("20200101050000-0430"), Some(-16_200.0));
        assert_eq!(zone_secs("+0100"), Some(3_600.0));
        assert_eq!(zone_secs("20200101050000"), None);
        let midnight =
            moment("20240301", "000010").unwrap() - moment("20240229", "235950").unwrap();
        assert_eq!(midnight, 20.0);
    }
}
