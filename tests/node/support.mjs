// What several tests need.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A binary of the debug build that all tests share. */
export function debugBinary(name) {
  return join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug", name);
}

/** A folder that goes with the test. */
export function temporary(t) {
  const folder = mkdtempSync(join(tmpdir(), "multi-upload-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
