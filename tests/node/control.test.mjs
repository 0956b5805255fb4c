// What is special to JavaScript: signals, callbacks, errors, the end of the process.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { Client, ConflictError, IdempotencyError, MultiUploadError, errorFrom } from "multi-upload";

import { root, temporary } from "./support.mjs";

let server;
let client;

before(async () => {
  // Answers everything under /v1/uploads with an upload; /v1/media never.
  server = createServer((request, response) => {
    if (request.url.startsWith("/v1/media")) return;
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(request.url.includes("batch") ? JSON.stringify({ results: [] }) : JSON.stringify(upload));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = new Client(`http://127.0.0.1:${server.address().port}`, "mu_test_key");
});

after(() => {
  server.closeAllConnections();
  server.close();
});

const upload = {
  id: "up_1",
  status: "published",
  scheduled_at: "2026-12-01T20:00:00Z",
  timezone: null,
  external_id: null,
  version: 1,
  created_at: "2026-12-01T20:00:00Z",
  updated_at: "2026-12-01T20:00:00Z",
  content: { accounts: ["pinterest:1"], scheduled_at: "2026-12-01T21:00:00", pinterest: { dominant_color: "#ffffff" } },
  targets: [],
};

test("names are camelCase and times are dates, but what the user wrote stays as it was", async () => {
  const found = await client.uploads.get("up_1");
  assert.deepEqual(found.scheduledAt, new Date("2026-12-01T20:00:00Z"));
  assert.equal(found.content.scheduledAt, "2026-12-01T21:00:00");
  assert.deepEqual(found.content.pinterest, { dominant_color: "#ffffff" });
});

test("a signal stops a call, with its own reason", async () => {
  const reason = new Error("the user went away");
  const abort = new AbortController();
  const call = client.media.upload(Buffer.from("GIF89a"), { signal: abort.signal });
  setImmediate(() => abort.abort(reason));
  await assert.rejects(call, (error) => error === reason);
  await assert.rejects(client.uploads.get("up_1", { signal: AbortSignal.abort(reason) }), (error) => error === reason);
});

test("many calls on one signal leave no listeners", async () => {
  const { signal } = new AbortController();
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 50 }, () => client.uploads.get("up_1", { signal })));
  }
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a callback that throws ends the call with the very same object", async () => {
  const thrown = new TypeError("mine");
  const call = client.media.upload(Buffer.from("GIF89a"), {
    timeoutMs: 5_000,
    onAttempt: () => {
      throw thrown;
    },
  });
  await assert.rejects(call, (error) => error === thrown);
});

test("errors keep every field through toJSON, and are known across copies of the package", () => {
  const wire = { code: "IDEMPOTENCY_IN_PROGRESS", category: "conflict", title: "t", detail: "d", status: 409, retry: "yes", outcome: "unknown", retry_after_ms: 7, remedy: "Wait.", type: "x", doc_url: "x" };
  const error = errorFrom(wire, ["near", "deep"]);
  assert.ok(error instanceof IdempotencyError && error instanceof ConflictError && error instanceof Error);
  assert.equal(error.retryAfterMs, 7);
  assert.equal(error.cause.message, "near");
  assert.equal(error.cause.cause.message, "deep");
  assert.deepEqual(JSON.parse(JSON.stringify(error)), wire);
  // As another copy of the package would have made it.
  const foreign = Object.assign(new Error("d"), { [Symbol.for("multi-upload.error")]: true });
  foreign.name = "IdempotencyError";
  assert.ok(MultiUploadError.isInstance(foreign) && ConflictError.isInstance(foreign) && IdempotencyError.isInstance(foreign));
  assert.ok(!MultiUploadError.isInstance(new Error("other")));
});

test("an unknown code falls back to its category, an unknown category to the base", () => {
  assert.ok(errorFrom({ code: "NEW", category: "conflict", detail: "d" }) instanceof ConflictError);
  assert.equal(errorFrom({ code: "NEW", category: "new", detail: "d" }).constructor, MultiUploadError);
});

test("a data folder belongs to one engine, and the error says who has it", async (t) => {
  const folder = temporary(t);
  const first = await Client.local(folder, { sandbox: true });
  t.after(() => first.close());
  await assert.rejects(Client.local(folder, { sandbox: true }), (error) => {
    assert.equal(error.code, "DATA_IN_USE");
    assert.match(error.detail, new RegExp(`pid ${process.pid}`));
    return true;
  });
});

test("a process with an engine and work in flight ends by itself", () => {
  const text = `
    import { Client } from "multi-upload";
    import { mkdtempSync } from "node:fs";
    const client = await Client.local(mkdtempSync("/tmp/multi-upload-exit-"), { sandbox: true });
    client.uploads.watch().next().catch(() => {});
    await client.accounts.list().next();
    console.log("ready");
    process.exit(0);`;
  for (let round = 0; round < 5; round += 1) {
    const done = spawnSync(process.execPath, ["--input-type=module", "-e", text], { cwd: root, encoding: "utf8", timeout: 20_000 });
    assert.deepEqual([done.status, done.signal, done.stdout], [0, null, "ready\n"], done.stderr);
  }
});
