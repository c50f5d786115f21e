//! Turns configuration and rule files into settings, or into a sentence that says what to write instead.
