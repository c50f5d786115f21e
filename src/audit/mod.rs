//! Turns decisions into lines of a chain that shows every gap.
