/** Schedule and publish pins from Node, with or without a server. */

export { Client, Uploads, Boards, Accounts, Slots, MediaFiles, ApiKeys, Webhooks, Service } from "./client";
export type { ClientOptions, LocalOptions, UploadFilter } from "./client";
export type { Attempt, CallOptions, Progress, ProgressOptions } from "./call";
export { verifyWebhook } from "./webhook";
export type { WebhookEvent, WebhookHeaders } from "./webhook";
export * from "./errors";
export type * from "./models";
