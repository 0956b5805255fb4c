// Compiled under `tsc --strict` by package.test.mjs: right use passes, wrong use is refused.
import { Client, MultiUploadError, OutcomeUnknownError, RateLimitError, type Board, type Upload } from "multi-upload";

export async function right(): Promise<void> {
  const client = new Client("http://127.0.0.1:8787", "mu_test_key", { timeoutMs: 1_000 });
  const local: Client = await Client.local("data", { sandbox: true });
  const boards: Board[] = [];
  for await (const board of client.boards.list("pinterest:1", { privacy: "SECRET" })) boards.push(board);
  const upload: Upload = await client.uploads.create(
    { accounts: ["pinterest:1"], boardId: "1", imageUrl: "https://example.com/a.jpg", scheduledAt: new Date(), overrides: { pinterest: { title: "t" } } },
    { idempotencyKey: "row-1", signal: AbortSignal.timeout(1_000) },
  );
  const due: Date | null = upload.scheduledAt;
  const [result] = await local.uploads.createMany([{ accounts: ["pinterest:1"], mediaId: "md_1" }], { onProgress: ({ done, total }) => void (done / total) });
  if (result?.upload && due) await client.uploads.wait(result.upload.id);
  try {
    await client.uploads.resolve(upload.id, { resolution: "published", remoteId: "1" });
  } catch (error) {
    if (error instanceof RateLimitError) void (error.retryAfterMs ?? 0).toFixed();
    if (error instanceof OutcomeUnknownError) void error.target?.attempt.toFixed();
    if (error instanceof MultiUploadError) void error.code.toLowerCase();
  }
  await client.close();
}

export async function wrong(client: Client): Promise<void> {
  // @ts-expect-error accounts are required
  await client.uploads.create({ imageUrl: "https://example.com/a.jpg" });
  // @ts-expect-error names are camelCase
  await client.uploads.create({ accounts: ["pinterest:1"], image_url: "https://example.com/a.jpg" });
  // @ts-expect-error a word that resolve does not know
  await client.uploads.resolve("up_1", { resolution: "maybe" });
  // @ts-expect-error an account is a text
  client.boards.list(549);
  // @ts-expect-error there is no such method
  client.uploads.remove("up_1");
}
