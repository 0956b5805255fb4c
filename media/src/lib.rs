//! What a picture or video file is, by its content, and how it is made fit for a network.
//!
//! Pure: bytes or a seekable reader in, facts or bytes out. No network, no clock, no names of files. Every function
//! has limits of memory and pixels, since the files come from strangers.
