//! Which panels stand beside the views.

use serde::{Deserialize, Serialize};

/// What the panel to the right of the views shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkTab {
    /// Masks, boxes and measurements, and how they are shown.
    Findings,
    /// Questions and answers.
    #[default]
    Assistant,
    /// The report.
    Report,
}

impl WorkTab {
    /// All, in the order of the tabs.
    pub const ALL: [Self; 3] = [Self::Findings, Self::Assistant, Self::Report];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Findings => "Findings",
            Self::Assistant => "Assistant",
            Self::Report => "Report",
        }
    }
}

/// The panels that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Panels {
    /// The list of series, to the left; where the reader has not said, it is shown in a wide window.
    pub study: Option<bool>,
    /// Findings, assistant and report, to the right.
    pub work: bool,
    /// What the panel to the right shows.
    pub tab: WorkTab,
}

impl Default for Panels {
    fn default() -> Self {
        Self {
            study: None,
            work: true,
            tab: WorkTab::default(),
        }
    }
}

impl Panels {
    /// Whether the list of series is shown in a window that has room for two panels, or has not.
    pub fn shows_study(&self, is_wide: bool) -> bool {
        self.study.unwrap_or(is_wide)
    }
}
