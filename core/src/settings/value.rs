//! What the parsers of the settings are made of.

use crate::runaway::LARGEST_LIMIT;

/// A type whose values are words of a setting.
pub(super) trait Words: Sized + 'static {
    const WORDS: &'static [&'static str];

    /// The value that this word stands for.
    fn value_of(word: &[u8]) -> Option<Self>;
}

/// `words! { Type: "word" => value, ... }` declares the words of a type. (A table of pairs would have an address for each.)
macro_rules! words {
    ($type:ty: $($word:literal => $value:expr,)+) => {
        impl $crate::settings::value::Words for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn value_of(word: &[u8]) -> Option<Self> {
                $(if word == $word.as_bytes() {
                    return Some($value);
                })+
                None
            }
        }
    };
}
pub(super) use words;

/// Sets `to` to what `word` stands for.
pub(super) fn set<T: Words>(to: &mut T, word: &[u8]) -> Option<()> {
    *to = T::value_of(word)?;
    Some(())
}

/// A decimal number from 1 to [`LARGEST_LIMIT`], which is also the largest number of a rate.
pub(super) fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 7 {
        return None;
    }
    let mut number = 0;
    for &digit in digits {
        number = number * 10 + (digit as char).to_digit(10)?;
    }
    (1..=LARGEST_LIMIT).contains(&number).then_some(number)
}
