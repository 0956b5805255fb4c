/** Loads the native library, and says what to do when it is not there. */

import { existsSync } from "node:fs";
import { join } from "node:path";

export interface NativeAnswer {
  ok?: unknown;
  error?: Record<string, unknown>;
  causes?: string[];
}

export interface NativeToken {
  cancel(): void;
}

export interface NativeStream {
  next(): Promise<NativeAnswer | null | undefined>;
  close(): void;
}

export interface NativeFeed {
  push(bytes: Buffer): Promise<boolean>;
  end(fault?: string): void;
}

export interface NativeSettings {
  idempotencyKey?: string;
  timeoutMs?: number;
  maxAttempts?: number;
}

type Watcher = ((value: never) => void) | undefined;

export interface NativeClient {
  readonly sandboxUrl: string | null;
  call(op: string, args: unknown, settings: NativeSettings, token: NativeToken, progress: Watcher, attempt: Watcher): Promise<NativeAnswer>;
  uploadBytes(bytes: Buffer, settings: NativeSettings, token: NativeToken, progress: Watcher, attempt: Watcher): Promise<NativeAnswer>;
  uploadFeed(feed: NativeFeed, length: number | undefined, settings: NativeSettings, token: NativeToken, progress: Watcher, attempt: Watcher): Promise<NativeAnswer>;
  stream(op: string, args: unknown, settings: NativeSettings, token: NativeToken): NativeStream;
  close(): Promise<void>;
}

export interface HttpSettings {
  url?: string;
  key?: string;
  timeoutMs?: number;
  attemptTimeoutMs?: number;
  maxAttempts?: number;
  retryBaseDelayMs?: number;
  retryMaxDelayMs?: number;
  retryJitter?: boolean;
}

export interface Native {
  NativeClient: {
    http(settings: HttpSettings): NativeClient | NativeAnswer;
    local(path: string, sandbox: boolean, listen?: string): Promise<NativeClient | NativeAnswer>;
  };
  CancelToken: new () => NativeToken;
  NativeFeed: new () => NativeFeed;
  runCommand(args: string[]): number;
  verifyWebhook(body: Buffer, headers: Record<string, string>, secrets: string[]): NativeAnswer;
  nativeVersion(): string;
}

let loaded: Native | undefined;

/** The native library, loaded at first use. */
export function loadNative(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  const platform = `${process.platform}-${process.arch}`;
  const beside = join(__dirname, "..", "multi-upload.node");
  const name = existsSync(beside) ? beside : `@multi-upload/${platform}`;
  try {
    return require(name) as Native;
  } catch (cause) {
    throw new Error(
      `multi-upload has no native library for ${platform} with Node ${process.version}.\n` +
        "  - Installed with --omit=optional or --no-optional? Install again without it.\n" +
        "  - node_modules copied from another system? Install on this one.\n" +
        "  - Working in the repository? Run `npm run build -w bindings-node`.",
      { cause },
    );
  }
}
