// Plays the shared behaviour cases of tests/spec against the public package.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { Client, MultiUploadError } from "multi-upload";

import { debugBinary } from "./support.mjs";

const CONCURRENCY = 4;

/** What becomes of the case's arguments; all other operations take them as one object. */
const OPERATIONS = {
  "uploads.create_many": { call: (c, { uploads, ...size }, o) => c.uploads.createMany(uploads, { ...o, ...size }), wrap: "results" },
  "uploads.get": { call: (c, a, o) => c.uploads.get(a.id, o) },
  "uploads.update": { call: (c, { id, ...changes }, o) => c.uploads.update(id, changes, o) },
  "uploads.cancel": { call: (c, a, o) => c.uploads.cancel(a.id, o) },
  "uploads.retry": { call: (c, a, o) => c.uploads.retry(a.id, o) },
  "uploads.resolve": { call: (c, { id, ...answer }, o) => c.uploads.resolve(id, answer, o) },
  "uploads.events": { call: (c, a, o) => c.uploads.events(a.id, o), wrap: "items" },
  "uploads.wait": { call: (c, a, o) => c.uploads.wait(a.id, o) },
  "uploads.wait_many": { call: (c, a, o) => c.uploads.waitMany(a.ids, o), wrap: "uploads" },
  "uploads.watch": { call: (c, a, o) => c.uploads.watch(a.ids, o) },
  "boards.list": { call: (c, { account, ...filter }, o) => c.boards.list(account, filter, o) },
  "boards.create": { call: (c, { account, ...board }, o) => c.boards.create(account, board, o) },
  "boards.sections": { call: (c, a, o) => c.boards.sections(a.account, a.boardId, o) },
  "boards.create_section": { call: (c, a, o) => c.boards.createSection(a.account, a.boardId, { name: a.name }, o) },
  "accounts.list": { call: (c, _a, o) => c.accounts.list(o) },
  "accounts.get": { call: (c, a, o) => c.accounts.get(a.id, o) },
  "accounts.disconnect": { call: (c, a, o) => c.accounts.disconnect(a.id, o) },
  "accounts.start_connection": { call: (c, a, o) => c.accounts.startConnection(a.platform, a.returnUrl, o) },
  "accounts.connection": { call: (c, a, o) => c.accounts.connection(a.id, o) },
  "accounts.wait_connected": { call: (c, a, o) => c.accounts.waitConnected(a.id, o) },
  "accounts.limits": { call: (c, a, o) => c.accounts.limits(a.id, o) },
  "slots.list": { call: (c, filter, o) => c.slots.list(filter, o) },
  "slots.create": { call: (c, { account, ...slot }, o) => c.slots.create(account, slot, o) },
  "slots.update": { call: (c, { id, ...changes }, o) => c.slots.update(id, changes, o) },
  "slots.delete": { call: (c, a, o) => c.slots.delete(a.id, o) },
  "media.upload": { call: (c, a, o) => c.media.upload(Buffer.from(a.bytesBase64, "base64"), o) },
  "media.get": { call: (c, a, o) => c.media.get(a.id, o) },
  "api_keys.list": { call: (c, _a, o) => c.apiKeys.list(o) },
  "api_keys.revoke": { call: (c, a, o) => c.apiKeys.revoke(a.id, o) },
  "webhooks.list": { call: (c, _a, o) => c.webhooks.list(o) },
  "webhooks.get": { call: (c, a, o) => c.webhooks.get(a.id, o) },
  "webhooks.update": { call: (c, { id, ...change }, o) => c.webhooks.update(id, change, o) },
  "webhooks.delete": { call: (c, a, o) => c.webhooks.delete(a.id, o) },
  "webhooks.test": { call: (c, a, o) => c.webhooks.test(a.id, o) },
  "webhooks.rotate": { call: (c, a, o) => c.webhooks.rotate(a.id, o) },
  "webhooks.deliveries": { call: (c, a, o) => c.webhooks.deliveries(a.id, o) },
  "webhooks.redeliver": { call: (c, a, o) => c.webhooks.redeliver(a.id, a.deliveryId, o) },
  "service.health": { call: (c, _a, o) => c.service.health(o) },
};

/** Conveniences made of several operations. */
const COMPOSED = ["accounts.connect"];

const OPAQUE = new Set(["pinterest", "tiktok", "instagram", "data"]);
const KEYED = new Set(["overrides", "refusals"]);
const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function renamed(value, rename) {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((inner) => renamed(inner, rename));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => {
        if (OPAQUE.has(key) && inner !== null && !("name" in Object(inner))) return [key, inner];
        if (KEYED.has(key)) return [key, Object.fromEntries(Object.entries(inner).map(([id, item]) => [id, renamed(item, rename)]))];
        return [rename(key), renamed(inner, rename)];
      }),
  );
}

let kit;
let base;

before(async () => {
  kit = spawn(debugBinary("multi-upload-testkit"), ["--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await Promise.race([
    new Promise((resolve) => createInterface(kit.stdout).once("line", (text) => resolve([text]))),
    new Promise((_, reject) => kit.once("exit", (code) => reject(new Error(`the kit ended with ${code}`)))),
  ]);
  base = JSON.parse(line).url;
});

after(() => kit.kill());

async function ask(path, body) {
  const answer = await fetch(`${base}/_spec/${path}`, body && { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

async function play(id, flip) {
  const session = await ask("sessions", { case: id, flip });
  if (flip && session.flipped === null) return undefined;
  const { given, when } = session.case;
  const retry = given.options?.retry ?? {};
  const client = new Client(session.base_url, session.api_key, {
    timeoutMs: given.options?.timeout_ms,
    attemptTimeoutMs: given.options?.attempt_timeout_ms,
    maxAttempts: retry.max_attempts,
    retryBaseDelayMs: retry.base_delay_ms,
    retryMaxDelayMs: retry.cap_ms,
    retryJitter: retry.jitter === undefined ? undefined : retry.jitter !== "none",
  });
  const abort = new AbortController();
  const outcome = { attempts: [], progress: [] };
  const options = {
    idempotencyKey: when.options?.idempotency_key,
    timeoutMs: when.options?.timeout_ms,
    maxAttempts: when.options?.max_attempts,
    signal: abort.signal,
    onAttempt: (attempt) => outcome.attempts.push(renamed(attempt, snake)),
    onProgress: (progress) => outcome.progress.push(progress),
  };
  const running = observe(client, when, options, outcome);
  if (when.cancel) {
    await ask(`sessions/${session.session}/requests?count=${when.cancel.after_requests}`);
    abort.abort();
  }
  await running;
  return ask(`sessions/${session.session}/judge`, outcome);
}

async function observe(client, when, options, outcome) {
  const operation = OPERATIONS[when.op] ?? { call: direct(when.op) };
  try {
    const answer = operation.call(client, renamed(when.args ?? {}, camel), options);
    if (Symbol.asyncIterator in answer) {
      outcome.result = { items: [] };
      if (when.take === 0) return;
      for await (const item of answer) {
        outcome.result.items.push(renamed(item, snake));
        if (outcome.result.items.length === when.take) break;
      }
    } else {
      const result = renamed(await answer, snake) ?? {};
      outcome.result = operation.wrap ? { [operation.wrap]: result } : result;
    }
  } catch (error) {
    if (!MultiUploadError.isInstance(error)) throw error;
    assert.ok(error instanceof Error && error.stack.includes("spec_runner"), "the stack shows the caller");
    outcome.error = { ...renamed({ ...error }, snake), class: error.constructor.name };
  }
}

function direct(op) {
  const [namespace, method] = op.split(".").map(camel);
  return (client, args, options) => client[namespace][method](args, options);
}

test("behaviour cases and their self-checks", async () => {
  const { cases } = await ask("cases");
  const waiting = [...cases];
  const failures = [];
  let checks = 0;
  const worker = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const verdict = await play(id, false);
      if (!verdict.pass) failures.push(`${id}: ${verdict.failures.join("; ")}`);
      const flipped = await play(id, true);
      if (flipped === undefined) continue;
      checks += 1;
      if (flipped.pass) failures.push(`${id}: passes although ${flipped.flipped} was made wrong`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  console.log(`spec: ${cases.length} cases, ${checks} self-checks, 0 skipped`);
  assert.deepEqual(failures, []);
});

test("the surface is the one that every language has", async () => {
  const { operations } = await ask("surface");
  const client = new Client("http://127.0.0.1:1", "mu_test_none");
  const expected = new Set(COMPOSED);
  for (const { op } of operations) expected.add(op);
  const found = new Set();
  for (const [name, namespace] of Object.entries(client)) {
    for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(namespace))) {
      if (method !== "constructor") found.add(`${snake(name)}.${snake(method)}`);
    }
  }
  assert.deepEqual([...found].sort(), [...expected].sort());
});
