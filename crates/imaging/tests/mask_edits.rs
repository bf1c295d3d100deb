//! Corrections of masks, against SimpleITK on a real PET image, and by what must hold on any grid.

#[path = "mask_edits/goldens.rs"]
mod goldens;
#[path = "mask_edits/hand.rs"]
mod hand;
#[path = "mask_edits/laws.rs"]
mod laws;
