//! The dispatcher over real connections, against receivers that answer well, badly or not at all.

mod call;
mod egress;
mod receiver;
mod signing;
