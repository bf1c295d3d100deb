//! Questions about images that are prepared already, in words that are final: how models are measured.

use super::answer::{Answer, Request};
use super::{InferenceError, Preparation, Prompt, Session, Task};

/// An answer with what a measurement needs beside it.
#[derive(Clone, Debug)]
pub struct PreparedAnswer {
    /// The answer.
    pub answer: Answer,
    /// The mask's logits on the prepared image, `[D,H,W]`, where the model gave a mask.
    pub logits: Option<Vec<f32>>,
}

impl Session {
    /// Answers a request whose volume is a prepared image (0 to 1, its grid's `k, j, i` being depth, height, width) and
    /// whose text is the question as the model is to get it. Only the space before it is added, which every task but a
    /// report has. The box and the window do not matter.
    ///
    /// Everything after that is as in [`Session::ask`]: the image is encoded once for all its questions.
    ///
    /// # Errors
    /// When it was cancelled, the question does not fit, or the model fails.
    pub fn ask_prepared(
        &mut self,
        request: &Request,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<PreparedAnswer, InferenceError> {
        let task = request.task;
        let text = request.text.trim();
        if text.is_empty() {
            return Err(InferenceError::EmptyQuestion);
        }
        let space = if task == Task::Report { "" } else { " " };
        let prompt = Prompt {
            task,
            text: format!("{space}{text}"),
        };
        let words = |_: Option<&_>| Ok(prompt.clone());
        self.answer_as(request, Preparation::Done, &words, &mut |_| {}, cancelled)
    }
}
