//! Names of codecs.

use mp4_atom::{Decode, Mp4a};

use super::boxes;

/// The name of a codec of pictures, by the four characters of the file.
pub(super) fn picture(kind: [u8; 4]) -> String {
    match &kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => "h264".to_owned(),
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "hevc".to_owned(),
        b"av01" | b"dav1" => "av1".to_owned(),
        b"vp09" => "vp9".to_owned(),
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "prores".to_owned(),
        _ => boxes::name(kind),
    }
}

/// The name of a codec of sound, by the four characters and the description (`entry`, with its header) in the file.
pub(super) fn sound(kind: [u8; 4], entry: &[u8]) -> String {
    /// The numbers of MPEG-1 and MPEG-2 sound in ISO/IEC 14496-1.
    const MP3: [u8; 2] = [0x69, 0x6B];
    match &kind {
        // The four characters say MPEG-4; the number inside tells which of its family it is.
        b"mp4a" => match Mp4a::decode(&mut &*entry) {
            Ok(mp4a) if MP3.contains(&mp4a.esds.es_desc.dec_config.object_type_indication) => {
                "mp3".to_owned()
            }
            _ => "aac".to_owned(),
        },
        b"Opus" => "opus".to_owned(),
        b".mp3" => "mp3".to_owned(),
        _ => boxes::name(kind),
    }
}
