import { Client, ValidationError, RateLimitError, MultiUploadError } from "multi-upload";

const client = new Client();

try {
  await client.uploads.create({ accounts: ["pinterest:1"], imageUrl: "https://yourcdn.com/summer.jpg" });
} catch (error) {
  if (error instanceof ValidationError) {
    for (const { pointer, detail } of error.errors) console.log(pointer, detail);
  } else if (error instanceof RateLimitError) {
    console.log(`again in ${error.retryAfterMs} ms`);
  } else if (error instanceof MultiUploadError) {
    console.log(error.code, error.outcome, error.remedy, error.requestId);
  } else {
    throw error;
  }
}
