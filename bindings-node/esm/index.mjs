// One CommonJS implementation behind both entry points: classes and state exist once.
// A test compares the names with those of the implementation.
import multiUpload from "../dist/index.js";

export const {
  Accounts,
  ApiKeys,
  AuthError,
  Boards,
  CODES,
  CancelledError,
  Client,
  ConfigError,
  ConflictError,
  ConnectionError,
  IdempotencyError,
  InternalError,
  MediaError,
  MediaFiles,
  MultiUploadError,
  NotFoundError,
  OutcomeUnknownError,
  PermissionDeniedError,
  PlatformError,
  QuotaError,
  RateLimitError,
  ServerError,
  Service,
  TimeoutError,
  Uploads,
  ValidationError,
  errorFrom,
} = multiUpload;
