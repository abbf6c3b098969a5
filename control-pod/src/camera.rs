//! Cameras: from the array of an area detector to pictures that a browser shows (contract §2.11).
//!
//! Data flows one way: PVs → [`source`] (one per selection of PVs: what the array is now) →
//! [`stream`] (one per way of showing it: rendered once, shared by all who look) → the sockets.
//! The steps of a rendering are plain functions over plain data: [`geometry`], [`unpack`],
//! [`samples`], [`yuv`], [`normalise`], [`arrange`], [`downscale`], [`encode`], one after the other in
//! [`render`].

pub(crate) mod arrange;
pub(crate) mod cameras;
pub(crate) mod color_mode;
pub(crate) mod description;
pub(crate) mod downscale;
pub(crate) mod encode;
pub(crate) mod geometry;
pub(crate) mod normalise;
pub(crate) mod pixel_type;
pub(crate) mod render;
pub(crate) mod samples;
pub(crate) mod selection;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod unpack;
pub(crate) mod wishes;
pub(crate) mod yuv;

pub(crate) use cameras::Cameras;
