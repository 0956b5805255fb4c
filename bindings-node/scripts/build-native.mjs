// Builds the native library and puts it beside package.json, where ts/native.ts finds it.
// MULTI_UPLOAD_PROFILE=dev takes the debug build that the tests share.
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const profile = process.env.MULTI_UPLOAD_PROFILE ?? "release";
const built = spawnSync("cargo", ["build", "--package", "multi-upload-node", "--profile", profile, "--message-format", "json-render-diagnostics"], {
  cwd: root,
  stdio: ["ignore", "pipe", "inherit"],
  maxBuffer: 1 << 28,
});
if (built.error?.code === "ENOENT") {
  console.error("multi-upload is built from source here and needs Rust 1.95 or newer: https://rustup.rs");
  process.exit(1);
}
if (built.status !== 0) process.exit(built.status ?? 1);
const library = built.stdout
  .toString()
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line))
  .filter((message) => message.reason === "compiler-artifact" && message.target.name === "multi_upload_node")
  .flatMap((message) => message.filenames)
  .find((name) => /\.(so|dylib|dll)$/.test(name));
if (!library) {
  console.error("cargo built no library for Node");
  process.exit(1);
}
const target = join(root, "bindings-node", "multi-upload.node");
// A running process may have the old file mapped: replace it, never write into it.
copyFileSync(library, `${target}.new`);
renameSync(`${target}.new`, target);
for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  copyFileSync(join(root, licence), join(root, "bindings-node", licence));
}
const { version } = JSON.parse(readFileSync(join(root, "bindings-node", "package.json"), "utf8"));
console.log(`multi-upload ${version}: native library (${profile}) is in place`);
