//! The lexicon read as readers type: names, phrases, models' own names, and texts that mean nothing.

use m3d_imaging::geometry::BodyLevel;
use m3d_imaging::terms::{Kind, Lexicon, Mention, Side, Term};
use proptest::prelude::*;

#[path = "terms/phrases.rs"]
mod phrases;

fn lexicon() -> &'static Lexicon {
    Lexicon::built_in()
}

fn get(name: &str) -> &'static Term {
    lexicon()
        .get(name)
        .unwrap_or_else(|| panic!("{name:?} is no name"))
}

/// The names of the terms in a text.
fn read(text: &str) -> Vec<&'static str> {
    lexicon()
        .mentions(text)
        .iter()
        .map(|m| m.term.name())
        .collect()
}

#[test]
fn every_name_of_every_term_is_its_own() {
    let mut names = 0;
    let mut wrong = Vec::new();
    for term in lexicon().terms() {
        for name in std::iter::once(term.name()).chain(term.names()) {
            for typed in [name.to_owned(), name.to_uppercase(), format!("the {name}")] {
                let found = lexicon().get(&typed);
                if found != Some(term) {
                    wrong.push(format!("{typed:?} is {found:?}, not {term:?}"));
                }
            }
            names += 1;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let findings = lexicon()
        .terms()
        .iter()
        .filter(|t| t.is_finding() && t.side().is_none())
        .count();
    let single = |t: &&Term| !t.is_finding() && !t.is_group();
    let anatomy = lexicon().terms().iter().filter(single).count();
    eprintln!(
        "{names} names of {} terms, {anatomy} of them single structures, {findings} findings",
        lexicon().terms().len()
    );
    assert!(
        findings >= 120 && anatomy >= 200,
        "{findings} findings, {anatomy} structures"
    );
}

#[test]
fn what_readers_type_is_read() {
    let mut wrong = Vec::new();
    for &(text, expected) in phrases::PHRASES {
        let found = read(text).join(", ");
        if found != expected {
            wrong.push(format!("{text:?}: {found:?}, not {expected:?}"));
        }
        // Case does not matter where the text is no abbreviation.
        let (lower, upper) = (text.to_lowercase(), text.to_uppercase());
        for other in [lower, upper] {
            let same = read(&other).join(", ") == expected;
            if !same && !phrases::CASE_MATTERS.contains(&text) {
                wrong.push(format!(
                    "{other:?}: {:?}, not {expected:?}",
                    read(&other).join(", ")
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(phrases::PHRASES.len() >= 150);
}

/// The open questions of the shared collection name what their answers must be about.
#[test]
fn open_questions_name_their_subjects() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared = std::env::var("M3D_SHARED").unwrap_or_else(|_| beside.to_owned());
    let path = format!("{shared}/data/questions/open.jsonl");
    let Ok(lines) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no {path}");
        return;
    };
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let question = line["question"].as_str().unwrap();
        let mentions = lexicon().mentions(question);
        let singles = mentions.iter().flat_map(Mention::terms).map(Term::name);
        let named: Vec<&str> = mentions
            .iter()
            .map(|m| m.term.name())
            .chain(singles)
            .collect();
        let subjects = line["subjects"].as_array().unwrap();
        for subject in subjects {
            assert!(
                named.contains(&subject.as_str().unwrap()),
                "{question:?}: {named:?}, not {subject}"
            );
        }
        assert_eq!(
            subjects.is_empty(),
            mentions.is_empty(),
            "{question:?}: {named:?}"
        );
    }
}

#[test]
fn ordinary_sentences_name_nothing() {
    for text in phrases::NOTHING {
        assert_eq!(read(text), Vec::<&str>::new(), "{text:?}");
    }
}

#[test]
fn models_names_are_known() {
    for &name in phrases::VISTA3D
        .iter()
        .chain(phrases::SMALL)
        .chain(phrases::SMALL_FINDINGS)
        .chain(phrases::TOTALSEGMENTATOR)
        .chain(phrases::TOTALSEGMENTATOR_MR)
    {
        assert!(lexicon().get(name).is_some(), "{name:?}");
    }
    // Names of one model are names of one thing.
    for list in [phrases::VISTA3D, phrases::TOTALSEGMENTATOR] {
        let mut terms: Vec<&str> = list.iter().map(|name| get(name).name()).collect();
        terms.sort_unstable();
        terms.dedup();
        assert_eq!(terms.len(), list.len());
    }
    assert_eq!(phrases::VISTA3D.len(), 127);
    assert_eq!(get("left kidney"), get("kidney_left"));
    assert_eq!(get("hepatic tumor"), get("liver tumour"));
    assert_eq!(get("vertebrae"), get("spine"));
}

#[test]
fn sides_groups_and_parts_hang_together() {
    let both = |text: &str| -> Vec<&str> {
        lexicon().mentions(text)[0]
            .terms()
            .iter()
            .map(|t| t.name())
            .collect()
    };
    assert_eq!(both("both kidneys"), ["left kidney", "right kidney"]);
    assert_eq!(both("双肾"), ["left kidney", "right kidney"]);
    assert_eq!(both("right lung"), ["right lung"]);
    assert_eq!(both("left ribs").len(), 12);
    assert_eq!(both("ribs").len(), 24);
    assert_eq!(both("lumbar spine").len(), 5);
    let known = |names: &'static [&'static str]| move |term: &Term| names.contains(&term.name());
    let lobes = known(&["left lung upper lobe", "left lung lower lobe", "lung base"]);
    assert_eq!(get("left lung").expand(&lobes).len(), 2);
    assert_eq!(get("kidney").expand(&known(&["kidney"])), [get("kidney")]);
    assert!(get("liver").expand(&known(&["spleen"])).is_empty());
    assert_eq!(get("kidney").on(Side::Left), Some(get("left kidney")));
    assert_eq!(get("left kidney").unsided(), Some(get("kidney")));
    assert_eq!(get("left lung upper lobe").whole(), Some(get("left lung")));
    for term in lexicon().terms() {
        for &member in term.members() {
            assert_ne!(member, term);
        }
        for side in [Side::Left, Side::Right] {
            let one = term.on(side);
            assert!(
                one.is_none_or(|one| one.side() == Some(side) && one.unsided() == Some(term)),
                "{term}"
            );
        }
        assert!(term.name().len() < 60 && !term.singles().is_empty());
    }
}

#[test]
fn findings_know_their_organ() {
    let lesion = get("hepatic lesion");
    assert_eq!(lesion.organ(), Some(get("liver")));
    assert_eq!(lesion.levels(), get("liver").levels());
    assert_eq!(lesion.generic(), Some(get("lesion")));
    let made = get("pancreatic lesion");
    assert_eq!(
        (made.name(), made.kind()),
        ("pancreas lesion", Kind::Finding)
    );
    assert_eq!(
        (made.organ(), made.generic()),
        (Some(get("pancreas")), Some(get("lesion")))
    );
    assert_eq!(made.levels(), Some([BodyLevel(19.0), BodyLevel(22.0)]));
    assert!(std::ptr::eq(made, get("lesions of the pancreas")));
    let abscess = get("abscess of the left kidney");
    assert_eq!(abscess.name(), "left kidney abscess");
    assert_eq!(abscess.unsided().map(Term::name), Some("kidney abscess"));
    assert_eq!(
        abscess
            .unsided()
            .and_then(|t| t.on(Side::Right))
            .map(Term::name),
        Some("right kidney abscess")
    );
    assert_eq!(
        get("kidney stone").on(Side::Left),
        Some(get("left renal calculus"))
    );
    assert_eq!(get("fracture").levels(), None);
    let nodule = &lexicon().mentions("nodule in the right upper lobe")[0];
    assert_eq!(nodule.term.name(), "right lung nodule");
    assert_eq!(nodule.place.map(Term::name), Some("right lung upper lobe"));
}

#[test]
fn corrections_are_told() {
    let mention = &lexicon().mentions("segmnet the spleeen please")[0];
    assert_eq!(mention.read_as.as_deref(), Some("spleen"));
    assert_eq!(mention.bytes, 12..19);
    assert_eq!(lexicon().mentions("spleen")[0].read_as, None);
    let mention = &lexicon().mentions("is there a plural efusion")[0];
    assert_eq!(mention.read_as.as_deref(), Some("pleural effusion"));
}

#[test]
fn nearest_terms_are_suggested() {
    let nearest = |phrase: &str| lexicon().nearest(phrase, 3, &|_| true);
    assert!(nearest("hepatic parenchymal tissue").contains(&get("liver")));
    assert!(nearest("adrenalin gland").contains(&get("adrenal gland")));
    assert!(
        lexicon()
            .nearest("kidney", 5, &|t| t.name() == "spleen")
            .is_empty()
    );
    assert!(nearest("").is_empty() && nearest("?!").is_empty());
}

#[test]
fn neighbours_have_colours_of_their_own() {
    let neighbours = [
        "liver",
        "spleen",
        "left kidney",
        "pancreas",
        "gallbladder",
        "stomach",
        "duodenum",
        "colon",
        "small bowel",
        "aorta",
        "inferior vena cava",
        "portal vein",
        "left adrenal gland",
        "bladder",
        "left lung",
        "heart",
        "trachea",
        "oesophagus",
        "vertebra",
        "rib",
        "psoas muscle",
        "spinal canal",
        "fat",
    ];
    for (n, a) in neighbours.iter().enumerate() {
        for b in &neighbours[..n] {
            let [a, b] = [a, b].map(|name| get(name).colour().unwrap().map(i32::from));
            let apart: i32 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
            assert!(apart >= 20, "{:?}", neighbours[n]);
        }
    }
}

#[test]
fn long_and_strange_texts_are_read_quickly() {
    let texts = [
        "liver ".repeat(200_000),
        "\u{301}".repeat(500_000),
        "kidnyy livrr spleeeen ".repeat(50_000),
        "肝".repeat(300_000),
        "(".repeat(1_000_000),
        "left and right and ".repeat(50_000),
        "lesion or cyst in the ".repeat(50_000),
        "hepatic and ".repeat(50_000),
        "a".repeat(1_000_000),
        // Words that are all different, and near a name.
        (0..100_000_u32).fold(String::new(), |text, n| {
            let letter = |n: u32| char::from(b'a' + (n % 26) as u8);
            text + &[
                "sple",
                &String::from_iter([letter(n / 26), letter(n)]),
                "n",
                &letter(n / 676).to_string(),
                " ",
            ]
            .concat()
        }),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        let mentions = lexicon().mentions(&text);
        assert!(lexicon().get(&text).is_none());
        lexicon().nearest(&text, 3, &|_| true);
        assert!(
            start.elapsed().as_secs_f32() < 2.0,
            "{:?}…",
            text.chars().take(20).collect::<String>()
        );
        assert!(mentions.len() < 10_000);
    }
}

fn well_formed(text: &str, mentions: &[Mention]) {
    for mention in mentions {
        assert!(
            text.get(mention.bytes.clone())
                .is_some_and(|named| !named.is_empty())
        );
        assert!(!mention.terms().is_empty());
    }
    assert!(mentions.is_sorted_by_key(|m| m.bytes.start));
}

/// Text of words that mean something here, and of anything.
fn text() -> impl Strategy<Value = String> {
    let words = [
        "left",
        "right",
        "both",
        "L",
        "of",
        "in",
        "the",
        "and",
        ",",
        "(",
        ")",
        "kidney",
        "kidneys",
        "renal",
        "liver",
        "lesion",
        "stones",
        "enlarged",
        "effusion",
        "pleural",
        "upper",
        "lobe",
        "肾",
        "左",
        "结石",
        "的",
        "L3",
        "rib",
        "5",
        "kidny",
        "e\u{301}",
        "ß",
        "İ",
        "\u{ff2c}",
        "-",
        "'s",
        ".",
        "small",
        "on",
        "side",
        "heart",
        "bone window",
    ];
    let sentence = prop::collection::vec(
        (
            prop::sample::select(words.to_vec()),
            prop::bool::weighted(0.9),
        ),
        0..14,
    )
    .prop_map(|words| {
        words
            .iter()
            .flat_map(|(word, space)| [*word, if *space { " " } else { "" }])
            .collect::<String>()
    });
    prop_oneof![3 => sentence, 1 => any::<String>()]
}

proptest! {
    #[test]
    fn any_text_is_read(text in text()) {
        well_formed(&text, &lexicon().mentions(&text));
        lexicon().get(&text);
        lexicon().nearest(&text, 3, &|_| true);
    }

    #[test]
    fn case_does_not_matter(n in 0..2000_usize, upper in prop::collection::vec(any::<bool>(), 60)) {
        let terms = lexicon().terms();
        let term = &terms[n % terms.len()];
        let name: String = term.name().chars().zip(&upper)
            .map(|(c, &up)| if up { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
        prop_assert_eq!(lexicon().get(&name), Some(term));
    }

    #[test]
    fn one_wrong_letter_never_makes_another_term(n in 0..2000_usize, at in 0..40_usize, letter in prop::char::range('a', 'z')) {
        let terms = lexicon().terms();
        let term = &terms[n % terms.len()];
        let mut letters: Vec<char> = term.name().chars().collect();
        // The first letter of a word is believed, and short words are not corrected.
        let inner = |at: &usize| letters[at - 1..=*at].iter().all(char::is_ascii_lowercase);
        let places: Vec<usize> = (1..letters.len()).filter(inner).collect();
        if letters.len() < 9 || places.is_empty() {
            return Ok(());
        }
        let at = places[at % places.len()];
        letters[at] = letter;
        let typed: String = letters.into_iter().collect();
        // "ae" and "oe" are read as "e": a wrong letter that makes or breaks one is two.
        let ligatures = |name: &str| name.matches("ae").count() + name.matches("oe").count();
        if ligatures(&typed) != ligatures(term.name()) {
            return Ok(());
        }
        if let Some(found) = lexicon().get(&typed) {
            // Either what was meant, or letters that spell something else without a correction.
            let corrected = lexicon().mentions(&typed).iter().any(|m| m.read_as.is_some());
            prop_assert!(found == term || !corrected, "{typed:?} is read as {found}");
        }
    }
}
