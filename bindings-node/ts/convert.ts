/** camelCase and Date on the JavaScript side, snake_case and RFC 3339 on the wire. */

/** What lies under these keys belongs to the user or the network: its names are left alone. */
const OPAQUE = new Set(["pinterest", "tiktok", "instagram", "data"]);

/** Keys that are themselves data (account ids, platform names); what lies under them is ours again. */
const KEYED = new Set(["overrides", "refusals"]);

/** Answers repeat what was asked for; its times are the caller's own text, maybe local. */
const VERBATIM_TIMES = new Set(["content"]);

export function toWire(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toWire);
  if (value === null || typeof value !== "object") return value;
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    const name = snake(key);
    result[name] = OPAQUE.has(name) ? inner : KEYED.has(name) ? mapValues(inner, toWire) : toWire(inner);
  }
  return result;
}

export function fromWire(value: unknown, dates = true): unknown {
  if (Array.isArray(value)) return value.map((inner) => fromWire(inner, dates));
  if (value === null || typeof value !== "object") return value;
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (OPAQUE.has(key)) result[camel(key)] = inner;
    else if (KEYED.has(key)) result[camel(key)] = mapValues(inner, (item) => fromWire(item, dates));
    else if (dates && typeof inner === "string" && isTime(key)) result[camel(key)] = new Date(inner);
    else result[camel(key)] = fromWire(inner, dates && !VERBATIM_TIMES.has(key));
  }
  return result;
}

function isTime(key: string): boolean {
  return /_(at|since|until)$/.test(key) || key === "at" || key === "reconnect_before";
}

function mapValues(value: unknown, change: (inner: unknown) => unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner)]));
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
