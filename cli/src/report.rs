//! A report: who vanishes, when, why, and how much never arrived.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`text`], [`html`], [`json`] | the report for a terminal, as a page, for programs (CSV too) |
//! | [`numbers`] | numbers, bytes and shares as people read them |
//! | [`tally`] | everything that is counted |
//! | [`timeline`] | events by time, in bounded memory |
//! | [`sketch`] | the most frequent of many, in bounded memory |

pub mod html;
pub mod json;
mod numbers;
mod sketch;
mod tally;
pub mod text;
mod timeline;

pub use tally::{Selection, Tally};
