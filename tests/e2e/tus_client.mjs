// Uploads a file with the public tus client: aborts after two chunks, then goes on with its address. Prints where it went on and the address.
import { createReadStream } from "node:fs";
import { argv, env } from "node:process";

import { Upload } from "tus-js-client";

const chunkSize = 1024 * 1024;
const common = {
  endpoint: `${env.MULTI_UPLOAD_URL}/v1/media`,
  headers: { Authorization: `Bearer ${env.MULTI_UPLOAD_API_KEY}` },
  chunkSize,
  metadata: { filename: "film.mp4" },
  retryDelays: [0, 100, 500],
};

function upload(options) {
  return new Promise((resolve, reject) => {
    const upload = new Upload(createReadStream(argv[2]), {
      ...common,
      ...options,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: (_, done) => {
        if (options.stopAt === done) upload.abort().then(() => resolve(upload.url), reject);
      },
    });
    upload.start();
  });
}

const { size } = await import("node:fs/promises").then((fs) => fs.stat(argv[2]));
const uploadUrl = await upload({ uploadSize: size, stopAt: 2 * chunkSize });
let resumedFrom;
const url = await upload({
  uploadSize: size,
  uploadUrl,
  onAfterResponse: (request, response) => {
    if (request.getMethod() === "HEAD") resumedFrom = Number(response.getHeader("Upload-Offset"));
  },
});
console.log(JSON.stringify({ url, resumedFrom }));
