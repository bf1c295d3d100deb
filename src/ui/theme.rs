//! Every colour and size of the window; those over images are in `render::overlay`.

use egui::{Color32, CornerRadius, FontId, Stroke, Visuals};

use crate::app::FindingColour;

/// Behind images.
pub const VIEW_BACKGROUND: Color32 = Color32::BLACK;
/// The frame of the active view.
pub const ACCENT: Color32 = Color32::from_rgb(86, 156, 214);
/// The box the reader draws.
pub const REGION: Color32 = Color32::from_rgb(255, 196, 61);
/// Errors.
pub const ERROR: Color32 = Color32::from_rgb(240, 106, 96);
/// Warnings, and the research notice.
pub const WARNING: Color32 = Color32::from_rgb(232, 178, 92);
/// Quiet text in panels.
pub const FAINT: Color32 = Color32::from_rgb(140, 150, 160);

const PANEL: Color32 = Color32::from_rgb(27, 30, 34);
const CARD: Color32 = Color32::from_rgb(36, 40, 45);
const FIELD: Color32 = Color32::from_rgb(18, 20, 23);

/// The background of the 3-D view, as red, green and blue from 0 to 1.
pub const VOLUME_BACKGROUND: [f32; 3] = [0.035, 0.04, 0.05];

/// The colour of a finding.
pub const fn finding_colour(colour: FindingColour) -> Color32 {
    let [r, g, b] = colour.rgb();
    Color32::from_rgb(r, g, b)
}

/// Red, green and blue from 0 to 1.
pub fn rgb(colour: Color32) -> [f32; 3] {
    [colour.r(), colour.g(), colour.b()].map(|c| f32::from(c) / 255.0)
}

/// The frame of a card.
pub fn card() -> egui::Frame {
    egui::Frame::new()
        .fill(CARD)
        .corner_radius(CornerRadius::same(6))
        .inner_margin(8)
}

/// Dresses the window.
pub fn apply(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    let mut visuals = Visuals::dark();
    visuals.panel_fill = PANEL;
    visuals.window_fill = PANEL;
    visuals.extreme_bg_color = FIELD;
    visuals.selection.bg_fill = Color32::from_rgb(45, 88, 124);
    visuals.selection.stroke = Stroke::new(1.0, Color32::WHITE);
    visuals.hyperlink_color = ACCENT;
    visuals.widgets.noninteractive.fg_stroke.color = Color32::from_rgb(200, 206, 212);
    visuals.widgets.noninteractive.bg_stroke.color = Color32::from_rgb(48, 53, 59);
    ctx.set_visuals_of(egui::Theme::Dark, visuals);
    ctx.all_styles_mut(|style| {
        let small = FontId::proportional(11.5);
        style.text_styles.insert(egui::TextStyle::Small, small);
        // Lists say that they go on.
        style.spacing.scroll = egui::style::ScrollStyle::thin();
        style.spacing.scroll.floating = false;
        style.spacing.item_spacing = egui::vec2(6.0, 5.0);
        style.spacing.button_padding = egui::vec2(7.0, 3.0);
        style.interaction.tooltip_delay = 0.4;
    });
}
