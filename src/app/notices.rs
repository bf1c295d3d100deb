//! What the reader should know: errors, warnings and good news, until dismissed.

/// How grave a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something was done.
    Info,
    /// Something is shown that is not quite what the file says.
    Warning,
    /// Something failed.
    Error,
}

/// One line for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How grave it is.
    pub kind: NoticeKind,
    /// What happened, where, and what to do next.
    pub text: String,
}

/// The notices on screen, oldest first.
#[derive(Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
}

impl Notices {
    /// The most that are kept; the oldest leave first.
    const MOST: usize = 6;

    /// Shows a notice; the same text is not shown twice.
    pub fn add(&mut self, kind: NoticeKind, text: impl Into<String>) {
        let notice = Notice {
            kind,
            text: text.into(),
        };
        self.list.retain(|n| *n != notice);
        self.list.push(notice);
        if self.list.len() > Self::MOST {
            self.list.remove(0);
        }
    }

    /// Those on screen, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.list.iter()
    }

    /// Takes all away: the reader has gone on to something else.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Takes one away.
    pub fn dismiss(&mut self, index: usize) {
        if index < self.list.len() {
            self.list.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_shown_once_and_the_list_is_bounded() {
        let mut notices = Notices::default();
        for n in 0..20 {
            notices.add(NoticeKind::Error, format!("{}", n % 10));
        }
        assert_eq!(notices.iter().count(), Notices::MOST);
        notices.add(NoticeKind::Error, "9");
        assert_eq!(notices.iter().filter(|n| n.text == "9").count(), 1);
        notices.dismiss(99);
    }
}
