// Files of any kind go up as they are read.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client, MultiUploadError } from "multi-upload";

import { root } from "./support.mjs";

const film = readFileSync(join(root, "media/tests/files/index-front.mp4"));
const size = 9 * 1024 * 1024 + 5;
// The film and a box that players pass over.
const large = Buffer.alloc(size);
film.copy(large);
large.writeUInt32BE(size - film.length, film.length);
large.write("free", film.length + 4);

let client;
let path;

let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "multi-upload-test-"));
  path = join(folder, "film.mp4");
  writeFileSync(path, large);
  client = await Client.local(join(folder, "data"), { sandbox: true });
});

after(async () => {
  await client.close();
  rmSync(folder, { recursive: true, force: true });
});

test("whatever it comes from, it arrives whole", async () => {
  const expected = createHash("sha256").update(large).digest("hex");
  for (const source of [path, large, createReadStream(path), new Blob([large])]) {
    const seen = [];
    const media = await client.media.upload(source, { onProgress: (step) => seen.push(step.done) });
    assert.equal(media.sha256, expected);
    assert.deepEqual([media.bytes, media.kind, media.videoCodec], [size, "video", "h264"]);
    assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
  }
});

test("what a stream throws is thrown", async () => {
  const thrown = new Error("the disk is gone");
  async function* broken() {
    yield large.subarray(0, 5_000_000);
    throw thrown;
  }
  await assert.rejects(client.media.upload(broken()), (error) => error === thrown);
});

test("a signal stops a stream, which is closed", async () => {
  const abort = new AbortController();
  let closed = false;
  async function* endless() {
    try {
      for (let n = 0; ; n++) {
        if (n === 100) abort.abort();
        yield n === 0 ? large.subarray(0, 1_000_000) : Buffer.alloc(100_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      closed = true;
    }
  }
  await assert.rejects(client.media.upload(endless(), { signal: abort.signal }), (error) => error instanceof MultiUploadError && error.code === "CANCELLED");
  while (!closed) await new Promise((resolve) => setImmediate(resolve));
});
