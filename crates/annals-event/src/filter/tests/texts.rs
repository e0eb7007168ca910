//! Folding, words, numbers, needles: what conditions are made of.

use expect_test::expect;

use super::*;

#[test]
fn texts_fold_without_case_and_form() {
    for (a, b) in [
        ("STRASSE", "straße"),
        ("ﬁ", "FI"),
        ("Ａｂ９", "aB9"),
        ("e\u{301}", "É"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("\u{212a}", "k"),
        ("ſ", "S"),
        ("İ", "i\u{307}"),
        ("①", "1"),
        ("ｶﾞ", "ガ"),
        ("ᾳ", "αι"),
    ] {
        assert_eq!(fold(a), fold(b), "{a} {b}");
    }
    assert_ne!(fold("ı"), fold("i"));
    assert!(matches!(fold("already lower 9"), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn names_are_alike_however_their_words_are_joined() {
    for (text, loose) in [
        ("AssetCreated", "assetcreated"),
        ("asset_created", "assetcreated"),
        ("asset.created", "assetcreated"),
        ("ASSET - created!", "assetcreated"),
        ("Straße_Ａ9", "strassea9"),
        ("e.\u{301}", "é"),
        ("削除.created", "削除created"),
        ("_.", ""),
    ] {
        assert_eq!(loosen(text), loose, "{text}");
        assert_eq!(loosen(loose), loose);
        let test = Test::Loose(loose.into());
        assert!(test.passes(&Scalar::Text(text)), "{text}");
        assert!(!test.passes(&Scalar::Text("asset.creating")) && !test.passes(&Scalar::Nothing));
    }
    let condition =
        Condition::Field(Field::Member(Path::new(&["action"])), Test::Loose("assetcreated".into()));
    assert!(holds_for(&condition, r#"{"action":"Asset.Created"}"#));
    assert_eq!(condition.to_string(), r#"action is spelled like "assetcreated""#);
    assert!(Needles::of(&condition).may_match(br#"{"action":"asset.created"}"#));
    assert_eq!(Demand::of(&condition), Demand::Nothing);
}

#[test]
fn each_character_folds_once_and_for_all() {
    let mut longest = 0;
    for c in '\0'..=char::MAX {
        let text = c.to_string();
        let once = fold(&text).into_owned();
        assert_eq!(fold(&once), once, "U+{:04X}", c as u32);
        longest = longest.max(once.len().div_ceil(text.len()));
    }
    assert_eq!(longest, 11, "times as long at most");
}

#[test]
fn texts_are_cut_into_words() {
    for (text, expected) in [
        ("video.update", "video|update"),
        ("ana@Example.com", "ana|example|com"),
        ("It's 9:41, isn’t it?", "it|s|9|41|isn|t|it"),
        ("snake_case kebab-case camelCase", "snake|case|kebab|case|camelcase"),
        ("10.0.0.1 1,000.5", "10|0|0|1|1|000|5"),
        ("हिन्दी में", "हिन्दी|में"),
        ("مَرْحَبًا، يا", "مَرْحَبًا|يا"),
        ("東京タワー", "東|京|タワー"),
        ("ภาษาไทย", "ภ|า|ษ|า|ไ|ท|ย"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευσ"),
        ("İstanbul ışık", "i\u{307}stanbul|ışık"),
        ("👍🏽 ok 🎬", "👍🏽|ok|🎬"),
        ("Strasse\u{301}x", "strass\u{e9}x"),
        ("צה״ל", "צה|ל"),
        ("--- … ! \u{301}", ""),
        ("", ""),
    ] {
        assert_eq!(words_of(text).join("|"), expected, "{text}");
    }
}

#[test]
fn a_question_is_cut_into_words_and_phrases() {
    for (q, expected) in [
        ("Ana", "q(ana)"),
        ("video.update  by\tAna", r#"q("video update" by ana)"#),
        (r#""two words" x"y z"w"#, r#"q("two words" x "y z" w)"#),
        (r#"- "" a"#, "q(a)"),
        ("東京", r#"q("東 京")"#),
    ] {
        assert_eq!(Condition::Words(parse_words(q).unwrap()).to_string(), expected, "{q}");
    }
    for (q, expected) in [
        ("", "holds no word to look for, which has letters or digits"),
        ("\"--\"", "holds no word to look for, which has letters or digits"),
        (
            "a \"b",
            "has a quote at byte 2 without its other one; a phrase stands between two: `\"two words\"`",
        ),
        (&"x".repeat(1025), "has 1025 bytes, at most 1024 are allowed"),
        (&"x ".repeat(33), "has 33 words, at most 32 are allowed"),
    ] {
        assert_eq!(parse_words(q).unwrap_err().to_string(), expected);
    }
    assert!(parse_words(&"x ".repeat(32)).is_ok());
}

#[test]
fn words_are_found_in_any_text_and_phrases_within_one() {
    let finds = |q: &str| holds_for(&Condition::Words(parse_words(q).unwrap()), EVENT);
    for q in [
        "ana",
        "ANA STRASSE",
        r#""ana strasse""#,
        "ana@example.com",
        "v9 folder",
        "quote back",
        "red e1",
        "u1 10.1.2.3",
    ] {
        assert!(finds(q), "{q}");
    }
    // Not across texts, not the other way round, no names, no numbers, no parts of words.
    for q in
        [r#""strasse ana""#, r#""red blue""#, "session_id", "200", "vide", "ana bob", r#""ana ana strasse""#]
    {
        assert!(!finds(q), "{q}");
    }
}

#[test]
fn numbers_order_by_value() {
    let ordered = [
        "-1e400",
        "-10",
        "-9.5",
        "-1e-400",
        "0",
        "1e-999999999",
        "1e-400",
        "0.1",
        "0.10000000000000000000000001",
        "1",
        "1.5",
        "9007199254740992",
        "9007199254740993",
        "1e21",
        "1.0000000000000000000000001e21",
        "1e400",
        "1e999999999",
    ];
    let numbers: Vec<Decimal> = ordered.iter().map(|token| Decimal::parse(token).unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    for (a, b) in [
        ("-0", "0"),
        ("1.0", "1"),
        ("100e-2", "1"),
        ("0.001E3", "1"),
        ("0e999999999999999999999999", "0"),
        ("12e+1", "120"),
        ("1e00000000000000000000000000000001", "10"),
        ("0.00", "-0.0e5"),
    ] {
        assert_eq!(Decimal::parse(a).unwrap(), Decimal::parse(b).unwrap(), "{a} {b}");
    }
    for token in [
        "",
        "-",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "1 ",
        "NaN",
        "1e1000000000000000001",
        "1e99999999999999999999",
    ] {
        assert_eq!(Decimal::parse(token), None, "{token}");
    }
    for number in numbers {
        assert_eq!(Decimal::parse(&number.to_string()).as_ref(), Some(&number), "{number}");
    }
}

#[test]
fn needles_are_what_the_bytes_must_hold() {
    let needles = |filter: &str| format!("{filter}\n    {:?}\n", Needles::of(&parse(filter).unwrap()));
    let shown: String = [
        r#"actor.id eq "u\"1""#,
        r#"actor.id sw "u" and actor.name co "a\\b" and reason ew "z""#,
        r#"actor.id eq "a" or actor.id eq "b""#,
        r#"actor.id eq "a" or operation eq "read""#,
        r#"actor.name ico "STRASSE" and action pr"#,
        r#"actor.name ieq "Москва""#,
        r#"not (actor.id eq "a")"#,
        r#"targets[type eq "video" and metadata.n gt 5]"#,
        "metadata.session_id pr",
        r#"reason co """#,
    ]
    .map(needles)
    .concat();
    expect![[r#"
        actor.id eq "u\"1"
            Needles { need: "u\"1", folded: false }
        actor.id sw "u" and actor.name co "a\\b" and reason ew "z"
            Needles { need: all(["u, a\\b, z"]), folded: false }
        actor.id eq "a" or actor.id eq "b"
            Needles { need: any(["a", "b"]), folded: false }
        actor.id eq "a" or operation eq "read"
            Needles { need: nothing, folded: false }
        actor.name ico "STRASSE" and action pr
            Needles { need: all([strasse in any case, "action":]), folded: true }
        actor.name ieq "Москва"
            Needles { need: something beyond ASCII, folded: true }
        not (actor.id eq "a")
            Needles { need: nothing, folded: false }
        targets[type eq "video" and metadata.n gt 5]
            Needles { need: all(["video", "n":]), folded: false }
        metadata.session_id pr
            Needles { need: "session_id":, folded: false }
        reason co ""
            Needles { need: "reason":, folded: false }
    "#]]
    .assert_eq(&shown);
    let words = Needles::of(&Condition::Words(parse_words("Kick \"of it\"").unwrap()));
    assert!(words.may_match(br#"{"a":"KICK","b":"OF IT"}"#));
    assert!(!words.may_match(br#"{"a":"KIC","b":"OF IT"}"#));
    assert!(words.may_match("{\"a\":\"\u{212a}ick of it\"}".as_bytes()), "the sign for kelvin is a k");
}
