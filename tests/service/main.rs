//! The whole service, as its users run it: processes, sockets, a database file, a browser.
//!
//! A broker's tools or a browser that is missing is a failure. Deliberately absent: what one part does alone.

mod kill;
mod process;
