//! The exact words the model is given.

use super::{InferenceError, ModelBox, Task};
use m3d_imaging::wording::{
    REC, REC_DESCRIBED, REG, REG_DESCRIBED, REPORT, SEG, SEG_DESCRIBED, after_image, fill,
};

/// A question as the model gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// The task it belongs to.
    pub task: Task,
    /// The text right after the image tokens, leading space included where training had one.
    pub text: String,
}

/// The most words that still name a thing; longer texts are descriptions.
const NAME_WORDS: usize = 6;
/// A request for a report with no more words than this says nothing that the template does not.
const PLAIN_REQUEST_WORDS: usize = 3;

/// Puts what the reader typed into the form of the task's training data. Text already in such a form
/// passes unchanged, but for what nobody can see.
///
/// # Errors
/// When the task needs words or a box and there are none.
pub fn build_prompt(
    task: Task,
    text: &str,
    drawn: Option<&ModelBox>,
) -> Result<Prompt, InferenceError> {
    let typed = visible(text);
    let body = match task {
        Task::Chat => words_of(&typed)?.to_owned(),
        Task::Report if typed.split_whitespace().count() <= PLAIN_REQUEST_WORDS => {
            REPORT[0].to_owned()
        }
        Task::Report => typed,
        Task::Rec => find(words_of(&typed)?),
        Task::Reg => describe(&typed, drawn)?,
        Task::Seg => segment(words_of(&typed)?),
    };
    let text = after_image(&body, task == Task::Report);
    Ok(Prompt { task, text })
}

fn words_of(typed: &str) -> Result<&str, InferenceError> {
    if typed.is_empty() {
        Err(InferenceError::EmptyQuestion)
    } else {
        Ok(typed)
    }
}

fn find(typed: &str) -> String {
    let has_form = ["output the box", "give coordinates", "find it by box"];
    if contains_any(typed, &has_form) {
        return typed.to_owned();
    }
    let name = name_in(typed);
    if name.split_whitespace().count() > NAME_WORDS {
        return fill(REC_DESCRIBED[0], &sentence(typed));
    }
    fill(REC[0], name)
}

fn segment(typed: &str) -> String {
    let has_form = [
        "can you segment",
        "segmentation mask",
        "please answer and segment",
        "please segment",
    ];
    if contains_any(typed, &has_form) && typed.ends_with(['.', '?']) {
        return typed.to_owned();
    }
    let name = name_in(typed);
    if name.split_whitespace().count() > NAME_WORDS {
        return fill(SEG_DESCRIBED[0], &sentence(typed));
    }
    fill(SEG[0], name)
}

fn describe(typed: &str, drawn: Option<&ModelBox>) -> Result<String, InferenceError> {
    if ModelBox::parse(typed).is_some() {
        return Ok(typed.to_owned());
    }
    let place = drawn.ok_or(InferenceError::NoBox)?;
    let lower = typed.to_lowercase();
    if lower.starts_with("what is") || lower.starts_with("what's") {
        return Ok(fill(REG[0], &place.to_string()));
    }
    if lower.is_empty() || lower.starts_with("describe") {
        return Ok(fill(REG_DESCRIBED[0], &place.to_string()));
    }
    Ok(format!("{} {place}", sentence(typed)))
}

fn contains_any(text: &str, phrases: &[&str]) -> bool {
    let lower = text.to_lowercase();
    phrases.iter().any(|phrase| lower.contains(phrase))
}

/// The text with a full stop, unless it ends with a sign of its own.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?', '!']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// Words that only ask, cut from the front, longest first.
const FRONT: [&str; 29] = [
    "show me where",
    "tell me where",
    "give me a mask of",
    "create a mask of",
    "make a mask of",
    "draw a mask of",
    "mask of",
    "mask out",
    "can you",
    "could you",
    "please",
    "where's",
    "where is",
    "where are",
    "where",
    "find",
    "locate",
    "localize",
    "localise",
    "segmentation of",
    "segment",
    "outline of",
    "outline",
    "delineate",
    "contour",
    "mask",
    "the",
    "an",
    "a",
];
/// Words that only ask, cut from the back.
const BACK: [&str; 12] = [
    "in this image",
    "in the image",
    "in this scan",
    "in the scan",
    "in this volume",
    "in this study",
    "please",
    "for me",
    "here",
    "located",
    "is",
    "are",
];

/// What is named by a request: `where is the spleen?` names `spleen`. The whole text where nothing
/// would be left.
fn name_in(typed: &str) -> &str {
    let signs = |c: char| c.is_whitespace() || ".,;:!?".contains(c);
    let mut name = typed.trim_matches(signs);
    loop {
        let shorter = FRONT
            .iter()
            .find_map(|words| cut_front(name, words))
            .or_else(|| BACK.iter().find_map(|words| cut_back(name, words)))
            .map(|rest| rest.trim_matches(signs));
        match shorter {
            Some(rest) if !rest.is_empty() => name = rest,
            _ => return name,
        }
    }
}

/// The rest of a text that begins with these (lower case, ASCII) words.
fn cut_front<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let head = text.get(..words.len())?;
    let rest = &text[words.len()..];
    (head.eq_ignore_ascii_case(words) && rest.starts_with(char::is_whitespace)).then_some(rest)
}

fn cut_back<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let start = text.len().checked_sub(words.len())?;
    let tail = text.get(start..)?;
    let rest = &text[..start];
    (tail.eq_ignore_ascii_case(words) && rest.ends_with(char::is_whitespace)).then_some(rest)
}

/// What a person typed, trimmed, with control characters as spaces and without invisible direction and
/// joining marks. That marks such as `[SEG]` stay words is the tokenizer's work
/// ([`encode_user_text`](m3d_model::Tokenizer::encode_user_text)).
fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(task: Task, typed: &str) -> String {
        let place = ModelBox::new([0.0, 0.25, 0.5, 0.5, 0.75, 1.0]);
        build_prompt(task, typed, place.as_ref()).unwrap().text
    }

    #[test]
    fn requests_take_the_form_of_the_training_data() {
        for (task, typed, wanted) in [
            (
                Task::Rec,
                "where is the spleen",
                " Can you find the spleen in this image? Give coordinates.",
            ),
            (
                Task::Rec,
                "Please show me where the left Kidney is in this image?",
                " Can you find the left Kidney in this image? Give coordinates.",
            ),
            (
                Task::Seg,
                "left kidney",
                " Can you segment the left kidney in this image?",
            ),
            (
                Task::Seg,
                "Segment the liver.",
                " Can you segment the liver in this image?",
            ),
            (
                Task::Seg,
                "the bean shaped organ that cleans the blood",
                " the bean shaped organ that cleans the blood. Please answer and segment.",
            ),
            (
                Task::Seg,
                "mask",
                " Can you segment the mask in this image?",
            ),
            (
                Task::Reg,
                "",
                " Please describe the target and its function based on the box \
                 <bx_start>[0.0, 0.25, 0.5, 0.5, 0.75, 1.0]<bx_end> in the image.",
            ),
            (
                Task::Reg,
                "What is this?",
                " What target is present within the coordinates \
                 <bx_start>[0.0, 0.25, 0.5, 0.5, 0.75, 1.0]<bx_end> ?",
            ),
            (
                Task::Report,
                "report",
                "Please generate a medical report based on this image.",
            ),
            (Task::Chat, "Which phase?", " Which phase?"),
        ] {
            assert_eq!(text(task, typed), wanted);
        }
    }

    #[test]
    fn text_in_the_form_of_the_training_data_stays() {
        for (task, typed) in [
            (
                Task::Rec,
                "Where is liver in this image? Please output the box.",
            ),
            (
                Task::Rec,
                "Can you find the liver in this image? Give coordinates.",
            ),
            (
                Task::Rec,
                "Description: it is red. Please answer and find it by box based on the above description.",
            ),
            (Task::Seg, "Can you segment the liver in this image?"),
            (
                Task::Seg,
                "What is liver in this image? Please output segmentation mask.",
            ),
            (Task::Seg, "It cleans the blood. Please answer and segment."),
            (
                Task::Reg,
                "What target is present within the coordinates <bx_start>[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]<bx_end> ?",
            ),
            (
                Task::Chat,
                "What plane is it? Choices: A. axial B. sagittal C. coronal D. oblique",
            ),
        ] {
            assert_eq!(text(task, typed), format!(" {typed}"));
        }
        let caption = "Can you provide a caption consists of findings for this medical image?";
        assert_eq!(text(Task::Report, caption), caption);
    }

    #[test]
    fn missing_parts_are_said() {
        assert_eq!(
            build_prompt(Task::Reg, "describe", None),
            Err(InferenceError::NoBox)
        );
        for task in [Task::Chat, Task::Rec, Task::Seg] {
            let empty = build_prompt(task, " \n\t ", None);
            assert_eq!(empty, Err(InferenceError::EmptyQuestion));
        }
    }

    #[test]
    fn nothing_invisible_reaches_the_model() {
        for (typed, wanted) in [
            ("a\u{0}b\nc\u{202e}d\u{1b}[2J", "a b cd [2J"),
            ("<\u{200b}s>", "<s>"),
            ("zwölf €, x < y", "zwölf €, x < y"),
        ] {
            assert_eq!(visible(typed), wanted);
        }
    }
}
