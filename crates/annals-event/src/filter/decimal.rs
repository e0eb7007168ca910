//! Numbers by value, of any length, without computing with them.

use std::cmp::Ordering;
use std::fmt;

/// Largest exponent that is read, up or down. A number beyond it, as nobody measures, is no [`Decimal`].
const EXPONENT_MAX: i64 = 1_000_000_000_000_000_000;

/// A number of JSON by its value: every digit counts, however it was written. `1.0` is `1`, `-0` is `0`, and `1e400` is above
/// every shorter number.
///
/// Takes as much memory as the significant digits of its token, whatever the exponent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// The significant digits, without zeros at either end. None for zero.
    digits: Box<str>,
    /// Where the point stands: the value is `0.digits` times ten to this power. 0 for zero.
    point: i64,
}

impl Decimal {
    /// The number a JSON token says. `None` when it is not one, or has an exponent beyond ±10^18.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        let parts = Parts::of(token)?;
        let mut digits = String::with_capacity(parts.len());
        digits.push_str(parts.first);
        digits.push_str(parts.second);
        Some(Self { negative: parts.negative, digits: digits.into(), point: parts.point })
    }

    /// How this number stands to the one a JSON token says; as [`Ord`] over [`Decimal::parse`], without allocating.
    #[must_use]
    pub fn compare_token(&self, token: &str) -> Option<Ordering> {
        Some(self.parts().compare(&Parts::of(token)?))
    }

    /// Whether it is a whole number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        i64::try_from(self.digits.len()).is_ok_and(|len| len <= self.point) || self.digits.is_empty()
    }

    fn parts(&self) -> Parts<'_> {
        Parts { negative: self.negative, first: &self.digits, second: "", point: self.point }
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self::parse(&number.to_string()).expect("an integer's digits are a number")
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().compare(&other.parts())
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    /// A token of JSON: plain where that takes few zeros, else with an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PLAIN_DIGITS_MAX: i64 = 21;
        if self.negative {
            f.write_str("-")?;
        }
        let len = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        if self.digits.is_empty() {
            f.write_str("0")
        } else if (len..=PLAIN_DIGITS_MAX).contains(&self.point) {
            f.write_str(&self.digits)?;
            (len..self.point).try_for_each(|_| f.write_str("0"))
        } else if (1..len).contains(&self.point) {
            let (whole, fraction) =
                self.digits.split_at(usize::try_from(self.point).map_err(|_| fmt::Error)?);
            write!(f, "{whole}.{fraction}")
        } else {
            let (first, rest) = self.digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            write!(f, "{first}{point}{rest}e{}", self.point - 1)
        }
    }
}

/// A number as it stands in a token: `0.` and two runs of digits one after the other, times ten to the power `point`.
struct Parts<'a> {
    negative: bool,
    /// Does not begin with zero; empty only when `second` is.
    first: &'a str,
    /// Does not end with zero. When it is empty `first` does not either.
    second: &'a str,
    point: i64,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Option<Self> {
        let (negative, unsigned) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (digits(whole)?, digits(fraction)?),
            None => (digits(mantissa)?, ""),
        };
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let exponent = exponent.map_or(Some(Some(0)), exponent_of)?;
        let (first, second) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        // Without a whole part the point moves to the first digit that counts; without a fraction zeros at the end go.
        let (first, second, len) = match (first.is_empty(), second.is_empty()) {
            (true, true) => return Some(Self { negative: false, first: "", second: "", point: 0 }),
            (true, false) => {
                let trimmed = second.trim_start_matches('0');
                (trimmed, "", -i64::try_from(second.len() - trimmed.len()).ok()?)
            }
            (false, true) => (first.trim_end_matches('0'), "", i64::try_from(first.len()).ok()?),
            (false, false) => (first, second, i64::try_from(first.len()).ok()?),
        };
        Some(Self { negative, first, second, point: exponent?.checked_add(len)? })
    }

    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn is_zero(&self) -> bool {
        self.first.is_empty()
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |parts: &Self| if parts.is_zero() { 0 } else { 1 - 2 * i8::from(parts.negative) };
        sign(self).cmp(&sign(other)).then_with(|| {
            let magnitude = self.point.cmp(&other.point).then_with(|| self.compare_digits(other));
            if self.negative { magnitude.reverse() } else { magnitude }
        })
    }

    fn compare_digits(&self, other: &Self) -> Ordering {
        if self.second.is_empty() && other.second.is_empty() {
            return self.first.cmp(other.first);
        }
        let digits = self.first.bytes().chain(self.second.bytes());
        digits.cmp(other.first.bytes().chain(other.second.bytes()))
    }
}

/// The text when it is one or more digits.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// The exponent of a token; the inner `None` says that it is beyond [`EXPONENT_MAX`].
#[expect(clippy::option_option, reason = "no number, and a number of a size that is not read")]
fn exponent_of(text: &str) -> Option<Option<i64>> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = digits(unsigned)?.trim_start_matches('0');
    let size = if size.is_empty() { Some(0) } else { size.parse::<i64>().ok() };
    Some(size.filter(|size| *size <= EXPONENT_MAX).map(|size| if negative { -size } else { size }))
}
