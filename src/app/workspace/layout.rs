//! How the views share the window: a tree of splits with views at its leaves.

use serde::{Deserialize, Serialize};

use super::{ViewId, ViewKind};

/// Which way a split puts its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Side by side, left to right.
    Row,
    /// One below the other.
    Column,
}

/// A part of the window: one leaf, or parts beside each other with their shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree<L> {
    /// One view.
    Leaf(L),
    /// Several parts.
    Split {
        /// Which way.
        direction: Direction,
        /// The parts, each with its share of the room; shares are positive and count relative to each other.
        parts: Vec<(f32, Tree<L>)>,
    },
}

impl<L> Tree<L> {
    fn split(direction: Direction, parts: impl IntoIterator<Item = Self>) -> Self {
        let parts = parts.into_iter().map(|part| (1.0, part)).collect();
        Self::Split { direction, parts }
    }

    /// The leaves, in reading order.
    pub fn leaves(&self) -> Vec<&L> {
        match self {
            Self::Leaf(leaf) => vec![leaf],
            Self::Split { parts, .. } => parts.iter().flat_map(|(_, part)| part.leaves()).collect(),
        }
    }

    /// The same tree with other leaves.
    pub fn map<M>(&self, leaf: &mut impl FnMut(&L) -> M) -> Tree<M> {
        match self {
            Self::Leaf(l) => Tree::Leaf(leaf(l)),
            Self::Split { direction, parts } => Tree::Split {
                direction: *direction,
                parts: parts
                    .iter()
                    .map(|(share, part)| (*share, part.map(leaf)))
                    .collect(),
            },
        }
    }
}

/// What is on screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// The tree.
    pub tree: Tree<ViewId>,
    /// The view that has the whole room for now.
    pub maximised: Option<ViewId>,
}

impl Layout {
    /// The views on screen.
    pub fn shown(&self) -> Vec<ViewId> {
        match self.maximised {
            Some(view) => vec![view],
            None => self.tree.leaves().into_iter().copied().collect(),
        }
    }
}

/// A layout without its images: what is chosen from a menu, and saved by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedLayout {
    /// What the reader calls it.
    pub name: String,
    /// What kind of view goes where.
    pub tree: Tree<ViewKind>,
    /// Whether all views show one image, as the planes and the volume of one series do; else views without
    /// an image stay empty until the reader gives them one.
    pub one_image: bool,
}

/// The layouts every reader has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StandardLayout {
    /// One view.
    One,
    /// One large view, the three others of its image in a column beside it.
    OneAndThree,
    /// The three planes and the volume of one image.
    TwoByTwo,
    /// Two side by side.
    OneByTwo,
    /// Two rows of three.
    TwoByThree,
}

impl StandardLayout {
    /// All, in the order of the menu.
    pub const ALL: [Self; 5] = [
        Self::One,
        Self::OneAndThree,
        Self::TwoByTwo,
        Self::OneByTwo,
        Self::TwoByThree,
    ];

    /// The name in the menu.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::OneAndThree => "1+3",
            Self::TwoByTwo => "2x2",
            Self::OneByTwo => "1x2",
            Self::TwoByThree => "2x3",
        }
    }

    /// The layout, with `front` large or first.
    pub fn layout(self, front: ViewKind) -> NamedLayout {
        let leaf = Tree::Leaf;
        let row = |count: usize| Tree::split(Direction::Row, vec![leaf(front); count]);
        let tree = match self {
            Self::One => leaf(front),
            Self::OneAndThree => {
                let others = ViewKind::ALL.into_iter().filter(|kind| *kind != front);
                Tree::Split {
                    direction: Direction::Row,
                    parts: vec![
                        (0.7, leaf(front)),
                        (0.3, Tree::split(Direction::Column, others.map(leaf))),
                    ],
                }
            }
            Self::TwoByTwo => {
                let [a, b, c, d] = ViewKind::ALL.map(leaf);
                let column = |parts| Tree::split(Direction::Column, parts);
                Tree::split(Direction::Row, [column([a, c]), column([b, d])])
            }
            Self::OneByTwo => row(2),
            Self::TwoByThree => Tree::split(Direction::Column, [row(3), row(3)]),
        };
        NamedLayout {
            name: self.name().to_owned(),
            tree,
            one_image: matches!(self, Self::One | Self::OneAndThree | Self::TwoByTwo),
        }
    }
}
