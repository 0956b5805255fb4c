/** One way into the native library: options in, answers out, errors thrown with the caller's stack. */

import { setMaxListeners } from "node:events";

import { toWire, fromWire } from "./convert";
import { errorFrom } from "./errors";
import { loadNative, type NativeAnswer, type NativeClient, type NativeSettings, type NativeToken } from "./native";

/** Options of every call. */
export interface CallOptions {
  /** Makes the call safe to repeat, in another process too; made for each call where absent. */
  idempotencyKey?: string;
  /** Total time in milliseconds: attempts, waits and reading. Default 60,000; waiting calls have none. */
  timeoutMs?: number;
  /** How many times it may be sent. Default 3. */
  maxAttempts?: number;
  /** Stops the call; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Told after each attempt that will be repeated, and after the last. */
  onAttempt?: (attempt: Attempt) => void;
}

/** One attempt of a call. */
export interface Attempt {
  /** From 1. */
  number: number;
  /** The wait before it, in milliseconds. */
  delayMs: number;
  /** Code of the error that made it necessary. */
  cause: string | null;
}

/** How far a long call is. */
export interface Progress {
  done: number;
  total: number;
}

/** Options of calls that take long. */
export interface ProgressOptions extends CallOptions {
  /** Told as it goes on; what it throws ends the call. */
  onProgress?: (progress: Progress) => void;
}

export async function call<T>(client: NativeClient, op: string, args: object, options: ProgressOptions = {}): Promise<T> {
  return run<T>(options, (token, progress, attempt) => client.call(op, toWire(args), settings(options), token, progress, attempt));
}

export async function uploadBytes<T>(client: NativeClient, bytes: Uint8Array, options: ProgressOptions = {}): Promise<T> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return run<T>(options, (token, progress, attempt) => client.uploadBytes(buffer, settings(options), token, progress, attempt));
}

/** Sends bytes as a stream or a blob gives them. What reading throws is thrown. */
export async function uploadStream<T>(client: NativeClient, source: AsyncIterable<Uint8Array> | Blob, options: ProgressOptions = {}): Promise<T> {
  options.signal?.throwIfAborted();
  const [chunks, length] = source instanceof Blob ? [source.stream() as AsyncIterable<Uint8Array>, source.size] : [source, undefined];
  const feed = new (loadNative().NativeFeed)();
  const sent = run<T>(options, (token, progress, attempt) => client.uploadFeed(feed, length, settings(options), token, progress, attempt));
  let fault: { error: unknown } | undefined;
  const read = async (): Promise<void> => {
    for await (const chunk of chunks) if (!(await feed.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)))) return;
    feed.end();
  };
  read().catch((error: unknown) => {
    fault = { error };
    feed.end(String(error));
  });
  try {
    return await sent;
  } catch (error) {
    throw fault ? fault.error : error;
  }
}

export async function* items<T>(client: NativeClient, op: string, args: object, options: CallOptions = {}): AsyncGenerator<T, void, undefined> {
  const { signal } = options;
  signal?.throwIfAborted();
  const token = new (loadNative().CancelToken)();
  expectMany(signal);
  const stream = client.stream(op, toWire(args), settings(options), token);
  const abort = (): void => token.cancel();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      const answer = await stream.next();
      if (answer === null || answer === undefined) return;
      yield unwrap<T>(answer, signal);
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    stream.close();
  }
}

type Send = (
  token: NativeToken,
  progress: ((value: never) => void) | undefined,
  attempt: ((value: never) => void) | undefined,
) => Promise<NativeAnswer>;

async function run<T>(options: ProgressOptions, send: Send): Promise<T> {
  const { signal, onProgress, onAttempt } = options;
  signal?.throwIfAborted();
  const token = new (loadNative().CancelToken)();
  const abort = (): void => token.cancel();
  // A callback that throws must not end the process: it ends the call, which then throws the same object.
  let thrown: { error: unknown } | undefined;
  const guard = <V>(callback: ((value: V) => void) | undefined) =>
    callback &&
    ((value: unknown): void => {
      try {
        callback(fromWire(value) as V);
      } catch (error) {
        thrown ??= { error };
        token.cancel();
      }
    });
  expectMany(signal);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const answer = await send(token, guard(onProgress), guard(onAttempt));
    if (thrown && answer.error) throw thrown.error;
    return unwrap<T>(answer, signal);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

export function unwrap<T>(answer: NativeAnswer, signal?: AbortSignal): T {
  if (answer.error) {
    // A reason that the caller gave comes back as it is; the default one says less than our own error.
    if (signal?.aborted && answer.error["code"] === "CANCELLED" && !isDefaultReason(signal.reason)) throw signal.reason;
    throw errorFrom(answer.error, answer.causes);
  }
  return fromWire(answer.ok) as T;
}

/** One signal for hundreds of calls at once is normal here, not a leak to warn of. */
function expectMany(signal: AbortSignal | undefined): void {
  if (signal) setMaxListeners(0, signal);
}

function isDefaultReason(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === "AbortError";
}

function settings(options: CallOptions): NativeSettings {
  const { idempotencyKey, timeoutMs, maxAttempts } = options;
  return { idempotencyKey, timeoutMs, maxAttempts };
}
