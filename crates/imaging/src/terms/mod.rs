//! The lexicon: what readers call the parts of the body and what can be wrong with them.
//!
//! # What it holds
//! A [`Term`] is one thing that has a name. Single structures ("liver", "left kidney", "L3 vertebra") know their side, the
//! heights along the body between which they usually lie, a colour and, where PS3.16 prints one, a code. Groups
//! ("kidney", "rib", "abdominal organ") have members; a name without a side is the group of both sides. Findings
//! ("kidney stone", "left pleural effusion") know the organ they lie in. A kind of finding and an organ make a finding:
//! "lesion" and "pancreas" is "pancreas lesion", made when it is first asked for and kept.
//!
//! # How text is read
//! [`Lexicon::mentions`] finds the terms of a question: words are folded (case, accents, full width, British and American
//! spelling), the longest name wins, small misspellings of words that are neither known nor ordinary are corrected where
//! only one term comes of it, and then a small grammar joins sides ("kidney on the left side", "both kidneys") and
//! findings with their organs ("hepatic lesion", "stones in the left kidney"). Chinese is read without spaces. The work
//! grows with the text's length and stops after some thousand characters.
//!
//! The tables are `assets/terms/*.tsv`; `assets/terms/NOTICE.md` says what is in their columns.
//!
//! # Layers
//! `lexicon` owns all. Its tables are read by `table` and `names` and made into terms by `build`; a text goes through `fold`
//! (words), `scan` (names, by `phrases` and `spelling`), `reader` (sides) and `grammar` (findings in organs).

mod build;
mod fold;
mod grammar;
mod lexicon;
mod mention;
mod names;
mod nearest;
mod phrases;
mod reader;
mod scan;
mod spelling;
mod table;
mod term;
mod words;

pub use fold::is_ideograph;
pub use lexicon::Lexicon;
pub use mention::Mention;
pub use spelling::edits;
pub use term::{Code, Kind, Side, Term};
