import { Client } from "multi-upload";

// Address and key come from MULTI_UPLOAD_URL and MULTI_UPLOAD_API_KEY.
const client = new Client();

const { value: account } = await client.accounts.list().next();
const { value: board } = await client.boards.list(account.id).next();

const media = await client.media.upload("examples/images/lemon-cake.jpg");
const upload = await client.uploads.create({
  accounts: [account.id],
  boardId: board.id,
  mediaId: media.id,
  title: "Lemon cake",
  link: "https://yourshop.com/lemon-cake",
});

const published = await client.uploads.wait(upload.id);
console.log(published.status, published.targets[0].remoteUrl);
