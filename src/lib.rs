//! m3d-viewer: a viewer for 3-D medical images with an assistant inside.
