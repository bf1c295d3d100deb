//! Fonts of the system for letters that the window's own fonts lack. Where no font has a letter, egui draws a box.

use std::sync::Arc;

use egui::epaint::text::{
    FallbackRequest, FontData, FontInsert, FontPriority, FontProvider, InsertFontFamily,
};

use crate::render::{SystemFonts, TEXT_FACE};

/// The fonts of the system, as egui asks for them.
#[derive(Debug)]
struct Fallback(Arc<SystemFonts>);

/// Looks for fonts in the background, and lets egui ask for one where it lacks a letter.
pub fn install(ctx: &egui::Context) {
    ctx.add_font(FontInsert::new(
        "Roboto",
        FontData::from_static(TEXT_FACE),
        vec![InsertFontFamily {
            family: egui::FontFamily::Proportional,
            priority: FontPriority::Highest,
        }],
    ));
    let fonts = Arc::new(SystemFonts::default());
    let found = Arc::clone(&fonts);
    let thread = std::thread::Builder::new().name("fonts".into());
    if let Err(error) = thread.spawn(move || found.look()) {
        // They are looked for when the first letter lacks.
        tracing::debug!("no thread to look for fonts: {error}");
    }
    ctx.add_font_provider(Arc::new(Fallback(fonts)));
}

impl FontProvider for Fallback {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        let letter = request.cluster.chars().next()?;
        let font = self.0.with(letter)?;
        let mut data = FontData::from_owned(font.bytes);
        data.index = font.index;
        Some(FontInsert {
            name: font.name,
            data,
            families: Vec::new(),
        })
    }
}
