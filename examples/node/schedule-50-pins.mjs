// Schedules fifty pins and waits until Pinterest has them.
//
//   node examples/node/schedule-50-pins.mjs            against the sandbox: no account needed
//   node examples/node/schedule-50-pins.mjs --real     against Pinterest, with PINTEREST_APP_ID and PINTEREST_APP_SECRET
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Client } from "multi-upload";

import { allow } from "./consent.mjs";

const COUNT = 50;
const SPREAD_MS = 5_000;
const real = process.argv.includes("--real");
const images = join(dirname(fileURLToPath(import.meta.url)), "..", "images");

// What goes wrong at Pinterest's side during the demo; the service has to cope with it. Its lists come in pages of 25,
// so that the 31 boards need two.
const faults = {
  switches: { longest_page: 25 },
  faults: [
    { match: { method: "POST", path: "/v5/oauth/token" }, action: { status: 500 } },
    { match: { method: "GET", path: "/v5/boards", nth: 1 }, action: { cut: {} } },
    { match: { method: "GET", path: "/v5/boards", nth: 2 }, action: { status: 500 } },
    { match: { method: "POST", path: "/v5/pins", nth: 10 }, action: { status: 429, headers: { "x-ratelimit-reset": "1" } } },
    // The answer is lost: once after the pin was made, once before. Only a look at the board can tell.
    { match: { method: "POST", path: "/v5/pins", body_contains: "Demo pin 20" }, when: "after", action: { cut: {} } },
    { match: { method: "POST", path: "/v5/pins", body_contains: "Demo pin 30" }, action: { cut: {} } },
  ],
};

async function main(data) {
  const client = await Client.local(data, { sandbox: !real });
  try {
    if (!real) await sandbox(client, "faults", { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(faults) });
    return await schedule(client);
  } finally {
    await client.close();
  }
}

async function schedule(client) {
  const account = await client.accounts.connect("pinterest", real ? {} : { open: allow });
  console.log(`Connected ${account.name} (${account.id})`);

  const boards = [];
  for await (const board of client.boards.list(account.id)) boards.push(board);
  const secret = boards.filter((board) => board.privacy === "SECRET");
  const group = boards.filter((board) => board.owner !== account.name);
  console.log(`${boards.length} boards, of them secret: ${names(secret)}, group: ${names(group)}`);

  const files = (await readdir(images)).filter((name) => /\.(jpe?g|png)$/.test(name)).sort();
  const media = await Promise.all(files.map((name) => client.media.upload(join(images, name))));

  const start = Date.now() + 1_000;
  const own = boards.filter((board) => board.owner === account.name);
  const rows = Array.from({ length: COUNT }, (_, n) => ({
    accounts: [account.id],
    boardId: own[n % Math.min(own.length, 10)].id,
    mediaId: media[n % media.length].id,
    title: `Demo pin ${String(n + 1).padStart(2, "0")} of ${COUNT}`,
    link: `https://example.com/products/${n + 1}`,
    scheduledAt: new Date(start + (n * SPREAD_MS) / COUNT),
  }));
  const results = await client.uploads.createMany(rows);
  const refused = results.filter((result) => result.error);
  if (refused.length > 0) throw new Error(`${refused.length} rows were refused: ${refused[0].error.detail}`);

  const uploads = await client.uploads.waitMany(
    results.map((result) => result.upload.id),
    { timeoutMs: 120_000, onProgress: bar },
  );
  process.stderr.write("\n");
  table(uploads, boards);

  const published = uploads.filter((upload) => upload.status === "published").length;
  const counted = real ? published : await inLedger(client, rows);
  for (const { status, targets } of uploads.filter((upload) => upload.status !== "published")) {
    console.error(`${status}: ${targets[0].error?.detail ?? "no reason given"}`);
  }
  console.log(`${Math.min(published, counted)} of ${COUNT} pins published`);
  return published === COUNT && counted === COUNT;
}

/** How many titles stand in the sandbox's own ledger exactly once. */
async function inLedger(client, rows) {
  const { pins } = await sandbox(client, "ledger");
  return rows.filter((row) => pins.filter((pin) => pin.title === row.title).length === 1).length;
}

async function sandbox(client, what, request) {
  const answer = await fetch(`${client.sandboxUrl}/_sandbox/${what}`, request);
  if (!answer.ok) throw new Error(`the sandbox answered ${answer.status}: ${await answer.text()}`);
  return request ? undefined : answer.json();
}

function bar({ done, total }) {
  if (!process.stderr.isTTY) return;
  const width = 40;
  const full = Math.round((done / total) * width);
  process.stderr.write(`\r${"█".repeat(full)}${"░".repeat(width - full)} ${done}/${total} published`);
}

function table(uploads, boards) {
  const board = new Map(boards.map(({ id, name }) => [id, name]));
  const time = (date) => date?.toISOString().slice(11, 23) ?? "-";
  const line = (cells) => console.log([22, 20, 13, 13, 0].map((width, n) => cells[n].padEnd(width)).join(" ").trimEnd());
  line(["title", "board", "due", "published", "address"]);
  for (const { content, scheduledAt, targets } of uploads) {
    const [target] = targets;
    line([content.title, board.get(target.boardId) ?? "-", time(scheduledAt), time(target.publishedAt), target.remoteUrl ?? target.status]);
  }
}

function names(boards) {
  return boards.map(({ name }) => name).join(", ") || "none";
}

const data = real ? "multi-upload-data" : await mkdtemp(join(tmpdir(), "multi-upload-demo-"));
try {
  process.exitCode = (await main(data)) ? 0 : 1;
} catch (error) {
  console.error(`The demo stopped: ${error.message}`);
  process.exitCode = 1;
} finally {
  if (!real) await rm(data, { recursive: true, force: true });
}
