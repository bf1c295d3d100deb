//! One click of a wheel is one event.
//!
//! An X server without smooth scrolling, as behind VNC, tells a click of the wheel as a button (4 to 7) that goes down and
//! comes up; winit 0.30 makes a wheel event of both. Smooth scrolling tells no buttons of its own (they are marked as
//! emulated, and winit leaves them out), so that what follows the release of such a button is one event too many.

use std::cell::Cell;
use std::rc::Rc;

use eframe::{EframeWinitApplication, UserEvent};
use winit::application::ApplicationHandler;
use winit::event::{
    DeviceEvent, DeviceId, ElementState, MouseScrollDelta, StartCause, WindowEvent,
};
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::window::WindowId;

/// Which wheel event belongs to the release of a button.
#[derive(Debug, Default)]
struct Releases {
    /// Of the buttons 4 to 7, whether the last news was that it came up.
    released: [bool; 4],
}

impl Releases {
    fn hear(&mut self, event: &DeviceEvent) {
        if let DeviceEvent::Button { button, state } = event
            && let Some(slot) = usize::try_from(*button)
                .ok()
                .and_then(|button| self.released.get_mut(button.wrapping_sub(4)))
        {
            *slot = *state == ElementState::Released;
        }
    }

    /// Whether a wheel event comes of a release, and is to be left out.
    fn takes(&mut self, delta: MouseScrollDelta) -> bool {
        let button = match delta {
            MouseScrollDelta::LineDelta(0.0, 1.0) => 0,
            MouseScrollDelta::LineDelta(0.0, -1.0) => 1,
            MouseScrollDelta::LineDelta(1.0, 0.0) => 2,
            MouseScrollDelta::LineDelta(-1.0, 0.0) => 3,
            _ => return false,
        };
        std::mem::take(&mut self.released[button])
    }
}

struct OneEventAClick<'a> {
    inner: EframeWinitApplication<'a>,
    releases: Releases,
}

/// Runs a window of eframe whose wheel tells each click once.
///
/// # Errors
/// When there is no display, or the window cannot be made.
pub fn run<'a>(
    name: &str,
    options: eframe::NativeOptions,
    create: eframe::AppCreator<'a>,
) -> eframe::Result {
    let event_loop = EventLoop::<UserEvent>::with_user_event().build()?;
    let created = Rc::new(Cell::new(false));
    let noted = Rc::clone(&created);
    let create: eframe::AppCreator<'a> = Box::new(move |context| {
        noted.set(true);
        create(context)
    });
    let inner = eframe::create_native(name, options, create, &event_loop);
    let mut application = OneEventAClick {
        inner,
        releases: Releases::default(),
    };
    event_loop.run_app(&mut application)?;
    if created.get() {
        return Ok(());
    }
    let text = "the window could not be made: no graphics adapter on this machine can draw it (a software one will do, \
                such as Mesa's)";
    Err(eframe::Error::AppCreation(text.into()))
}

impl ApplicationHandler<UserEvent> for OneEventAClick<'_> {
    fn window_event(&mut self, event_loop: &ActiveEventLoop, id: WindowId, event: WindowEvent) {
        if let WindowEvent::MouseWheel { delta, .. } = &event
            && self.releases.takes(*delta)
        {
            return;
        }
        self.inner.window_event(event_loop, id, event);
    }

    fn device_event(&mut self, event_loop: &ActiveEventLoop, id: DeviceId, event: DeviceEvent) {
        self.releases.hear(&event);
        self.inner.device_event(event_loop, id, event);
    }

    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        self.inner.resumed(event_loop);
    }

    fn new_events(&mut self, event_loop: &ActiveEventLoop, cause: StartCause) {
        self.inner.new_events(event_loop, cause);
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, event: UserEvent) {
        self.inner.user_event(event_loop, event);
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        self.inner.about_to_wait(event_loop);
    }

    fn suspended(&mut self, event_loop: &ActiveEventLoop) {
        self.inner.suspended(event_loop);
    }

    fn exiting(&mut self, event_loop: &ActiveEventLoop) {
        self.inner.exiting(event_loop);
    }

    fn memory_warning(&mut self, event_loop: &ActiveEventLoop) {
        self.inner.memory_warning(event_loop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn button(button: u32, state: ElementState) -> DeviceEvent {
        DeviceEvent::Button { button, state }
    }

    #[test]
    fn buttons_give_one_event_a_click() {
        let mut releases = Releases::default();
        let mut passed = 0;
        for (number, delta) in [(4, 1.0), (4, 1.0), (5, -1.0), (4, 1.0)] {
            for state in [ElementState::Pressed, ElementState::Released] {
                releases.hear(&button(number, state));
                passed += i32::from(!releases.takes(MouseScrollDelta::LineDelta(0.0, delta)));
            }
        }
        assert_eq!(passed, 4);
    }

    #[test]
    fn smooth_scrolling_and_other_buttons_lose_nothing() {
        let mut releases = Releases::default();
        for state in [ElementState::Pressed, ElementState::Released] {
            releases.hear(&button(1, state));
            releases.hear(&button(0, state));
            releases.hear(&button(8, state));
        }
        let clicks = [0.5, 1.0, 1.0, -1.0, -1.0, 0.25];
        let lost = clicks.map(|delta| releases.takes(MouseScrollDelta::LineDelta(0.0, delta)));
        assert_eq!(lost, [false; 6]);
    }
}
