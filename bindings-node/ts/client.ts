/** The client: namespaces with the same words as in every other language. */

import { spawn } from "node:child_process";

import { call, items, unwrap, uploadBytes, uploadStream, type CallOptions, type ProgressOptions } from "./call";
import type {
  Account,
  AccountLimits,
  ApiKey,
  BatchResult,
  Board,
  ConnectSession,
  CreateUpload,
  CreateUploadRow,
  CreateWithFiles,
  CreatedApiKey,
  Health,
  LocalFile,
  Media,
  Section,
  Slot,
  Upload,
  UploadEvent,
  UploadStatus,
  Validation,
  Weekday,
  Webhook,
  WebhookDelivery,
  WebhookSecret,
} from "./models";
import { loadNative, type NativeAnswer, type NativeClient } from "./native";

/** How a client reaches a service. */
export interface ClientOptions {
  /** Total time of a call in milliseconds. Default 60,000. */
  timeoutMs?: number;
  /** Time of one attempt. Default 30,000. */
  attemptTimeoutMs?: number;
  /** How many times a call may be sent. Default 3. */
  maxAttempts?: number;
  /** First wait before a repetition. Default 50. */
  retryBaseDelayMs?: number;
  /** Longest wait before a repetition that the client chooses itself. Default 20,000. */
  retryMaxDelayMs?: number;
  /** Whether waits are spread at random. Default true. */
  retryJitter?: boolean;
}

/** How a local engine runs. */
export interface LocalOptions {
  /** A fake Pinterest in the same process: try everything without an account. */
  sandbox?: boolean;
  /** Where the browser is sent back to. Default `127.0.0.1:8787`. */
  listen?: string;
}

/** Which uploads to list. */
export interface UploadFilter {
  status?: UploadStatus | UploadStatus[];
  account?: string;
  platform?: string;
  externalId?: string;
  from?: Date | string;
  to?: Date | string;
  /** Text in caption, title, description or link. */
  q?: string;
  /** Uploads asked for at once. Default 100. */
  limit?: number;
}

/** Options of `createMany`. */
export interface BatchOptions extends ProgressOptions {
  /** Rows in one request, 1 to 1,000; default 100. With 1 each row is a request of its own, a few at once. */
  batchSize?: number;
}

type Changes = Partial<Omit<CreateUpload, "accounts">> & { version?: number };

/** A client of multi-upload. */
export class Client {
  readonly #native: NativeClient;
  /** Uploads: what is to be published, and what became of it. */
  readonly uploads: Uploads;
  /** Boards and sections of an account. */
  readonly boards: Boards;
  /** Connected accounts. */
  readonly accounts: Accounts;
  /** Weekly posting times. */
  readonly slots: Slots;
  /** Files. */
  readonly media: MediaFiles;
  /** API keys; needs a key with the scope `admin`. */
  readonly apiKeys: ApiKeys;
  /** Addresses that are told what happens. */
  readonly webhooks: Webhooks;
  /** The service itself. */
  readonly service: Service;

  /** A client over HTTP. Without arguments `MULTI_UPLOAD_URL` and `MULTI_UPLOAD_API_KEY` are used. */
  constructor(url?: string, key?: string, options?: ClientOptions);
  /** @internal */
  constructor(native: NativeClient);
  constructor(first?: string | NativeClient, key?: string, options: ClientOptions = {}) {
    this.#native = typeof first === "object" ? first : opened(loadNative().NativeClient.http({ ...options, url: first, key }));
    this.uploads = new Uploads(this.#native);
    this.boards = new Boards(this.#native);
    this.accounts = new Accounts(this.#native);
    this.slots = new Slots(this.#native);
    this.media = new MediaFiles(this.#native);
    this.apiKeys = new ApiKeys(this.#native);
    this.webhooks = new Webhooks(this.#native);
    this.service = new Service(this.#native);
  }

  /** The whole engine inside this process, on a data folder. It publishes while the process lives. */
  static async local(path: string, options: LocalOptions = {}): Promise<Client> {
    const { sandbox = false, listen } = options;
    return new Client(opened(await loadNative().NativeClient.local(path, sandbox, listen)));
  }

  /** Where the sandbox of a local engine listens; `null` without one. */
  get sandboxUrl(): string | null {
    return this.#native.sandboxUrl ?? null;
  }

  /** Stops a local engine: what is being sent is finished first. */
  async close(): Promise<void> {
    await this.#native.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class Namespace {
  protected readonly native: NativeClient;

  constructor(native: NativeClient) {
    this.native = native;
  }
}

const fileArg = (file?: LocalFile): string | { bytesBase64: string } | undefined =>
  file instanceof Uint8Array ? { bytesBase64: Buffer.from(file).toString("base64") } : file;

/** Uploads: what is to be published, and what became of it. */
export class Uploads extends Namespace {
  /** Stores an upload, to be published at its time; files of this machine are uploaded first. */
  create(upload: CreateWithFiles, options?: ProgressOptions): Promise<Upload> {
    const { image, video, images, cover } = upload;
    const args = { ...upload, image: fileArg(image), video: fileArg(video), images: images?.map(fileArg), cover: fileArg(cover) };
    return call(this.native, "uploads.create", args, options);
  }

  /** Stores many, 100 in a request; one result or error for each row, in order. */
  async createMany(uploads: Iterable<CreateUploadRow>, options: BatchOptions = {}): Promise<BatchResult[]> {
    const args = { uploads: [...uploads], batchSize: options.batchSize };
    const { results } = await call<{ results: BatchResult[] }>(this.native, "uploads.create_many", args, options);
    return results;
  }

  /** Every check of `create`; nothing is stored. */
  validate(upload: CreateUpload, options?: CallOptions): Promise<Validation> {
    return call(this.native, "uploads.validate", upload, options);
  }

  /** One upload. */
  get(id: string, options?: CallOptions): Promise<Upload> {
    return call(this.native, "uploads.get", { id }, options);
  }

  /** Uploads, newest first, over all pages. */
  list(filter: UploadFilter = {}, options?: CallOptions): AsyncGenerator<Upload, void, undefined> {
    return items(this.native, "uploads.list", filter, options);
  }

  /** Changes an upload before it is published; `null` clears a field. */
  update(id: string, changes: Changes, options?: CallOptions): Promise<Upload> {
    return call(this.native, "uploads.update", { ...changes, id }, options);
  }

  /** Cancels an upload before it is published. */
  cancel(id: string, options?: CallOptions): Promise<Upload> {
    return call(this.native, "uploads.cancel", { id }, options);
  }

  /** Publishes targets that failed or were missed once more. */
  retry(id: string, options?: CallOptions): Promise<Upload> {
    return call(this.native, "uploads.retry", { id }, options);
  }

  /** Says what is true of a target that needs review. */
  resolve(
    id: string,
    answer: { resolution: "published" | "resend" | "abandon"; remoteId?: string; target?: string },
    options?: CallOptions,
  ): Promise<Upload> {
    return call(this.native, "uploads.resolve", { ...answer, id }, options);
  }

  /** The timeline of an upload, oldest first. */
  async events(id: string, options?: CallOptions): Promise<UploadEvent[]> {
    return (await call<{ items: UploadEvent[] }>(this.native, "uploads.events", { id }, options)).items;
  }

  /** Waits until an upload has ended, or only targets that need review remain. */
  wait(id: string, options?: CallOptions): Promise<Upload> {
    return call(this.native, "uploads.wait", { id }, options);
  }

  /** Waits for many on one feed; the uploads in the order of the ids. */
  async waitMany(ids: Iterable<string>, options?: ProgressOptions): Promise<Upload[]> {
    return (await call<{ uploads: Upload[] }>(this.native, "uploads.wait_many", { ids: [...ids] }, options)).uploads;
  }

  /** Uploads each time one of them changes, until all have ended; without ids all, without an end. */
  watch(ids?: Iterable<string>, options?: CallOptions): AsyncGenerator<Upload, void, undefined> {
    return items(this.native, "uploads.watch", ids ? { ids: [...ids] } : {}, options);
  }
}

/** Boards and sections of an account. */
export class Boards extends Namespace {
  /** All boards: own, group and secret. */
  list(
    account: string,
    filter: { privacy?: string; q?: string; refresh?: boolean } = {},
    options?: CallOptions,
  ): AsyncGenerator<Board, void, undefined> {
    return items(this.native, "boards.list", { ...filter, account }, options);
  }

  /** Makes a board. */
  create(account: string, board: { name: string; description?: string; privacy?: string }, options?: CallOptions): Promise<Board> {
    return call(this.native, "boards.create", { ...board, account }, options);
  }

  /** All sections of a board. */
  sections(account: string, boardId: string, options?: CallOptions): AsyncGenerator<Section, void, undefined> {
    return items(this.native, "boards.sections", { account, boardId }, options);
  }

  /** Makes a section. */
  createSection(account: string, boardId: string, section: { name: string }, options?: CallOptions): Promise<Section> {
    return call(this.native, "boards.create_section", { ...section, account, boardId }, options);
  }
}

/** Connected accounts. */
export class Accounts extends Namespace {
  /** All accounts that the key may see. */
  list(options?: CallOptions): AsyncGenerator<Account, void, undefined> {
    return items(this.native, "accounts.list", {}, options);
  }

  /** One account. */
  get(id: string, options?: CallOptions): Promise<Account> {
    return call(this.native, "accounts.get", { id }, options);
  }

  /** What an account may still do, and how far its slots are filled. */
  limits(id: string, options?: CallOptions): Promise<AccountLimits> {
    return call(this.native, "accounts.limits", { id }, options);
  }

  /**
   * Connects an account: shows the network's consent page and waits for the answer.
   * `open` gets the page's address; without it the system's browser is opened.
   */
  async connect(platform: string, options: CallOptions & { open?: (url: string) => unknown } = {}): Promise<Account> {
    const { open = openBrowser, ...rest } = options;
    const session = await this.startConnection(platform, undefined, rest);
    await open(session.authorizeUrl);
    return this.waitConnected(session.id, { timeoutMs: 300_000, ...rest });
  }

  /** Begins a connection without waiting: for services with their own pages. */
  startConnection(platform: string, returnUrl?: string, options?: CallOptions): Promise<ConnectSession> {
    return call(this.native, "accounts.start_connection", { platform, returnUrl }, options);
  }

  /** Waits until a connection has ended; its error is thrown. */
  waitConnected(id: string, options?: CallOptions): Promise<Account> {
    return call(this.native, "accounts.wait_connected", { id }, options);
  }

  /** What became of a connection. */
  connection(id: string, options?: CallOptions): Promise<ConnectSession> {
    return call(this.native, "accounts.connection", { id }, options);
  }

  /** Forgets an account and its tokens. */
  async disconnect(id: string, options?: CallOptions): Promise<void> {
    await call(this.native, "accounts.disconnect", { id }, options);
  }
}

/** Weekly posting times, which `schedule: "next_slot"` fills. */
export class Slots extends Namespace {
  /** The slots of an account, or of all, with how far each is filled. */
  list(filter: { account?: string } = {}, options?: CallOptions): AsyncGenerator<Slot, void, undefined> {
    return items(this.native, "slots.list", filter, options);
  }

  /** Makes a slot, every day unless `weekdays` says otherwise; on each of its days it takes one upload. */
  create(
    account: string,
    slot: { time: string; timezone: string; weekdays?: Weekday[]; enabled?: boolean },
    options?: CallOptions,
  ): Promise<Slot> {
    return call(this.native, "slots.create", { ...slot, account }, options);
  }

  /** Changes a slot; what waits in it keeps its time. */
  update(
    id: string,
    changes: { time?: string; timezone?: string; weekdays?: Weekday[]; enabled?: boolean },
    options?: CallOptions,
  ): Promise<Slot> {
    return call(this.native, "slots.update", { ...changes, id }, options);
  }

  /** Removes a slot; what waits in it keeps its time. */
  async delete(id: string, options?: CallOptions): Promise<void> {
    await call(this.native, "slots.delete", { id }, options);
  }
}

/** Files. */
export class MediaFiles extends Namespace {
  /**
   * Stores an image of up to 20 MB or a video of up to 2 GB: from a path, from memory, or from a stream or blob, which are read as they are sent.
   * With an `idempotencyKey` another call goes on where this one was cut off, in another process too; for a day.
   */
  upload(file: string | Uint8Array | Blob | AsyncIterable<Uint8Array>, options?: ProgressOptions): Promise<Media> {
    if (typeof file === "string") return call(this.native, "media.upload", { path: file }, options);
    return file instanceof Uint8Array ? uploadBytes(this.native, file, options) : uploadStream(this.native, file, options);
  }

  /** What is known of a file. */
  get(id: string, options?: CallOptions): Promise<Media> {
    return call(this.native, "media.get", { id }, options);
  }
}

/** API keys. */
export class ApiKeys extends Namespace {
  /** Makes a key; its secret is shown only now. */
  create(key: { name?: string; scopes?: string[]; accounts?: string[]; expiresAt?: Date | string } = {}, options?: CallOptions): Promise<CreatedApiKey> {
    return call(this.native, "api_keys.create", key, options);
  }

  /** All keys, without their secrets. */
  list(options?: CallOptions): AsyncGenerator<ApiKey, void, undefined> {
    return items(this.native, "api_keys.list", {}, options);
  }

  /** Makes a key invalid at once. */
  async revoke(id: string, options?: CallOptions): Promise<void> {
    await call(this.native, "api_keys.revoke", { id }, options);
  }
}

/** Addresses that are told what happens; `verifyWebhook` checks what arrives there. */
export class Webhooks extends Namespace {
  /** Makes an endpoint; its secret is shown only now. Without `events` it gets all. */
  create(webhook: { url: string; events?: string[]; description?: string }, options?: CallOptions): Promise<WebhookSecret> {
    return call(this.native, "webhooks.create", webhook, options);
  }

  /** All endpoints, without their secrets. */
  list(options?: CallOptions): AsyncGenerator<Webhook, void, undefined> {
    return items(this.native, "webhooks.list", {}, options);
  }

  /** One endpoint. */
  get(id: string, options?: CallOptions): Promise<Webhook> {
    return call(this.native, "webhooks.get", { id }, options);
  }

  /** Changes an endpoint; what is absent stays. An empty list of events means all. */
  update(id: string, change: { url?: string; events?: string[]; description?: string; enabled?: boolean }, options?: CallOptions): Promise<Webhook> {
    return call(this.native, "webhooks.update", { ...change, id }, options);
  }

  /** Deletes an endpoint with its deliveries. */
  async delete(id: string, options?: CallOptions): Promise<void> {
    await call(this.native, "webhooks.delete", { id }, options);
  }

  /** Sends `webhook.test`; `deliveries` shows what came of it. */
  test(id: string, options?: CallOptions): Promise<WebhookDelivery> {
    return call(this.native, "webhooks.test", { id }, options);
  }

  /** Makes a new secret; the one before signs too for 24 hours. */
  rotate(id: string, options?: CallOptions): Promise<WebhookSecret> {
    return call(this.native, "webhooks.rotate", { id }, options);
  }

  /** What was sent to an endpoint in the last 30 days, newest first. */
  deliveries(id: string, options?: CallOptions): AsyncGenerator<WebhookDelivery, void, undefined> {
    return items(this.native, "webhooks.deliveries", { id }, options);
  }

  /** Sends an event again, with the same id. */
  redeliver(id: string, deliveryId: string, options?: CallOptions): Promise<WebhookDelivery> {
    return call(this.native, "webhooks.redeliver", { id, deliveryId }, options);
  }
}

/** The service itself. */
export class Service extends Namespace {
  /** Whether it answers, and its version. */
  health(options?: CallOptions): Promise<Health> {
    return call(this.native, "service.health", {}, options);
  }
}

function opened(client: NativeClient | NativeAnswer): NativeClient {
  return "error" in client ? unwrap<never>(client) : (client as NativeClient);
}

/** Opens the system's browser; where there is none, the link on the terminal is enough. */
function openBrowser(url: string): void {
  process.stderr.write(`Open this page and allow the access:\n  ${url}\n`);
  const [command, ...args] =
    process.platform === "darwin" ? ["open"] : process.platform === "win32" ? ["rundll32", "url.dll,FileProtocolHandler"] : ["xdg-open"];
  spawn(command as string, [...args, url], { stdio: "ignore", detached: true })
    .on("error", () => {})
    .unref();
}
