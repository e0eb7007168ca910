//! Texts without case and without the many ways Unicode writes one thing.

use std::borrow::Cow;
use std::cell::Cell;

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use writeable::Writeable;

/// The text without case, and written one way: two texts that differ in case, in composition or in compatibility forms alone
/// fold to the same text. `STRASSE` is `straße`, `ﬁ` is `fi`, `ｖ９` is `v9`.
///
/// This is the compatibility caseless match of the Unicode Standard (D146) of the text in NFKD, composed: full case folding, the
/// same in every language (Turkish `İ` is `i` with a dot above, `ı` stays itself), and NFKC. Folding what is folded changes
/// nothing. The folded text is at most 11 times as long.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(with_folded(text, str::to_owned)) }
}

/// The text folded, and without what stands between the words of a name: everything of ASCII that is neither letter nor digit.
/// `AssetCreated`, `asset_created` and `asset.created` are `assetcreated`. Loosening what is loosened changes nothing.
#[must_use]
pub fn loosen(text: &str) -> Cow<'_, str> {
    let stays = |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric();
    let folded = fold(text);
    if folded.chars().all(stays) {
        return folded;
    }
    let joined: String = folded.chars().filter(|letter| stays(*letter)).collect();
    // What has come together may be written another way.
    Cow::Owned(fold(&joined).into_owned())
}

/// Whether the text is ASCII without capitals, which folding does not change.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

/// Hands `f` the folded text, in memory that is used again.
pub(super) fn with_folded<R>(text: &str, f: impl FnOnce(&str) -> R) -> R {
    if is_plain(text) {
        return f(text);
    }
    // Taken out while it is in use, so that `f` may fold too.
    thread_local!(static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { out: String::new(), other: String::new() }) });
    SCRATCH.with(|kept| {
        let mut scratch = kept.take();
        scratch.fold(text);
        let result = f(&scratch.out);
        if scratch.out.capacity().max(scratch.other.capacity()) <= Scratch::KEPT_BYTES_MAX {
            kept.set(scratch);
        }
        result
    })
}

/// A text on its way through folding, and the memory of the step before.
#[derive(Default)]
struct Scratch {
    out: String,
    other: String,
}

impl Scratch {
    /// Memory up to which each of the two is kept for the next text, on each thread.
    const KEPT_BYTES_MAX: usize = 256 << 10;

    const CASE: CaseMapperBorrowed<'static> = CaseMapper::new();
    const SPLIT: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
    const COMPOSE: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();

    fn fold(&mut self, text: &str) {
        self.out.clear();
        if text.is_ascii() {
            self.out.push_str(text);
            self.out.make_ascii_lowercase();
            return;
        }
        let wrote = "a string takes every character";
        Self::SPLIT.normalize_to(text, &mut self.out).expect(wrote);
        for _ in 0..2 {
            self.other.clear();
            Self::CASE.fold(&self.out).write_to(&mut self.other).expect(wrote);
            self.out.clear();
            Self::COMPOSE.normalize_to(&self.other, &mut self.out).expect(wrote);
        }
    }
}
