//! Property tests: any input, against a second implementation or a model.

mod checks;
mod models;

use checks::Value;
use nopipe_core::fields::FIELDS;
use nopipe_core::line::Line;
use nopipe_core::settings::SETTINGS;
use nopipe_core::time::rfc3339;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// What a peer may call itself to deceive: quotes, separators, controls, direction marks, blanks, digits, long ones.
fn hostile_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        select(
            "\"\\= \t\r\n\0\u{1b}\u{7f}\u{85}\u{a0}\u{2003}\u{2028}\u{202e}\u{3000}\u{feff}\u{e0041}é7"
                .chars()
                .collect::<Vec<_>>()
        ),
        proptest::char::range(' ', '~'),
    ];
    proptest::collection::vec(character, 0..120).prop_map(|characters| characters.into_iter().collect())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => hostile_text().prop_map(Value::Text),
        1 => any::<u64>().prop_map(Value::Number),
        1 => any::<u64>().prop_map(|number| Value::Text(number.to_string())),
    ]
}

fn fields() -> impl Strategy<Value = Vec<(usize, Value)>> {
    subsequence((0..FIELDS.len()).collect::<Vec<_>>(), 0..=FIELDS.len())
        .prop_shuffle()
        .prop_flat_map(|fields| {
            let values = proptest::collection::vec(value(), fields.len());
            values.prop_map(move |values| fields.iter().copied().zip(values).collect())
        })
}

/// A socket address of a family that is known, of any length; or just bytes.
fn sockaddr() -> impl Strategy<Value = Vec<u8>> {
    let family = select(vec![1_u16, 2, 10]).prop_map(|family| family.to_ne_bytes().to_vec());
    let sparse = prop_oneof![2 => Just(0_u8), 1 => Just(0xff), 2 => any::<u8>()];
    prop_oneof![
        1 => any::<Vec<u8>>(),
        4 => (family, proptest::collection::vec(sparse, 0..130)).prop_map(|(family, rest)| [family, rest].concat()),
        1 => any::<[u8; 8]>().prop_map(|rest| {
            let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
            [&[10, 0, 1, 2, 0, 0, 0, 0], &mapped[..], &rest].concat()
        }),
    ]
}

/// A variable, with a value that is close to a good one or just bytes.
fn setting() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let words: Vec<_> = SETTINGS.iter().flat_map(|setting| setting.words).copied().collect();
    let name = prop_oneof![
        9 => select(SETTINGS.map(|setting| setting.name).to_vec()).prop_map(Into::into),
        1 => any::<Vec<u8>>(),
    ];
    let value = prop_oneof![
        any::<Vec<u8>>(),
        select(words).prop_map(Into::into),
        "(throttle|kill|auto)?(:[0-9]{0,8})?".prop_map(String::into_bytes),
        "[0-9]{0,8}/?[0-9]{0,8}".prop_map(String::into_bytes),
        "file:(/|%p|%%|%|[a-z]|é){0,40}".prop_map(String::into_bytes),
        "file:/(x|%p){500,520}".prop_map(String::into_bytes),
        "([a-z]{0,4}[ ,/\u{a0}]?){0,9}".prop_map(String::into_bytes),
    ];
    (name, value)
}

/// A line of `/proc/PID/stat` with any name, cut off anywhere; or bytes that occur in one.
fn stat_line() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        2 => any::<u64>().prop_map(|number| number.to_string()),
        2 => any::<i32>().prop_map(|number| number.to_string()),
        1 => "[0-9]{0,22}",
        1 => "[+-]?[0-9a]{0,3}",
    ];
    let numbers = proptest::collection::vec(number, 0..30).prop_map(|numbers| numbers.join(" "));
    let whole = (".{0,16}", numbers).prop_map(|(name, rest)| format!("42 ({name}) S {rest}").into_bytes());
    prop_oneof![
        3 => whole.clone(),
        1 => (whole, any::<proptest::sample::Index>()).prop_map(|(mut line, at)| {
            line.truncate(at.index(line.len()));
            line
        }),
        1 => "[()0-9 S-]{0,60}".prop_map(String::into_bytes),
        1 => any::<Vec<u8>>(),
    ]
}

proptest! {
    #[test]
    fn encodings_give_back_what_went_in(pairs in fields()) {
        checks::encoding(&pairs);
        checks::journal_datagram(&pairs);
    }

    #[test]
    fn endpoints_are_written_as_the_standard_library_does(bytes in sockaddr()) {
        checks::endpoint(&bytes);
    }

    #[test]
    fn settings_are_taken_or_refused_whole((name, value) in setting()) {
        checks::setting(&name, &value);
    }

    #[test]
    fn a_line_takes_what_fits_and_counts_the_rest(texts in proptest::collection::vec(".{0,9}", 0..9)) {
        let mut line = Line::<24>::new();
        let mut expected = String::new();
        let mut given = 0;
        for text in texts {
            let fits = (0..=text.len()).rev().find(|&n| text.is_char_boundary(n) && expected.len() + n <= 24);
            expected += &text[..fits.unwrap()];
            given += text.len();
            line.push_str(&text);
            prop_assert_eq!(line.as_str(), &expected);
            prop_assert_eq!(line.len() + line.lost(), given);
        }
        line.truncate(0);
        prop_assert_eq!((line.len(), line.lost()), (0, given));
    }

    #[test]
    fn numbers_and_bytes_on_a_line(n: u64, width in 1_u32..=19, bytes: Vec<u8>) {
        let written = |write: &dyn Fn(&mut Line<4096>)| {
            let mut line = Line::new();
            write(&mut line);
            line.as_str().to_owned()
        };
        prop_assert_eq!(written(&|line| line.push_u64(n)), n.to_string());
        prop_assert_eq!(written(&|line| line.push_hex(n)), format!("{n:x}"));
        prop_assert_eq!(written(&|line| line.push_padded(n, width)), format!("{n:0width$}", width = width as usize));
        let lossy = written(&|line| line.push_lossy(&bytes));
        prop_assert_eq!(lossy.replace('?', ""), String::from_utf8_lossy(&bytes).replace(['?', '\u{fffd}'], ""));
    }

    /// Up to the end of the year 9999.
    #[test]
    fn times_as_jiff_writes_them(seconds in 0..=253_402_207_200_i64, nanoseconds in 0..1_000_000_000) {
        let expected = jiff::Timestamp::new(seconds, nanoseconds).unwrap();
        let written = rfc3339(seconds, nanoseconds.into());
        prop_assert_eq!(written.as_str(), expected.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string());
    }

    /// Small numbers and huge ones, of any length.
    #[test]
    fn tcp_info_of_any_length(
        bytes in proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => 0..12_u8, 1 => any::<u8>()], 0..260),
        undelivered in 0..1_u64 << 62,
    ) {
        checks::tcp_info(&bytes, undelivered);
    }

    #[test]
    fn proc_stat_as_split_and_parsed(bytes in stat_line()) {
        checks::proc_stat(&bytes);
    }
}
