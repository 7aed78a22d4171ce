//! Offline tests: structure of the code, and the program driven with a scrubbed environment.

mod layering;
