// `verifyWebhook` against the public package `standardwebhooks`, both ways.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";

import { AuthError, ConfigError, verifyWebhook } from "multi-upload";
import { Webhook } from "standardwebhooks";

const secret = `whsec_${randomBytes(32).toString("base64")}`;
const other = `whsec_${randomBytes(32).toString("base64")}`;
const body = '{"type":"upload.published","timestamp":"2026-12-01T20:00:00Z","data":{"text":"Zitrone 🍋"}}';

/** As the public package signs it. */
function headers(key = secret, ago = 0) {
  const sent = new Date(Date.now() - ago * 1000);
  return {
    "webhook-id": "msg_1",
    "webhook-timestamp": String(Math.floor(sent.getTime() / 1000)),
    "webhook-signature": new Webhook(key).sign("msg_1", sent, body),
  };
}

const refused = (error) => error instanceof AuthError && error.code === "WEBHOOK_SIGNATURE_INVALID";

test("what the public package signs is accepted, in every form that it may arrive in", () => {
  const made = headers();
  for (const arrived of [body, Buffer.from(body), new TextEncoder().encode(body)]) {
    assert.deepEqual(verifyWebhook(arrived, made, secret), JSON.parse(body));
  }
  assert.equal(verifyWebhook(body, new Headers(made), [other, secret]).type, "upload.published");
  assert.equal(verifyWebhook(body, { ...made, "x-list": ["a", "b"], "x-none": undefined }, secret).data.text, "Zitrone 🍋");
});

test("both agree on what is too old", () => {
  for (const [ago, right] of [[0, true], [200, true], [-200, true], [400, false], [-400, false]]) {
    const made = headers(secret, ago);
    const answers = [() => new Webhook(secret).verify(body, made), () => verifyWebhook(body, made, secret)].map((check) => {
      try {
        return Boolean(check());
      } catch {
        return false;
      }
    });
    assert.deepEqual(answers, [right, right], `${ago} s ago`);
  }
});

test("two signatures serve during a rotation", () => {
  const made = headers();
  made["webhook-signature"] = `${headers(other)["webhook-signature"]} ${made["webhook-signature"]}`;
  for (const key of [secret, other]) {
    assert.ok(verifyWebhook(body, made, key));
    assert.ok(new Webhook(key).verify(body, made));
  }
});

test("nothing else is accepted", () => {
  const made = headers();
  const bytes = Buffer.from(body);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] ^= 1 << (bit & 7);
    assert.throws(() => verifyWebhook(changed, made, secret), refused);
  }
  for (const name of Object.keys(made)) {
    assert.throws(() => verifyWebhook(body, { ...made, [name]: undefined }, secret), refused);
  }
  assert.throws(() => verifyWebhook(body, made, other), refused);
  assert.throws(() => verifyWebhook(body, made, "hunter2"), (error) => error instanceof ConfigError && !error.message.includes("hunter2"));
});
