// `cxrd serve` on a port that it picks, with a small data set of drawn chests, and whatever options a test gives.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^CXRD_|_proxy$/i.test(name)));

function pngBelow(folder) {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).find((entry) => entry.name.endsWith('.png'));
  return path.join(found.parentPath ?? found.path, found.name);
}

/** A keys file with one key for `role`: the file and the key. */
export function makeKey(cxrd, role) {
  const { stdout, stderr } = spawnSync(cxrd, ['key', role, 'tester'], { env: environment, encoding: 'utf8' });
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'cxrd-key-')), 'keys');
  writeFileSync(file, stdout);
  return { file, key: stderr.match(/[0-9a-f]{64}/)[0] };
}

export async function startServer(cxrd, options = []) {
  const folder = mkdtempSync(path.join(tmpdir(), 'cxrd-ui-'));
  const datasets = path.join(folder, 'datasets');
  execFileSync(cxrd, ['phantom', '--out', path.join(datasets, 'phantom'), '--images', '120', '--size', '128'],
    { env: environment, stdio: 'ignore' });
  const server = spawn(cxrd, ['serve', '--listen', '127.0.0.1:0', '--state', path.join(folder, 'state'), '--datasets', datasets,
    '--threads', '2', '--log-level', 'warn', ...options], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => { server.on('exit', (code, signal) => done(code ?? signal)); });
  const url = await new Promise((done, fail) => {
    server.stdout.once('data', (line) => done(String(line).match(/http:\S+/)[0]));
    ended.then((code) => fail(new Error(`the server ended: ${code}`)));
  });
  return {
    url,
    folder,
    picture: pngBelow(datasets),
    async stop() {
      server.kill('SIGTERM');
      const code = await ended;
      rmSync(folder, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the server ended with ${code}`);
    },
  };
}
