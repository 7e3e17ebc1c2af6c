// How the page asks its server. Addresses are relative, so that it works below a prefix as well; the key is kept by the
// tab's session storage and sent as a header, never in an address.
const KEY = 'cxrd-key';

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

/** A reply that is not what was asked for: the problem's sentence, and its faults by field. */
export class Problem extends Error {
  constructor(status, problem, retryAfter = null) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.status = status;
    this.retryAfter = retryAfter; // seconds; null: not said
    this.requestId = problem.request_id;
    this.errors = problem.errors ?? [];
  }
}

const address = (path) => new URL(path.replace(/^\//, ''), document.baseURI);

async function problemOf(reply) {
  let problem = {};
  try {
    problem = await reply.json();
  } catch {
    // a proxy's page, or nothing: the status has to do
  }
  return new Problem(reply.status, problem, Number(reply.headers.get('Retry-After')) || null);
}

/** A reply that is fine, or a Problem. */
export async function ask(method, path, { body, headers = {}, signal } = {}) {
  const authorization = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
  let reply;
  try {
    reply = await fetch(address(path), { method, body, signal, headers: { ...authorization, ...headers } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { detail: 'The server cannot be reached.' });
  }
  if (!reply.ok) throw await problemOf(reply);
  return reply;
}

export const getJson = async (path, options) => (await ask('GET', path, options)).json();

export const postJson = async (path, value) =>
  (await ask('POST', path, { body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' } })).json();

let contract;

/** openapi.yaml as an object: what this very server can do. */
export function getContract() {
  contract ??= getJson('ui/openapi.json');
  return contract;
}

/** Whether this server has an operation, so that the page offers nothing else. */
export async function has(method, path) {
  return Boolean((await getContract()).paths[path]?.[method.toLowerCase()]);
}

/** Give a file to the person. */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** The same of what the server has: with a key a plain link would not do. */
export async function save(path, name) {
  saveBlob(await (await ask('GET', path)).blob(), name);
}

function parseEvent(block) {
  const event = { name: 'message', data: '' };
  for (const line of block.split('\n')) {
    const [, field, value] = /^([a-z]*):? ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event.name = value;
    else if (field === 'data') event.data += value;
    else if (field === 'id') event.id = value;
  }
  return event.data ? { ...event, data: JSON.parse(event.data) } : null;
}

/** Server-sent events, read with fetch(): an EventSource cannot send a key. Ends when the stream does. `more`: another has
 *  come together with this one. */
export async function* events(path, { signal, last } = {}) {
  const reply = await ask('GET', path, { signal, headers: last ? { 'Last-Event-ID': last } : {} });
  if (reply.status === 204) return;
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    const whole = blocks.map(parseEvent).filter(Boolean);
    yield* whole.map((event, i) => ({ ...event, more: i < whole.length - 1 }));
  }
}
