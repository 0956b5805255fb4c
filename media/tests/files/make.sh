#!/bin/sh
# Makes the files beside it anew: needs ffmpeg (with x264, x265, aom, vpx) and a Python with Pillow as $PYTHON.
# The bytes differ between versions of those programs; what the tests say about the files does not.
set -eu
cd "$(dirname "$0")"

"${PYTHON:-python3}" make.py

picture="-f lavfi -i testsrc2=size=64x36:rate=10:duration=2"
sound="-f lavfi -i sine=frequency=440:sample_rate=8000:duration=2"
h264="-c:v libx264 -preset veryslow -crf 40 -pix_fmt yuv420p -x264-params keyint=10:scenecut=0"
aac="-c:a aac -b:a 8k"
make() { ffmpeg -v error -y -bitexact "$@" -fflags +bitexact -flags:v +bitexact; }

make $picture $sound $h264 $aac index-end.mp4
make -i index-end.mp4 -c copy -movflags +faststart index-front.mp4
make $picture $h264 silent.mp4
make $picture $sound $h264 $aac -f mov quicktime.mov
make $picture -c:v prores_ks -profile:v 0 -frames:v 3 -vf scale=32:16 prores.mov
make $picture -c:v libx265 -x265-params log-level=none:crf=40 -tag:v hvc1 hevc.mp4
make $picture -c:v libaom-av1 -cpu-used 8 -crf 60 -b:v 0 -frames:v 5 av1.mp4
make $picture -c:v libvpx-vp9 -crf 60 -b:v 0 -frames:v 5 vp9.mp4
make $picture $sound $h264 -c:a libmp3lame -ar 44100 -b:a 32k mp3.mp4
make $picture $sound $h264 -c:a libopus -ar 48000 -b:a 8k opus.mp4
# ffmpeg 5 turns the other way round than it is told; its player shows these turned clockwise by what their names say.
for degrees in 90 180 270; do
    make -i silent.mp4 -c copy -metadata:s:v:0 rotate=$((360 - degrees)) rotated-$degrees.mp4
done
make $picture $sound $h264 $aac -movflags +frag_keyframe+empty_moov+default_base_moof fragmented.mp4
make $picture $h264 -movflags +frag_keyframe fragmented-late.mp4
make $picture $h264 -movflags +dash+global_sidx+frag_keyframe+empty_moov segments.mp4
make $picture $h264 -t 0 -movflags +empty_moov no-frames.mp4
