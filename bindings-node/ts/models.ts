/** Objects of the API, as JavaScript sees them: camelCase, times as `Date`. */

import type { ErrorInfo, FieldError } from "./errors";

/** A word of the API that newer services may extend. */
export type OpenWord<Known extends string> = Known | (string & {});

export type UploadStatus = OpenWord<"draft" | "scheduled" | "queued" | "publishing" | "published" | "partial" | "failed" | "canceled" | "missed">;

export type TargetStatus = OpenWord<
  "draft" | "scheduled" | "queued" | "publishing" | "waiting" | "published" | "failed" | "canceled" | "missed" | "needs_review"
>;

/** Fields that one account or platform may have otherwise. */
export interface ContentFields {
  /** The text, wherever a platform has no field of its own set below. */
  caption?: string | null;
  /** At most 100 characters on Pinterest. */
  title?: string | null;
  /** At most 800 characters on Pinterest; overrides `caption` there. */
  description?: string | null;
  /** Where the pin leads. */
  link?: string | null;
  /** At most 500 characters on Pinterest. */
  altText?: string | null;
  /** Pinterest board; required there. */
  boardId?: string | null;
  boardSectionId?: string | null;
  coverImageUrl?: string | null;
  coverMediaId?: string | null;
  /** Whole seconds. */
  coverImageKeyFrameTime?: number | null;
}

/** A request to publish. Exactly one kind of media. */
export interface CreateUpload extends ContentFields {
  /** 1 to 25 of `platform:ACCOUNT_ID`. */
  accounts: string[];
  imageUrl?: string;
  imageUrls?: string[];
  videoUrl?: string;
  /** An uploaded file, `md_…`. */
  mediaId?: string;
  mediaIds?: string[];
  /** Absent: now. A `Date`, text with an offset, or local text together with `timezone`. */
  scheduledAt?: Date | string | null;
  /** IANA name, such as `Europe/Paris`. */
  timezone?: string | null;
  schedule?: "next_slot";
  /** By account id or platform name. */
  overrides?: Record<string, ContentFields>;
  /** Your own label. */
  externalId?: string | null;
  draft?: boolean;
  /** `{ sendWithin: "24h" }`: later than that, the upload is missed. */
  late?: { sendWithin: string };
  /** Fields with Pinterest's own names. */
  pinterest?: Record<string, unknown>;
}

/** A file of this machine: its path, or its content. */
export type LocalFile = string | Uint8Array;

/** What `create` takes besides: files of this machine, uploaded first. Paths are read as they are sent, whatever their size. */
export interface CreateWithFiles extends CreateUpload {
  image?: LocalFile;
  video?: LocalFile;
  /** The images of a carousel, 2 to 5 on Pinterest. */
  images?: LocalFile[];
  /** A video's cover. */
  cover?: LocalFile;
}

/** A row of `createMany`. */
export interface CreateUploadRow extends CreateUpload {
  /** Makes the row safe to send again, by another process too. */
  idempotencyKey?: string;
}

/** One account's share of an upload. */
export interface Target {
  id: string;
  account: string;
  platform: string;
  status: TargetStatus;
  /** When it is due: its own slot's time with `schedule: "next_slot"`, else that of the upload. */
  scheduledAt: Date | null;
  /** How many times a publishing request may have left. */
  attempts: number;
  nextAttemptAt: Date | null;
  boardId: string | null;
  remoteId: string | null;
  remoteUrl: string | null;
  publishedAt: Date | null;
  /** Why it failed, waits or needs review. */
  error: ErrorInfo | null;
}

/** An upload and what became of it. */
export interface Upload {
  id: string;
  status: UploadStatus;
  scheduledAt: Date | null;
  timezone: string | null;
  externalId: string | null;
  version: number;
  createdAt: Date;
  updatedAt: Date;
  /** What was asked for, as stored; times as they were written. */
  content: CreateUpload;
  targets: Target[];
}

/** What became of one row of `createMany`: an upload or an error. */
export interface BatchResult {
  /** From 0. */
  index: number;
  upload?: Upload;
  error?: ErrorInfo;
  /** True when the row had been stored before under the same key. */
  replayed?: boolean;
}

/** Every check, nothing stored. */
export interface Validation {
  valid: boolean;
  scheduledAt: Date | null;
  errors: FieldError[];
  warnings: { pointer: string; detail: string }[];
  targets: { account: string; board: Board | null; scheduledAt: Date | null }[];
}

/** One entry of an upload's timeline. */
export interface UploadEvent {
  seq: number;
  at: Date;
  kind: string;
  target: string | null;
  detail: string;
  data: Record<string, unknown>;
}

export interface Board {
  /** Digits, longer than 2^53. */
  id: string;
  name: string;
  description: string | null;
  privacy: OpenWord<"PUBLIC" | "PROTECTED" | "SECRET"> | null;
  /** User name; another user's on a group board. */
  owner: string | null;
  pinCount: number | null;
}

export interface Section {
  id: string;
  name: string;
}

export interface Account {
  /** `pinterest:549…` */
  id: string;
  platform: string;
  name: string | null;
  status: OpenWord<"active" | "expiring" | "reconnect_required">;
  mode: "live" | "test";
  scopes: string[];
  /** Without a new consent the connection ends here. */
  reconnectBefore: Date | null;
  uploadsDueAfter: number;
  connectedAt: Date;
}

/** A limit and how much of it is used. */
export interface LimitUse {
  limit: number;
  /** In any span of so many seconds. */
  perSeconds: number;
  used: number;
  left: number;
  /** When the first of the used ones counts no more. */
  renewsAt: Date | null;
}

/** What an account may still do. */
export interface AccountLimits {
  account: string;
  /** Requests that publish. */
  writes: LimitUse;
  /** Looks for posts whose outcome is unknown; counted by each node for itself. */
  looks: { limit: number; perSeconds: number };
  /** Nothing is sent before. */
  resumesAt: Date | null;
  slots: {
    count: number;
    /** Uploads that wait in slots. */
    taken: number;
    /** What `schedule: "next_slot"` would take now. */
    nextFreeAt: Date | null;
    /** For so many days from now every occurrence is taken. */
    daysFilled: number;
  };
}

export type Weekday = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

/** A weekly posting time of an account. It takes one upload a day. */
export interface Slot {
  /** `slot_…` */
  id: string;
  account: string;
  weekdays: Weekday[];
  /** Local time of day, `HH:MM`. */
  time: string;
  timezone: string;
  enabled: boolean;
  createdAt: Date;
  nextFreeAt: Date | null;
  /** Uploads that wait in it. */
  taken: number;
  /** For so many days from now it is full. */
  daysFilled: number;
}

export interface ConnectSession {
  id: string;
  /** The network's consent page. */
  authorizeUrl: string;
  expiresAt: Date;
  status: OpenWord<"pending" | "connected" | "failed">;
  account: Account | null;
  error: ErrorInfo | null;
}

export interface Media {
  /** `md_…` */
  id: string;
  status: OpenWord<"uploading" | "ready">;
  kind: OpenWord<"image" | "video"> | null;
  /** By content. */
  contentType: string | null;
  bytes: number;
  width: number | null;
  height: number | null;
  /** Degrees to turn it clockwise for showing it. */
  rotation: number | null;
  durationMs: number | null;
  videoCodec: string | null;
  audioCodec: string | null;
  sha256: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  /** What a platform would refuse. */
  refusals: Record<string, FieldError[]>;
}

export interface ApiKey {
  id: string;
  name: string | null;
  mode: "live" | "test";
  scopes: string[];
  accounts: string[] | null;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export interface CreatedApiKey {
  id: string;
  /** The secret; shown once. */
  key: string;
  mode: "live" | "test";
  scopes: string[];
  accounts: string[] | null;
}

export interface Webhook {
  /** `wh_…` */
  id: string;
  url: string;
  description: string | null;
  /** `null` means all. */
  events: string[] | null;
  enabled: boolean;
  /** Why the service switched it off. */
  disabledReason: string | null;
  failingSince: Date | null;
  /** Until then the secret from before the last rotation signs too. */
  previousSecretUntil: Date | null;
  createdAt: Date;
}

export interface WebhookSecret {
  webhook: Webhook;
  /** `whsec_…`; shown once. */
  secret: string;
}

export interface WebhookDelivery {
  /** `dl_…` */
  id: string;
  /** `msg_…`: the header `webhook-id`. */
  messageId: string;
  event: string;
  status: OpenWord<"pending" | "delivered" | "failed">;
  attempts: number;
  nextAttemptAt: Date | null;
  lastAttemptAt: Date | null;
  responseStatus: number | null;
  response: string | null;
  error: string | null;
  createdAt: Date;
}

export interface Health {
  status: OpenWord<"ok" | "degraded">;
  version: string;
  /** What keeps it from sending. */
  problem?: ErrorInfo | null;
}
