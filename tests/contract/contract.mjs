// openapi.yaml in other people's tools: contract.mjs CXRD WORK_FOLDER TAP_FILE [REPLIES]
// REPLIES: JSON lines that http/run.py --seen leaves, every reply that its tests have had.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import createClient from 'openapi-fetch';
import { startServer } from '../support/server.mjs';
import { Tap } from '../support/tap.mjs';
import { Contract } from './document.mjs';

const [cxrd, work, tapFile, replies] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const yaml = path.join(here, '../../openapi.yaml');
const api = path.resolve(work, 'api.d.ts');

function run(file, args) {
  try {
    execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new Error(`${path.basename(file)}:\n${error.stdout}${error.stderr}`);
  }
}
const tool = (name, ...args) => run(path.join(here, '../node_modules/.bin', name), args);

const tap = new Tap(tapFile, 'contract');
const contract = new Contract(yaml);

function judge({ method, target, status, type, body }) {
  const schema = contract.schemaOf(method, target, status, type);
  if (!schema || !type.endsWith('json')) return false;
  const faults = contract.faults(schema, body);
  assert.equal(faults.length, 0, `${method} ${target} ${status}: ${faults.join('; ')}`);
  return true;
}

await tap.test('Redocly and Spectral have nothing to say', () => run(path.join(here, 'lint'), []));

await tap.test('every schema compiles in the strict mode of ajv', () => {
  for (const name of Object.keys(contract.document.components.schemas)) contract.faults(`#/components/schemas/${name}`, null);
});

await tap.test('every example and default is what its schema says', () => {
  const examples = [...contract.examples()];
  for (const { schema, value, name } of examples) assert.deepEqual(contract.faults(schema, value), [], name);
  assert.ok(examples.length > 80, `${examples.length} examples`);
});

await tap.test('a wrong reply would be found', () => {
  const version = { method: 'GET', target: '/version', status: 200, type: 'application/json', body: {} };
  assert.throws(() => judge(version), /required property 'limits'/);
  const problem = { ...version, target: '/jobs/x?y=1', status: 404, type: 'application/problem+json', body: { status: '404' } };
  assert.throws(() => judge(problem), /\/status must be integer/);
});

await tap.test('a generated client compiles', () => {
  tool('openapi-typescript', yaml, '--output', api, '--default-non-nullable=false');
  const { compilerOptions } = JSON.parse(readFileSync(path.join(here, 'tsconfig.json'), 'utf8'));
  const project = { compilerOptions: { ...compilerOptions, paths: { 'cxrd-api': [api] }, outDir: path.resolve(work), rootDir: here },
    files: [path.join(here, 'client.mts')] };
  const file = path.resolve(work, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(project));
  tool('tsc', '--project', file);
});

await tap.test('and works; what it gets is what the schemas say', async () => {
  const server = await startServer(cxrd);
  try {
    const { walk } = await import(pathToFileURL(path.resolve(work, 'client.mjs')));
    let judged = 0;
    const listening = async (request) => {
      const reply = await fetch(request);
      const type = reply.headers.get('content-type') ?? '';
      const target = new URL(request.url).pathname;
      if (type.endsWith('json')) judged += judge({ method: request.method, target, status: reply.status, type, body: await reply.clone().json() });
      return reply;
    };
    await walk(createClient({ baseUrl: server.url, fetch: listening }), new Blob([readFileSync(server.picture)], { type: 'image/png' }));
    assert.ok(judged >= 20, `${judged} replies`);
  } finally {
    await server.stop();
  }
});

await tap.test('so is every reply that the tests over HTTP have had', (skip) => {
  if (!replies || !existsSync(replies)) return skip('the tests over HTTP have not run');
  const lines = readFileSync(replies, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const judged = lines.filter(judge).length;
  assert.ok(judged > 0 && judged > lines.length * 0.9, `${judged} of ${lines.length} replies have a schema`);
  return undefined;
});

process.exit(tap.failed ? 1 : 0);
