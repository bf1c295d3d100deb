//! What the reader should know: errors, warnings and good news, until dismissed or no longer so.

use super::StudyId;

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
    /// What it is about, if it stays until that is no longer so; it cannot be dismissed.
    pub stays: Option<Topic>,
}

/// What a notice that stays is about: there is one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The reader's work cannot be saved.
    Saving,
    /// A study cannot be changed here.
    ReadOnly(StudyId),
}

/// The notices on screen, oldest first.
#[derive(Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
}

impl Notices {
    /// The most that are kept beside those that stay; the oldest leave first.
    const MOST: usize = 6;

    /// Shows a notice; the same text is not shown twice.
    pub fn add(&mut self, kind: NoticeKind, text: impl Into<String>) {
        let notice = Notice {
            kind,
            text: text.into(),
            stays: None,
        };
        self.list.retain(|n| *n != notice);
        self.list.push(notice);
        let passing = self.list.iter().filter(|n| n.stays.is_none());
        if passing.count() > Self::MOST
            && let Some(oldest) = self.list.iter().position(|n| n.stays.is_none())
        {
            self.list.remove(oldest);
        }
    }

    /// Shows a notice until [`Self::settle`] takes it away; it replaces the one of its topic.
    pub fn stay(&mut self, topic: Topic, kind: NoticeKind, text: impl Into<String>) {
        let notice = Notice {
            kind,
            text: text.into(),
            stays: Some(topic),
        };
        let known = self.list.iter_mut().find(|n| n.stays == notice.stays);
        match known {
            Some(known) => *known = notice,
            None => self.list.push(notice),
        }
    }

    /// Takes the notice of a topic away: it is no longer so.
    pub fn settle(&mut self, topic: &Topic) {
        self.list.retain(|n| n.stays.as_ref() != Some(topic));
    }

    /// Those on screen, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.list.iter()
    }

    /// Takes all away that do not stay: the reader has gone on to something else.
    pub fn clear(&mut self) {
        self.list.retain(|n| n.stays.is_some());
    }

    /// Takes one away, unless it stays.
    pub fn dismiss(&mut self, index: usize) {
        if self.list.get(index).is_some_and(|n| n.stays.is_none()) {
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

    #[test]
    fn what_is_still_so_stays_whatever_is_done() {
        let mut notices = Notices::default();
        notices.stay(Topic::Saving, NoticeKind::Error, "the disk is full");
        for n in 0..20 {
            notices.add(NoticeKind::Info, format!("{n}"));
        }
        notices.clear();
        notices.dismiss(0);
        notices.stay(Topic::Saving, NoticeKind::Error, "the disk is gone");
        let texts: Vec<&str> = notices.iter().map(|n| n.text.as_str()).collect();
        assert_eq!(texts, ["the disk is gone"]);
        notices.settle(&Topic::Saving);
        assert_eq!(notices.iter().count(), 0);
    }
}
