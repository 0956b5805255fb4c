// Stands for the person at the browser: opens the sandbox's consent page and presses its button.

/** Loads the consent page, submits its form and follows the way back to the callback. */
export async function allow(url) {
  const page = await (await fetch(url)).text();
  const attribute = (tag, name) => new RegExp(`${name}="([^"]*)"`).exec(tag)?.[1] ?? "";
  const text = (value) => value.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const form = /<form[^>]*>/.exec(page)?.[0] ?? "";
  const fields = (page.match(/<input[^>]*type="hidden"[^>]*>/g) ?? []).map((tag) => [
    text(attribute(tag, "name")),
    text(attribute(tag, "value")),
  ]);
  const action = new URL(text(attribute(form, "action")), url);
  const answer = await fetch(action, { method: "POST", body: new URLSearchParams(fields) });
  if (!answer.ok) throw new Error(`the callback answered ${answer.status}: ${await answer.text()}`);
}
