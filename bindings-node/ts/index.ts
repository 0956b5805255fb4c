/** Schedule and publish pins from Node, with or without a server. */

export { Client, Uploads, Boards, Accounts, Slots, MediaFiles, ApiKeys, Service } from "./client";
export type { ClientOptions, LocalOptions, UploadFilter } from "./client";
export type { Attempt, CallOptions, Progress, ProgressOptions } from "./call";
export * from "./errors";
export type * from "./models";
