// The package as a stranger gets it: one tarball, ESM, CommonJS and TypeScript projects.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import * as esm from "multi-upload";

import { root } from "./support.mjs";

const cjs = createRequire(import.meta.url)("multi-upload");
let project;

before(() => {
  project = mkdtempSync(join(tmpdir(), "multi-upload-consumer-"));
  const packed = execFileSync("npm", ["pack", "--silent", "-w", "bindings-node", "--ignore-scripts", "--pack-destination", project], {
    cwd: root,
    encoding: "utf8",
  });
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  execFileSync("npm", ["install", "--silent", "--offline", "--no-audit", "--no-fund", `./${packed.trim()}`], { cwd: project });
});

after(() => rmSync(project, { recursive: true, force: true }));

function run(name, text) {
  writeFileSync(join(project, name), text);
  return execFileSync(process.execPath, [name], { cwd: project, encoding: "utf8" }).trim();
}

test("both entry points show the same objects", () => {
  const { default: _, ...names } = esm;
  assert.deepEqual(Object.keys(names).sort(), Object.keys(cjs).sort());
  for (const [name, value] of Object.entries(names)) assert.equal(value, cjs[name], name);
});

test("a CommonJS project", () => {
  const text = 'const { Client, ConfigError } = require("multi-upload"); try { new Client("nonsense", "k") } catch (e) { console.log(e instanceof ConfigError, e.code) }';
  assert.equal(run("a.cjs", text), "true CONFIG_INVALID");
});

test("an ESM project", () => {
  const text = 'import { Client, MultiUploadError } from "multi-upload"; const c = new Client("http://127.0.0.1:1", "k", { maxAttempts: 1 }); try { await c.uploads.get("up_1") } catch (e) { console.log(e instanceof MultiUploadError, e.code) }';
  assert.equal(run("a.mjs", text), "true CONNECT_FAILED");
});

test("a strict TypeScript project, and what it must refuse", () => {
  mkdirSync(join(project, "node_modules", "@types"), { recursive: true });
  for (const name of ["node", "undici-types"]) {
    const from = name === "node" ? join("@types", "node") : name;
    symlinkSync(join(root, "node_modules", from), join(project, "node_modules", from));
  }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: { module: "node16", strict: true, noEmit: true, types: ["node"], lib: ["es2022", "esnext.disposable"], target: "es2022", skipLibCheck: false }, files: ["use.mts", "use.cts"] }));
  const usage = readFileSync(join(root, "tests", "node", "usage.ts"), "utf8");
  writeFileSync(join(project, "use.mts"), usage);
  writeFileSync(join(project, "use.cts"), usage);
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [tsc, "-p", project], { encoding: "utf8", stdio: "pipe" });
});

test("the command is in the package", () => {
  const bin = join(project, "node_modules", ".bin", "multi-upload");
  assert.match(execFileSync(bin, ["--version"], { encoding: "utf8" }), /^multi-upload \d+\.\d+\.\d+/);
});

test("without its library the package says what to do", () => {
  const folder = join(project, "node_modules", "multi-upload");
  rmSync(join(folder, "multi-upload.node"));
  const text = 'const { Client } = require("multi-upload"); try { new Client("http://127.0.0.1:1", "k") } catch (e) { console.log(e.message) }';
  assert.match(run("b.cjs", text), /no native library for .*\n.*--omit=optional/s);
});
