//! A world that emits reports and, beside them, the truth.
