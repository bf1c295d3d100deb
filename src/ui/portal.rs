//! Whether the system can open file dialogs.

/// Whether there is someone to open the system's file dialogs. On Linux that is the desktop portal: without it, as on
/// many remote desktops, a dialog that was asked for never comes and looks like one that was cancelled.
///
/// Asks the session bus, which may take a while: not for the window's thread.
#[cfg(target_os = "linux")]
pub fn has_file_dialogs() -> bool {
    file_chooser_version().is_ok()
}

/// Whether there is someone to open the system's file dialogs.
#[cfg(not(target_os = "linux"))]
pub const fn has_file_dialogs() -> bool {
    true
}

/// The version of the portal's file chooser (org.freedesktop.portal.FileChooser); an error where no portal runs and none
/// can be started, or it has no backend for files.
#[cfg(target_os = "linux")]
fn file_chooser_version() -> zbus::Result<u32> {
    const NAME: &str = "org.freedesktop.portal.Desktop";
    const PATH: &str = "/org/freedesktop/portal/desktop";
    const INTERFACE: &str = "org.freedesktop.portal.FileChooser";
    let bus = zbus::blocking::Connection::session()?;
    let portal = zbus::blocking::Proxy::new(&bus, NAME, PATH, INTERFACE)?;
    portal.get_property("version")
}
