/** Checking webhooks, without a client. */

import { unwrap } from "./call";
import { loadNative } from "./native";

/** What a webhook tells. */
export interface WebhookEvent {
  /** `upload.published` and so on. */
  type: string;
  /** When it happened, RFC 3339. */
  timestamp: string;
  /** The objects as the HTTP API shows them: `upload`, `target`, `account` or `webhook`. */
  data: Record<string, any>;
}

/** Headers of a request: those of `node:http`, or of `fetch`. */
export type WebhookHeaders = Headers | Record<string, string | string[] | undefined>;

/**
 * Checks a webhook and returns its event. `body` is what arrived, byte for byte, not JSON that was parsed and written again. `secret` may be
 * several, of which one must fit. A wrong signature, or a message more than five minutes old, throws an `AuthError` with the code
 * `WEBHOOK_SIGNATURE_INVALID`. A message may arrive more than once, always with the same header `webhook-id`.
 */
export function verifyWebhook(body: string | Uint8Array, headers: WebhookHeaders, secret: string | string[]): WebhookEvent {
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers);
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === "string");
  const bytes = typeof body === "string" ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return unwrap(loadNative().verifyWebhook(bytes, Object.fromEntries(texts), [secret].flat()));
}
