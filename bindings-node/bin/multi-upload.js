#!/usr/bin/env node
"use strict";
// The command is the same native library, not a second program.
const { runCommand } = require("../dist/native.js").loadNative();
process.exitCode = runCommand(["multi-upload", ...process.argv.slice(2)]);
