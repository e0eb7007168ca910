//! Texts without case and without the many ways Unicode writes one thing.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// The text without case, and written one way: two texts that differ in case, in composition or in compatibility forms alone
/// fold to the same text. `STRASSE` is `straße`, `ﬁ` is `fi`, `ｖ９` is `v9`.
///
/// This is the compatibility caseless match of the Unicode Standard (D146), composed: full case folding, the same in every
/// language (Turkish `İ` is `i` with a dot above, `ı` stays itself), and NFKC. Folding what is folded changes nothing.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let case = CaseMapper::new();
    let compose = ComposingNormalizerBorrowed::new_nfkc();
    let split = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    let once = compose.normalize(&case.fold_string(&split)).into_owned();
    Cow::Owned(compose.normalize(&case.fold_string(&once)).into_owned())
}
