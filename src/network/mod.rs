//! What every HTTP client of this program trusts and through which proxy it goes.
//!
//! In: environment and `--ca-bundle`. Out: certificate authorities and ready clients. Never talks to anybody itself.
