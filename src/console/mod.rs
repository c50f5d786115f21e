//! How officers reach the running gate: the control socket.
