//! The words between people and the model: the forms of questions and answers, and how boxes are written.
//!
//! The first forms of each family are those of the published model's training, and the very first is the one
//! that a reader's words are put into; the others are our own wording of the same kind, for training. `{}`
//! stands for the name, the description or the box. Texts carry no leading space: [`after_image`] puts it.

mod model_box;

pub use model_box::{ModelBox, three_decimals};

/// Requests for a report.
pub const REPORT: &[&str] = &[
    "Please generate a medical report based on this image.",
    "Can you provide a caption consists of findings for this medical image?",
    "What are the findings in this image?",
    "Please describe this medical scan.",
    "Write the radiology report of this image.",
    "Can you summarize what is seen in this image?",
];
/// Text to box, by name.
pub const REC: &[&str] = &[
    "Can you find the {} in this image? Give coordinates.",
    "Where is {} in this image? Please output the box.",
    "Please output the box of {} in this image.",
    "Locate the {} in this image and give coordinates.",
    "Is there {} in this image? If so, please output the box.",
];
/// Text to box, by description.
pub const REC_DESCRIBED: &[&str] = &[
    "Description: {} Please answer and find it by box based on the above description.",
    "Definition: {} Please answer and output the box of what is defined.",
    "{} Which target fits this? Please answer and find it by box.",
];
/// Answers of a box.
pub const REC_ANSWER: &[&str] = &[
    "Coordinates are {}.",
    "Sure, it is {}.",
    "Sure, coordinates are {}.",
    "The box is {}.",
];
/// Answers of a name and a box.
pub const REC_DESCRIBED_ANSWER: &[&str] = &[
    "The target is {} and the coordinates is {}.",
    "It is {} and the box is {}.",
];
/// Box to name.
pub const REG: &[&str] = &[
    "What target is present within the coordinates {} ?",
    "Does the box {} contain a target? If so, which?",
    "What can be seen within the box {} ?",
    "Please name the target in the coordinates {} .",
];
/// Box to name and description.
pub const REG_DESCRIBED: &[&str] = &[
    "Please describe the target and its function based on the box {} in the image.",
    "What is within the coordinates {} and what does it do?",
    "Name and explain the target in the box {} .",
];
/// Answers of a name.
pub const REG_ANSWER: &[&str] = &[
    "The target is {}.",
    "Sure, it is {}.",
    "It is {}.",
    "The box contains {}.",
];
/// Mask by name.
pub const SEG: &[&str] = &[
    "Can you segment the {} in this image?",
    "What is {} in this image? Please output segmentation mask.",
    "Please segment the {} in this image.",
    "Can you segment {} in this image? Please output the mask.",
    "Please output the segmentation mask of {} in this image.",
];
/// Mask by description.
pub const SEG_DESCRIBED: &[&str] = &[
    "{} Please answer and segment.",
    "Description: {} Please answer and segment based on the above description.",
    "Definition: {} Please answer and output segmentation mask.",
];
/// Answers of a mask.
pub const SEG_ANSWER: &[&str] = &[
    "It is [SEG].",
    "Sure, it is [SEG].",
    "Sure, the mask is [SEG].",
    "The segmentation mask is [SEG].",
];
/// Answers of a name and a mask.
pub const SEG_DESCRIBED_ANSWER: &[&str] = &[
    "The target is {} and the segmentation mask is [SEG].",
    "It is {} and the mask is [SEG].",
];
/// The answer where there is nothing to show.
pub const REFUSAL: &str = "Sorry, there is no {}.";

/// A form with its gap filled.
pub fn fill(form: &str, with: &str) -> String {
    form.replacen("{}", with, 1)
}

/// A form with two gaps, filled in order.
pub fn fill_two(form: &str, first: &str, second: &str) -> String {
    match form.split_once("{}") {
        Some((before, after)) => format!("{before}{first}{}", fill(after, second)),
        None => form.to_owned(),
    }
}

/// A question with four choices (closed VQA). The open question is asked as it is.
pub fn closed_question(question: &str, [a, b, c, d]: &[String; 4]) -> String {
    format!("{question} Choices: A. {a} B. {b} C. {c} D. {d}")
}

/// The answer to a question with choices: the letter and the words.
pub fn closed_answer(letter: char, answer: &str) -> String {
    format!("{letter}. {answer}")
}

/// The text right after the image's tokens: requests for a report were trained without a space between
/// image and question, everything else with one.
pub fn after_image(body: &str, report: bool) -> String {
    if report {
        body.to_owned()
    } else {
        format!(" {body}")
    }
}

/// An answer as people write it: without the spaces that a tokenizer sets around `[SEG]`.
pub fn readable(answer: &str) -> String {
    let answer = answer.replace("  [SEG]", " [SEG]");
    [".", ","].into_iter().fold(answer, |answer, mark| {
        answer.replace(&format!("[SEG] {mark}"), &format!("[SEG]{mark}"))
    })
}

/// A text with its first letter as a capital.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// DICOM's YYYYMMDD (PS3.5 6.2, DA) as YYYY-MM-DD; anything else as it is.
pub fn readable_date(date: &str) -> String {
    if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) {
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
    } else {
        date.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_lose_the_spaces_around_marks() {
        assert_eq!(readable("Sure, it is  [SEG] ."), "Sure, it is [SEG].");
        assert_eq!(readable("[SEG] , the liver."), "[SEG], the liver.");
        assert_eq!(readable("No  mark ."), "No  mark .");
    }

    #[test]
    fn gaps_are_filled_once_and_in_order() {
        assert_eq!(fill("a {} b", "{}"), "a {} b");
        assert_eq!(fill_two("{} at {}.", "x {}", "y"), "x {} at y.");
        assert_eq!(fill_two("none", "x", "y"), "none");
    }

    #[test]
    fn dates_are_readable() {
        assert_eq!(readable_date("20221208"), "2022-12-08");
        assert_eq!(readable_date("Dec 8"), "Dec 8");
    }
}
